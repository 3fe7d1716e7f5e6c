"""Rows of QA: an answer becomes one, a rework fills the one that its return left open."""

from __future__ import annotations

from dataclasses import replace

from winnow.contracts.artifacts import read_table
from winnow.contracts.manifests import Batch
from winnow.contracts.references import frame_refs
from winnow.contracts.tables import BATCH
from winnow.domain.blob_ref import BlobRef
from winnow.domain.events import TaskClosed, TaskOutcome
from winnow.domain.labeling_rows import QaItemRow
from winnow.domain.tables import QA_ITEMS
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Transaction


def item_of(event: TaskClosed, label: str) -> QaItemRow:
    """Give the row of an answer."""
    return QaItemRow(
        key=event.task_id,
        batch_id=event.batch_id,
        round_id=event.round_id,
        frame_id=event.frame_id,
        task_id=event.task_id,
        state=_state_of(event),
        slot=event.slot,
        attempt=event.attempt,
        revision=event.attempt,
        inclusion_probability=float(event.attempt > 1),
        inspected=event.attempt > 1,
        label=label,
        annotator=event.annotator,
        effort_ms=event.effort_ms,
    )


def put_item(tx: Transaction, item: QaItemRow) -> None:
    """Replace a row by its new content."""
    tx.records.update(QA_ITEMS, item.key, lambda _: item)


def filled(old: QaItemRow, new: QaItemRow) -> QaItemRow:
    """Give the row with its answer in it; one that has an answer already stays."""
    if old.state != "planned":
        return old
    annotators = tuple(sorted({*old.annotators, new.annotator} - {""}))
    return replace(new, annotators=annotators, revision=old.revision)


def frames_of(blobs: Blobs, batch: Batch) -> dict[str, BlobRef]:
    """Give where each frame of a batch lies."""
    table = read_table(blobs, batch.table, BATCH)
    return dict(zip(table["frame_id"].to_pylist(), frame_refs(table), strict=True))


def _state_of(event: TaskClosed) -> str:
    if event.outcome is TaskOutcome.LABELED:
        return "answered" if event.attempt == 1 else "reworked"
    return "unlabeled" if event.attempt == 1 else "rejected"

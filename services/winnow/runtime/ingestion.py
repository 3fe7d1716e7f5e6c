"""From a source of frames to registered shards: what `winnow ingest` does.

Bytes first, then one transaction. Interrupted at any moment and started again it goes on where it
stopped; run twice it registers and pays once; run after the source grew it adds what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from winnow.contracts.artifacts import read_table, write_table
from winnow.contracts.tables import FRAMES, HOLDOUT, ORACLE
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.domain.tables import SHARDS, SOURCES, SourceRow
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.encoder import Encoder
from winnow.ports.frame_source import FrameSource
from winnow.ports.ledger import Ledger
from winnow.runtime.ingest_gathering import (
    PUTS_AT_ONCE,
    Gathering,
    IngestOptions,
    Known,
    ids_of,
)
from winnow.runtime.ingest_holdout import NO_HOLDOUT, WAYS, HoldoutPlan, look, plan_holdout
from winnow.runtime.ingest_register import register
from winnow.runtime.ingest_rows import (
    Row,
    holdout_table,
)

__all__ = ["IngestOptions", "IngestReport", "ingest_frames"]

DEFAULTS = IngestOptions()
OnProgress = Callable[[str, int, int], None]
"""Called with (what is being done, frames done, frames in all)."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did."""

    source: str
    class_names: tuple[str, ...]
    n_frames: int
    n_known: int
    """Frames that were registered before."""
    n_pool: int
    """Frames that are new in the pool."""
    n_holdout: int
    """Frames that are new in the holdout."""
    n_shards: int
    bytes_paid: int
    holdout: HoldoutPlan
    notes: tuple[str, ...]


def ingest_frames(
    source: FrameSource,
    *,
    ledger: Ledger,
    blobs: Blobs,
    clock: Clock,
    options: IngestOptions = DEFAULTS,
    encoder: Encoder | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> IngestReport:
    """Register the frames of a source that are not registered yet.

    Parameters
    ----------
    encoder
        Judges, beside the hash, which frames are near-duplicates when a holdout is drawn; None
        compares hashes alone.

    Raises
    ------
    BadInput
        The options make no sense for this source; nothing was registered.
    BudgetExceeded
        The upload budget does not cover the new frames; nothing was registered.
    """
    _check(options, source)
    name = options.source_name or source.name
    positions = _positions(source.n_frames, options.limit)
    known = _known(ledger, blobs, name)
    _check_kind(known, source, name)
    plan = _plan(source, positions, name, known, options, encoder, on_progress)
    with ThreadPoolExecutor(PUTS_AT_ONCE) as threads:
        gathered = Gathering(blobs, threads, name, known, plan, options)
        frames = zip(positions, source.frames(positions), strict=True)
        for done, (pos, frame) in enumerate(frames, start=1):
            gathered.add(pos, frame)
            on_progress("storing frames", done, len(positions))
        gathered.finish()
    row = _source_row(blobs, name, source, known, gathered)
    paid = register(
        ledger,
        row,
        gathered.shards,
        gathered.new_holdout(),
        vehicle=options.vehicle,
        topic_prefix=options.topic_prefix,
        at=clock.now(),
    )
    return IngestReport(
        source=name,
        class_names=row.class_names,
        n_frames=len(positions),
        n_known=gathered.n_known,
        n_pool=sum(shard.n_frames for shard in gathered.shards),
        n_holdout=len(gathered.holdout),
        n_shards=len(gathered.shards),
        bytes_paid=paid,
        holdout=plan,
        notes=(*source.notes, *gathered.notes),
    )


def _check(options: IngestOptions, source: FrameSource) -> None:
    if options.holdout_by not in ("", *WAYS):
        msg = f"--by: expected {' or '.join(WAYS)}, found {options.holdout_by!r}"
        raise BadInput(msg)
    if not 0.0 <= options.holdout_share < 1.0:
        msg = f"--holdout: expected 0 or more and less than 1, found {options.holdout_share:g}"
        raise BadInput(msg)
    if options.limit is not None and options.limit < 1:
        msg = f"--limit: expected at least 1, found {options.limit}"
        raise BadInput(msg)
    if options.holdout_share and not source.class_names:
        msg = (
            f"--holdout: expected known labels to measure against, found none in {source.name} "
            f"({'; '.join(source.notes)}). Leave --holdout away, or put the images into one "
            "sub-folder per class."
        )
        raise BadInput(msg)


def _check_kind(known: Known, source: FrameSource, name: str) -> None:
    before = known.row
    if before is None or not (before.class_names and source.class_names):
        return
    if before.label_kind != source.label_kind:
        msg = (
            f"{name}: expected labels of kind {before.label_kind}, as it was ingested before, "
            f"found {source.label_kind}; --source gives it another name"
        )
        raise BadInput(msg)


def _positions(n_frames: int, limit: int | None) -> list[int]:
    if limit is None or limit >= n_frames:
        return list(range(n_frames))
    # Evenly spaced and not the first ones: sources are often sorted by class or time.
    spaced: list[int] = (np.arange(limit) * n_frames // limit).tolist()
    return spaced


def _known(ledger: Ledger, blobs: Blobs, name: str) -> Known:
    with ledger.snapshot() as view:
        row = view.records.get(SOURCES, name)
        shards = view.records.find(SHARDS, group=name)
    tables = [read_table(blobs, s.manifest, FRAMES, columns=["frame_id"]) for s in shards]
    holdout = read_table(blobs, row.holdout, HOLDOUT) if row and row.holdout else None
    return Known(row, frozenset().union(*map(ids_of, tables)), holdout)


def _plan(
    source: FrameSource,
    positions: Sequence[int],
    name: str,
    known: Known,
    options: IngestOptions,
    encoder: Encoder | None,
    on_progress: OnProgress,
) -> HoldoutPlan:
    if not options.holdout_share:
        return NO_HOLDOUT
    done = 0

    def on_frame() -> None:
        nonlocal done
        done += 1
        on_progress("drawing the holdout", done, len(positions))

    seen = look(source, positions, source_name=name, encoder=encoder, on_frame=on_frame)
    return plan_holdout(
        seen,
        positions,
        share=options.holdout_share,
        by=options.holdout_by,
        salt=name,
        in_holdout=known.held,
        in_pool=known.pool,
    )


def _source_row(
    blobs: Blobs,
    name: str,
    source: FrameSource,
    known: Known,
    gathered: Gathering,
) -> SourceRow:
    before = known.row.class_names if known.row else ()
    added = tuple(label for label in source.class_names if label not in before)
    return SourceRow(
        key=name,
        class_names=before + added,
        holdout=_holdout_ref(blobs, known, gathered.holdout),
        oracle=_oracle_ref(blobs, known, gathered.labels),
        label_kind=source.label_kind,
    )


def _holdout_ref(blobs: Blobs, known: Known, rows: Sequence[Row]) -> BlobRef | None:
    before = known.row.holdout if known.row else None
    if not rows:
        return before
    old = [] if known.holdout is None else known.holdout.to_pylist()
    return write_table(blobs, holdout_table([*old, *rows]), HOLDOUT, prefix="holdout/tables")


def _oracle_ref(blobs: Blobs, known: Known, labels: Sequence[tuple[str, str]]) -> BlobRef | None:
    before = known.row.oracle if known.row else None
    if not labels:
        return before
    old = read_table(blobs, before, ORACLE).to_pylist() if before else []
    new = [{"frame_id": frame_id, "label": label} for frame_id, label in labels]
    rows = sorted([*old, *new], key=lambda row: row["frame_id"])
    return write_table(blobs, pa.Table.from_pylist(rows, schema=ORACLE), ORACLE, prefix="oracle")

"""How tasks begin: predictions go on record first, and a rework's money is reserved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from winnow.contracts.manifests import Batch
from winnow.contracts.orders import budget_of
from winnow.contracts.task_ends import GATEWAY, label_waits
from winnow.contracts.tasks import shown_to_people
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound
from winnow.domain.ids import Micros, derived_uuid, reservation_id_of
from winnow.domain.labeling_rows import TaskRow
from winnow.domain.labels import DETECTION, LabelRevision, LabelState, Transition
from winnow.domain.money import BudgetKind, Reserve
from winnow.evidence.artifact import Producer
from winnow.evidence.pre_annotation import PreAnnotationRecord
from winnow.policy.model import Policy
from winnow.ports.ledger import Transaction

SCORE_OF_BOXES = (
    "mean score of the boxes that are shown; without any, one minus the best that is not shown"
)


def pre_annotation_record(
    batch: Batch, rows: Sequence[TaskRow], *, producer: Producer, at: datetime
) -> PreAnnotationRecord | None:
    """Give the evidence of what people are shown; None if no frame has a prediction."""
    shown = shown_to_people(rows)
    if not shown:
        return None
    return PreAnnotationRecord(
        id=derived_uuid("pre_annotation", batch.batch_id),
        created_at=at,
        producer=producer,
        round_id=batch.round_id,
        batch_id=batch.batch_id,
        label_task=batch.label_task,
        label_schema_sha256=batch.label_schema_sha256,
        model_version=batch.pre_label_model,
        predictions=shown,
        **({"score_kind": SCORE_OF_BOXES} if batch.label_kind == DETECTION else {}),
    ).sealed()


def attach_predictions(
    tx: Transaction,
    batch: Batch,
    rows: Sequence[TaskRow],
    record: BlobRef | None,
    *,
    at: datetime,
) -> Mapping[str, int]:
    """Mark labels whose frames come with a prediction; give each candidate's revision."""
    waiting = tx.labels.find(
        states=[LabelState.CANDIDATE], label_task=batch.label_task, batch_id=batch.batch_id
    )
    if record is not None:
        _attach(tx, waiting, {row.frame_id for row in rows if row.pre_label}, record, at)
    return {label.key.frame_id: label.key.revision for label in waiting}


def _attach(
    tx: Transaction,
    waiting: Sequence[LabelRevision],
    frame_ids: set[str],
    record: BlobRef,
    at: datetime,
) -> None:
    evidence = json.dumps({"pre_annotation": record.key, "sha256": record.sha256}, sort_keys=True)
    for label in waiting:
        if label.key.frame_id in frame_ids:
            step = Transition(
                label.key, label.version + 1, label.state, LabelState.PRE_LABELED, GATEWAY,
                evidence, "", at,
            )  # fmt: skip
            tx.labels.step(step)


def reserve_rework(
    tx: Transaction, row: TaskRow, batch: Batch, policy: Policy, now: datetime
) -> str:
    """Reserve a rework's money; say why it cannot be, or nothing."""
    if row.attempt > policy.label.attempts_max:
        return f"{policy.label.attempts_max} attempts are all that the policy allows"
    if not label_waits(tx, row, batch.label_task):
        return "the label moved on"
    budget_id = budget_of(batch)
    try:
        period = tx.money.open_period(budget_id)
    except NotFound as error:
        return str(error)
    # Asked first, because a refused reservation would stay refused under its id for ever.
    available = tx.money.balances(budget_id, period).available
    if available < row.price_micros:
        return f"budget {budget_id}: expected {row.price_micros} available, found {available}"
    held = reservation_id_of(
        row.batch_id, row.frame_id, row.slot, row.attempt, BudgetKind.HUMAN_ANNOTATION
    )
    due_at = row.due_at or now
    request = Reserve(
        transfer_id=held,
        budget_id=budget_id,
        period=period,
        amount=Micros(row.price_micros),
        expires_at=due_at,
        subject=row.key,
        round_id=row.round_id,
        at=now,
    )
    outcome = tx.money.reserve([request])[0]
    return "" if outcome.applied else f"budget {budget_id}: {outcome.kind.value}"

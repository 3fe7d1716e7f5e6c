"""What an approved batch orders: tasks, the reservations that pay for them, the evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from winnow.contracts.artifacts import read_table
from winnow.contracts.manifests import Batch
from winnow.contracts.tables import BATCH
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BudgetExceeded
from winnow.domain.ids import (
    BatchId,
    BudgetId,
    FrameId,
    Micros,
    Period,
    derived_uuid,
    reservation_id_of,
    task_id_of,
)
from winnow.domain.money import BudgetKind, Reserve
from winnow.domain.tables import BatchRow
from winnow.evidence.annotation_batch import AnnotationBatch, RecordedAmendment, TaskOrder
from winnow.evidence.artifact import Producer
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Money

FIRST_ATTEMPT = 1


def budget_of(batch: Batch) -> BudgetId:
    """Give the budget that pays for annotations."""
    kind = BudgetKind.HUMAN_ANNOTATION
    return BudgetId(dict(batch.budget_ids).get(kind, kind))


def orders_of(blobs: Blobs, batch: Batch) -> tuple[TaskOrder, ...]:
    """Give one order for each (frame, slot), in rank order."""
    batch_id = BatchId(batch.batch_id)
    frame_ids = read_table(blobs, batch.table, BATCH, columns=["frame_id"])["frame_id"].to_pylist()
    return tuple(
        TaskOrder(
            task_id=task_id_of(batch_id, FrameId(frame_id), slot, FIRST_ATTEMPT),
            frame_id=frame_id,
            slot=slot,
            reservation_id=reservation_id_of(
                batch_id, frame_id, slot, FIRST_ATTEMPT, BudgetKind.HUMAN_ANNOTATION
            ),
        )
        for frame_id in frame_ids
        for slot in range(batch.slots)
    )


def price_of_task(batch: Batch) -> Micros:
    """Give the price of one annotation; where frames differ, the mean, rounded down."""
    return Micros(batch.price_micros // (batch.n_frames * batch.slots))


def prices_of_tasks(blobs: Blobs, batch: Batch) -> dict[str, int]:
    """Give frame id → the price of one annotation of it."""
    table = read_table(blobs, batch.table, BATCH, columns=["frame_id", "price_micros"])
    rows = zip(table["frame_id"].to_pylist(), table["price_micros"].to_pylist(), strict=True)
    return {frame_id: price // batch.slots for frame_id, price in rows}


def reservations_of(
    batch: Batch,
    orders: Sequence[TaskOrder],
    prices: Mapping[str, int],
    *,
    period: Period,
    at: datetime,
    due_at: datetime,
) -> list[Reserve]:
    """Give the requests that reserve a batch's money, one for each order.

    Parameters
    ----------
    prices
        Frame id → the price of one annotation of it.
    """
    return [
        Reserve(
            transfer_id=order.reservation_id,
            budget_id=budget_of(batch),
            period=period,
            amount=Micros(prices[order.frame_id]),
            expires_at=due_at,
            subject=order.task_id,
            round_id=batch.round_id,
            at=at,
        )
        for order in orders
    ]


def reserve(money: Money, batch: Batch, requests: Sequence[Reserve]) -> None:
    """Reserve all of a batch's money or, where it is not there, nothing.

    Raises
    ------
    BudgetExceeded
        The budget has less than the batch costs.
    """
    # Asked first, because a refused reservation would stay refused under its id for ever.
    budget_id = budget_of(batch)
    available = money.balances(budget_id, requests[0].period).available
    if batch.price_micros > available:
        msg = (
            f"batch {batch.batch_id}: expected {batch.price_micros} micros in budget {budget_id}, "
            f"found {available} available"
        )
        raise BudgetExceeded(msg)
    refused = [outcome for outcome in money.reserve(requests) if not outcome.applied]
    if refused:
        msg = f"batch {batch.batch_id}: {refused[0].kind}: {refused[0].expected}"
        raise BudgetExceeded(f"{msg}, found {refused[0].found}")


def proposed_row(batch: Batch, manifest: BlobRef) -> BatchRow:
    """Give the row of a batch that waits for approval."""
    return BatchRow(
        key=batch.batch_id,
        round_id=batch.round_id,
        state="proposed",
        n_frames=batch.n_frames,
        n_tasks=batch.n_frames * batch.slots,
        manifest=manifest,
        price_micros=batch.price_micros,
    )


def label_evidence(batch: Batch) -> str:
    """Give what a frame's first label state rests on: its row of the candidate score records."""
    records = {"candidate_records": batch.candidates.key, "sha256": batch.candidates.sha256}
    return json.dumps(records, sort_keys=True)


def annotation_batch(
    batch: Batch,
    manifest: BlobRef,
    orders: Sequence[TaskOrder],
    *,
    approved_by: str,
    producer: Producer,
    at: datetime,
    due_at: datetime,
) -> AnnotationBatch:
    """Give the evidence of an approved batch."""
    return AnnotationBatch(
        id=derived_uuid("annotation_batch", batch.batch_id),
        created_at=at,
        producer=producer,
        round_id=batch.round_id,
        batch_id=batch.batch_id,
        manifest=manifest,
        label_task=batch.label_task,
        class_names=batch.class_names,
        label_schema_sha256=batch.label_schema_sha256,
        instructions=batch.instructions,
        instructions_sha256=hashlib.sha256(batch.instructions.encode()).hexdigest(),
        source_snapshots=(batch.snapshot,),
        pre_label_model=batch.pre_label_model,
        slots=batch.slots,
        tasks=tuple(orders),
        budget_id=budget_of(batch),
        price_micros_per_task=price_of_task(batch),
        price_micros=batch.price_micros,
        due_at=due_at,
        approved_by=approved_by,
        amendments=tuple(
            RecordedAmendment.model_validate(change.model_dump(exclude={"schema_version"}))
            for change in batch.amendments
        ),
    ).sealed()

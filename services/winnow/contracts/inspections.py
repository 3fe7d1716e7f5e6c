"""One inspection: its order, its money, its verdict and what becomes of the label."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from winnow.agreement.labels import defects_between
from winnow.contracts.manifests import Batch
from winnow.contracts.tasks import Size, no_label
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound
from winnow.domain.events import LabelReviewed, VerdictKind
from winnow.domain.ids import (
    BatchId,
    BudgetId,
    FrameId,
    Micros,
    RoundId,
    TaskId,
    derived_uuid,
    reservation_id_of,
    task_id_of,
)
from winnow.domain.labeling_rows import QaItemRow
from winnow.domain.labels import DETECTION, Actor, LabelRevision, LabelState, Role, Transition
from winnow.domain.money import BudgetKind, Commit, Release, Reserve
from winnow.domain.tables import QA_ITEMS
from winnow.ports.labeling_tool import Answer, PreAnnotation, Project, WorkItem
from winnow.ports.ledger import Transaction

QA = Actor("qa", Role.QA_SERVICE)
INSTRUCTIONS = "Is the label right? Answer `passed`, or the class that the frame shows."
BOX_INSTRUCTIONS = (
    "Are the boxes right? Answer `passed`, or draw each object of the classes as it should be."
)
UNLABELABLE = "UNLABELABLE"
UNREADABLE_REVIEW = "UNREADABLE_REVIEW"
PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one label."""

    kind: VerdictKind
    actor: Actor
    at: datetime
    basis: str
    """inspected, consensus or lot_sampled; for rejections why there was no inspection."""
    defects: tuple[str, ...] = ()
    review: str = ""
    """Where the reviewer's answer, or the plan, lies."""


def review_project(batch: Batch) -> Project:
    """Give the frame in which a batch is reviewed; beside the annotators' own project."""
    return Project(
        batch_id=_review_batch(batch.batch_id),
        class_names=batch.class_names,
        instructions=BOX_INSTRUCTIONS if batch.label_kind == DETECTION else INSTRUCTIONS,
        schema_sha256=batch.label_schema_sha256,
        label_kind=batch.label_kind,
    )


def review_item(item: QaItemRow, frame: BlobRef) -> WorkItem:
    """Give what a reviewer is told: the frame and the label under inspection."""
    return WorkItem(
        task_id=TaskId(item.task_id),
        batch_id=_review_batch(item.batch_id),
        frame_id=FrameId(item.frame_id),
        frame=frame,
        rank=0,
        pre_annotation=PreAnnotation(item.label, 1.0, ""),
        excluded_annotators=item.annotators,
    )


def purse_of(item: QaItemRow) -> BudgetKind:
    """Give the kind of budget that pays for an item's inspection."""
    return BudgetKind.EXPERT_REVIEW if item.adjudicated else BudgetKind.LABEL_QA


def affordable(tx: Transaction, batch: Batch, kind: BudgetKind, price_micros: int) -> int:
    """Give how many inspections the budget of this kind can pay for now."""
    budget_id = BudgetId(dict(batch.budget_ids).get(kind, kind))
    try:
        available = tx.money.balances(budget_id, tx.money.open_period(budget_id)).available
    except NotFound:
        return 0
    return available // price_micros if price_micros else 2**63


def reserve_inspections(
    tx: Transaction,
    batch: Batch,
    items: Sequence[QaItemRow],
    *,
    price_micros: int,
    due_at: datetime,
    at: datetime,
) -> bool:
    """Reserve the money for all of these or for none; tell whether it is there."""
    requests = []
    for kind in sorted({purse_of(item) for item in items}):
        some = [item for item in items if purse_of(item) is kind]
        # Asked first, because a refused reservation would stay refused under its id for ever.
        if len(some) > affordable(tx, batch, kind, price_micros):
            return False
        budget_id = BudgetId(dict(batch.budget_ids).get(kind, kind))
        period = tx.money.open_period(budget_id)
        requests += [
            Reserve(
                transfer_id=_reservation_id(item),
                budget_id=budget_id,
                period=period,
                amount=Micros(price_micros),
                expires_at=due_at,
                subject=item.task_id,
                round_id=item.round_id,
                at=at,
            )
            for item in some
        ]
    return all(outcome.applied for outcome in tx.money.reserve(requests)) if requests else True


def commit_inspection(tx: Transaction, item: QaItemRow, at: datetime) -> None:
    """Pay for an inspection that was done."""
    held = tx.money.reservation(_reservation_id(item))
    if held is not None and held.state == "open":
        commit_id = derived_uuid("commit", held.reservation_id)
        tx.money.commit(Commit(commit_id, held.reservation_id, held.amount, at))


def release_inspection(
    tx: Transaction, item: QaItemRow, reason: str, at: datetime, *, expired: bool = False
) -> None:
    """Give back the money of an inspection that will not be done."""
    held = tx.money.reservation(_reservation_id(item))
    if held is not None and held.state == "open":
        release_id = derived_uuid("release", held.reservation_id)
        tx.money.release(Release(release_id, held.reservation_id, reason, at, expired=expired))


def defects_of(
    item: QaItemRow, answer: Answer, batch: Batch, *, size: Size | None
) -> tuple[str, ...]:
    """Give what a reviewer found wrong; boxes by the rule of `winnow.agreement.labels`.

    An answer that is no label tells nothing, least of all that the label is right: the reviewer's
    boxes must lie in the frame of this size, too.
    """
    if answer.skipped:
        return (UNLABELABLE,)
    if answer.label == PASSED:
        return ()
    if no_label(answer.label, batch, size=size):
        return (UNREADABLE_REVIEW,)
    return defects_between(item.label, answer.label, label_kind=batch.label_kind)


def verdict_kind(item: QaItemRow, defects: Sequence[str], *, reworks_max: int) -> VerdictKind:
    """Decide between passing, another attempt and rejection."""
    if not defects:
        return VerdictKind.PASSED
    again = item.attempt <= reworks_max and UNLABELABLE not in defects
    return VerdictKind.RETURNED if again else VerdictKind.REJECTED


def settle(tx: Transaction, item: QaItemRow, batch: Batch, verdict: Verdict) -> LabelReviewed:
    """Write a verdict: the item, its label and, for a return, the row that its rework will fill."""
    label = tx.labels.latest(FrameId(item.frame_id), batch.label_task)
    if label is not None and label.state is LabelState.HUMAN_LABELED:
        _step(tx, label, item, verdict)
    settled = replace(
        item,
        state=verdict.kind.value,
        revision=label.key.revision if label else item.revision,
        defects=verdict.defects,
        reviewer=verdict.actor.name if verdict.actor != QA else "",
        due_at=None,
    )
    tx.records.update(QA_ITEMS, item.key, lambda _: settled)
    if verdict.kind is VerdictKind.RETURNED:
        tx.records.insert(QA_ITEMS, _awaited(settled))
    return LabelReviewed(
        task_id=TaskId(item.task_id),
        round_id=RoundId(item.round_id),
        batch_id=BatchId(item.batch_id),
        frame_id=FrameId(item.frame_id),
        verdict=verdict.kind,
        defects=verdict.defects,
        attempt=item.attempt,
    )


def _step(tx: Transaction, label: LabelRevision, item: QaItemRow, verdict: Verdict) -> None:
    if verdict.kind is VerdictKind.RETURNED:
        return  # the revision stays as it is; the rework makes the next one
    passed = verdict.kind is VerdictKind.PASSED
    step = Transition(
        key=label.key,
        version=label.version + 1,
        from_state=label.state,
        to_state=LabelState.QA_PASSED if passed else LabelState.REJECTED,
        actor=verdict.actor,
        evidence=_evidence(item, verdict),
        reason="" if passed else ", ".join(verdict.defects) or verdict.basis,
        at=verdict.at,
    )
    tx.labels.step(step)


def _evidence(item: QaItemRow, verdict: Verdict) -> str:
    facts: Mapping[str, object] = {
        "basis": verdict.basis,
        "task_id": item.task_id,
        "inclusion_probability": item.inclusion_probability,
        "adjudicated": item.adjudicated,
        "independent_labels": max(1, len(item.annotators)),
        "review": verdict.review,
    }
    return json.dumps(facts, sort_keys=True)


def _awaited(item: QaItemRow) -> QaItemRow:
    """Give the row that the rework of a returned label will fill."""
    batch_id, frame_id = BatchId(item.batch_id), FrameId(item.frame_id)
    task_id = task_id_of(batch_id, frame_id, item.slot, item.attempt + 1)
    return QaItemRow(
        key=task_id,
        batch_id=item.batch_id,
        round_id=item.round_id,
        frame_id=item.frame_id,
        task_id=task_id,
        state="planned",
        slot=item.slot,
        attempt=item.attempt + 1,
        revision=item.revision + 1,
        inclusion_probability=1.0,
        inspected=True,
        annotators=item.annotators,
    )


def _review_batch(batch_id: str) -> BatchId:
    return BatchId(f"{batch_id}-review")


def _reservation_id(item: QaItemRow) -> UUID:
    return reservation_id_of(item.batch_id, item.frame_id, item.slot, item.attempt, purse_of(item))

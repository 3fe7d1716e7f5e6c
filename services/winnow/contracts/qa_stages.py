"""The stages of a batch in QA, from the last answer to the promotion.

answers → sample → lot or rest → steward → approval; halting instead where nothing can be promoted.
Each function does one bounded step of one stage; what it reads comes from a view, and the
transaction is touched last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from winnow.contracts.artifacts import JSON, read_manifest
from winnow.contracts.inspections import QA, Verdict, affordable, reserve_inspections, settle
from winnow.contracts.manifests import Batch, Dataset
from winnow.contracts.promotions import (
    approve,
    dataset_id_of,
    months_later,
    promotion_record,
    write_dataset,
)
from winnow.contracts.qa_items import put_item
from winnow.contracts.qa_lots import (
    PREFIX,
    Lot,
    defect_rate,
    draw_lot,
    lot_of,
    pre_labels_of,
    read_plan,
    write_plan,
)
from winnow.contracts.qa_reports import qa_report
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Conflict
from winnow.domain.events import (
    AllowedUse,
    DatasetPromoted,
    Event,
    RoundHalted,
    Stage,
    VerdictKind,
)
from winnow.domain.ids import RoundId
from winnow.domain.labeling_rows import PromotionRow, QaBatchRow, QaItemRow
from winnow.domain.labels import LabelState, Transition
from winnow.domain.money import BudgetKind
from winnow.domain.tables import PROMOTIONS, QA_BATCHES, QA_ITEMS
from winnow.evidence.artifact import Artifact, Producer
from winnow.policy.model import Policy, stored_policy
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Transaction

OPEN = frozenset({"planned", "reworked", "sampled", "inspecting"})
"""States of a row for which somebody still has to do something."""
UNSETTLED = (LabelState.HUMAN_LABELED, LabelState.QA_PASSED)
"""What a label may be in while its batch is in QA: neither approved nor rejected."""


@dataclass(frozen=True, slots=True)
class Case:
    """One batch, what its policy says, and the time."""

    row: QaBatchRow
    batch: Batch
    policy: Policy
    blobs: Blobs
    producer: Producer
    now: datetime
    chunk: int

    @property
    def price_micros(self) -> int:
        """Price of one inspection."""
        return self.policy.money.review_price_micros

    @property
    def due_at(self) -> datetime:
        """When an inspection that is ordered now expires."""
        return self.now + timedelta(hours=self.policy.label.task_timeout_hours)


def open_case(
    row: QaBatchRow, *, blobs: Blobs, producer: Producer, now: datetime, chunk: int
) -> Case:
    """Read what a batch is worked by."""
    batch = read_manifest(blobs, row.manifest, Batch)
    policy = stored_policy(blobs.get(batch.policy), where=batch.policy.key)
    return Case(row, batch, policy, blobs, producer, now, chunk)


def plan_sample(case: Case, *, view: Transaction, tx: Transaction) -> list[Event]:
    """Draw the sample over the whole lot, reserve its money, order its inspections."""
    items = view.records.find(QA_ITEMS, group=case.row.key)
    shown = pre_labels_of(case.blobs, case.batch)
    n_experts = affordable(view, case.batch, BudgetKind.EXPERT_REVIEW, case.price_micros)
    lot = _with_experts(lot_of(items, shown, case.batch, case.policy.qa), n_experts)
    if not lot.leads:
        return _halt(tx, case, "no frame of the batch was labeled")
    n_reviews = affordable(view, case.batch, BudgetKind.LABEL_QA, case.price_micros)
    draw = draw_lot(lot, case.policy.qa, seed=case.batch.seed, affordable=n_reviews)
    if draw is None:
        reason = f"label_qa budget: it pays for {n_reviews} inspections, too few for any plan"
        return _halt(tx, case, reason)
    plan = write_plan(case.blobs, case.batch, lot, draw)
    sampled = [
        replace(lead, state="sampled", inspected=True, inclusion_probability=float(probability))
        for lead, probability, drawn in zip(
            lot.leads, draw.inclusion_N, draw.inspected_N, strict=True
        )
        if drawn
    ]
    if not _reserve(tx, case, sampled):
        return []  # somebody was faster; the next tick plans with what is left
    voted = [replace(other, state="voted") for other in lot.others]
    for item in [*sampled, *voted]:
        put_item(tx, item)
    _move(tx, case, plan=plan, stage="sample")
    return []


def decide_lot(case: Case, *, view: Transaction, tx: Transaction) -> list[Event]:
    """After the sample: let the rest of the lot pass, or inspect all of it.

    The rest passes if the estimated defect rate is at most the policy's. Where nothing was drawn
    nothing is known, and everything is inspected. Where money for that is short, a person decides.
    """
    items = view.records.find(QA_ITEMS, group=case.row.key)
    rest = [item for item in items if item.state == "answered"]
    rate = defect_rate(items, _inclusion(case)).mean
    limit = case.policy.qa.defect_rate_max
    if not rest or (not math.isnan(rate) and rate <= limit):
        _move(tx, case, stage="lot")
        return []
    if _order_rest(tx, case, rest):
        return []
    found = "nothing was inspected" if math.isnan(rate) else f"defect rate {rate:.3f}"
    reason = f"{found}, at most {limit} passes; label_qa cannot pay for the other {len(rest)}"
    _move(tx, case, stage="steward", reason=reason)
    return []


def _order_rest(tx: Transaction, case: Case, rest: Sequence[QaItemRow]) -> bool:
    """Order the inspection of all that was left out; False if money is short."""
    ordered = [replace(item, state="sampled", inspected=True) for item in rest]
    if not _reserve(tx, case, ordered):
        return False
    for item in ordered:
        put_item(tx, item)
    _move(tx, case, stage="rest", reason="")
    return True


def _resume(case: Case, *, view: Transaction, tx: Transaction) -> list[Event] | None:
    """Go on with a lot that waited for money, once there is some; None while there is not."""
    rest = view.records.find(QA_ITEMS, group=case.row.key, state="answered")
    n_payable = affordable(view, case.batch, BudgetKind.LABEL_QA, case.price_micros)
    if not rest or len(rest) > n_payable:
        return None
    return [] if _order_rest(tx, case, rest) else None


def pass_lot(case: Case, *, view: Transaction, tx: Transaction) -> list[Event]:
    """Let some of the labels pass that nobody inspected; after the last the steward is next."""
    items = view.records.find(QA_ITEMS, group=case.row.key, state="answered", limit=case.chunk)
    inclusion = _inclusion(case) if items else {}
    if not items:
        _move(tx, case, stage="steward")
        return []
    plan = case.row.plan.key if case.row.plan else ""
    verdict = Verdict(VerdictKind.PASSED, QA, case.now, basis="lot_sampled", review=plan)
    return [
        settle(
            tx,
            replace(item, inclusion_probability=inclusion[item.frame_id]),
            case.batch,
            verdict,
        )
        for item in items
    ]


def prepare_promotion(case: Case, *, view: Transaction, tx: Transaction) -> list[Event] | None:
    """Write report, data set and record; if no label passed, halt the round.

    One batch at a time: a data set holds all labels approved before it. Gives None while it waits
    for another batch or for a person.
    """
    others = view.records.find(QA_BATCHES, state="collecting")
    waits = case.policy.qa.promotion == "person" or case.row.reason
    if any(row.stage == "approval" for row in others):
        return None
    if waits and not case.row.decided_by:
        return _resume(case, view=view, tx=tx)
    items = view.records.find(QA_ITEMS, group=case.row.key)
    report = qa_report(
        case.blobs, case.row, case.batch, case.policy.qa, items,
        producer=case.producer, at=case.now,
    )  # fmt: skip
    report_ref = _stored(case, report)
    fresh = view.labels.find(states=[LabelState.QA_PASSED], batch_id=case.row.key)
    if not fresh:
        return _halt(tx, case, "no label passed", report=report_ref)
    approved = [
        label
        for label in view.labels.find(
            states=[LabelState.APPROVED_FOR_TRAINING], label_task=case.batch.label_task
        )
        if label.allowed_use == case.policy.qa.allowed_use
    ]
    dataset = write_dataset(
        case.blobs, case.batch, case.policy,
        fresh=fresh, approved=approved, promotions=view.records.find(PROMOTIONS),
    )  # fmt: skip
    expires_at = months_later(case.now, case.policy.qa.approval_months)
    record = promotion_record(
        case.row, case.batch, case.policy, fresh, report=report, report_ref=report_ref,
        dataset=dataset, expires_at=expires_at, producer=case.producer, at=case.now,
    )  # fmt: skip
    _move(
        tx, case, stage="approval", report=report_ref, dataset=dataset,
        record=_stored(case, record), expires_at=expires_at,
    )  # fmt: skip
    return []


def approve_some(case: Case, *, view: Transaction, tx: Transaction) -> list[Event]:
    """Approve some labels; with the last ones the data set is promoted."""
    waiting = view.labels.find(states=[LabelState.QA_PASSED], batch_id=case.row.key)
    approve(tx, case.row, case.policy, waiting[: case.chunk], case.now)
    return [] if len(waiting) > case.chunk else _promote(tx, case)


def _promote(tx: Transaction, case: Case) -> list[Event]:
    row = case.row
    if row.dataset is None or row.record is None:
        msg = f"batch {row.key}: a promotion has a data set and a record"
        raise ValueError(msg)
    dataset = read_manifest(case.blobs, row.dataset, Dataset)
    promotion = PromotionRow(
        key=dataset_id_of(row.round_id),
        round_id=row.round_id,
        promotion_seq=dataset.promotion_seq,
        n_labels=dataset.n_labels,
        allowed_use=case.policy.qa.allowed_use,
        snapshot=row.dataset,
        record=row.record,
    )
    tx.records.insert(PROMOTIONS, promotion)
    _move(tx, case, state="promoted", stage="")
    return [
        DatasetPromoted(
            round_id=RoundId(row.round_id),
            promotion_seq=promotion.promotion_seq,
            n_labels=dataset.n_labels,
            allowed_use=AllowedUse(case.policy.qa.allowed_use),
            label_schema=case.batch.label_schema_sha256,
            snapshot=row.dataset,
        )
    ]


def halt_some(case: Case, *, view: Transaction, tx: Transaction) -> list[Event]:
    """Reject some labels of a batch that will not be promoted; with the last ones its round halts.

    So the frames are free again as soon as anybody hears of the halt.
    """
    waiting = view.labels.find(states=UNSETTLED, batch_id=case.row.key)
    reason = f"round halted: {case.row.reason}"
    for label in waiting[: case.chunk]:
        step = Transition(
            label.key, label.version + 1, label.state, LabelState.REJECTED, QA, "", reason,
            case.now,
        )  # fmt: skip
        tx.labels.step(step)
    if len(waiting) > case.chunk:
        return []
    _move(tx, case, state="rejected", stage="")
    kept = f"answers of batch {case.row.key} and their history"
    return [RoundHalted(RoundId(case.row.round_id), Stage.QA, case.row.reason, kept)]


def _halt(
    tx: Transaction, case: Case, reason: str, *, report: BlobRef | None = None
) -> list[Event]:
    _move(tx, case, stage="halting", reason=reason, report=report)
    return []


def _with_experts(lot: Lot, n_experts: int) -> Lot:
    """Let any reviewer decide ties, where the money for experts does not last."""
    if sum(lead.adjudicated for lead in lot.leads) <= n_experts:
        return lot
    return replace(lot, leads=tuple(replace(lead, adjudicated=False) for lead in lot.leads))


def _reserve(tx: Transaction, case: Case, items: Sequence[QaItemRow]) -> bool:
    return reserve_inspections(
        tx, case.batch, items, price_micros=case.price_micros, due_at=case.due_at, at=case.now
    )


def _inclusion(case: Case) -> dict[str, float]:
    return read_plan(case.blobs, case.row.plan)[1] if case.row.plan else {}


def _move(tx: Transaction, case: Case, **changes: object) -> None:
    """Change the batch's row; if another process was faster, all that this step did rolls back."""

    def moved(row: QaBatchRow) -> QaBatchRow:
        if row.stage != case.row.stage:
            msg = f"batch {row.key}: expected stage {case.row.stage!r}, found {row.stage!r}"
            raise Conflict(msg)
        return replace(row, **changes)  # type: ignore[arg-type]

    tx.records.update(QA_BATCHES, case.row.key, moved)


def _stored(case: Case, evidence: Artifact) -> BlobRef:
    data = evidence.model_dump_json().encode()
    return case.blobs.put(data, prefix=f"{PREFIX}/evidence", media_type=JSON)

"""What QA does with its inputs: one function each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from qa import metrics
from winnow.contracts.answers import read_answer
from winnow.contracts.inspections import (
    QA,
    Verdict,
    commit_inspection,
    defects_of,
    release_inspection,
    reserve_inspections,
    settle,
    verdict_kind,
)
from winnow.contracts.manifests import Batch
from winnow.contracts.promotions import end_approvals
from winnow.contracts.qa_items import filled, item_of, put_item
from winnow.contracts.qa_stages import (
    OPEN,
    Case,
    approve_some,
    decide_lot,
    halt_some,
    open_case,
    pass_lot,
    plan_sample,
    prepare_promotion,
)
from winnow.contracts.reviews import cancel_reviews, submit_reviews
from winnow.contracts.tasks import Size, frame_sizes
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Conflict, NotAllowed
from winnow.domain.events import (
    BatchSelected,
    Event,
    LabelReviewed,
    RoundHalted,
    TaskClosed,
    VerdictKind,
)
from winnow.domain.label_rules import APPROVED
from winnow.domain.labeling_rows import CursorRow, QaBatchRow, QaItemRow
from winnow.domain.labels import Actor, Role
from winnow.domain.tables import PROMOTIONS, QA_BATCHES, QA_CURSORS, QA_ITEMS, CommandRow
from winnow.evidence.artifact import Producer
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.labeling_tool import Answer, LabelingTool
from winnow.ports.ledger import Ledger, Transaction

CURSOR = "reviews"
StageStep = Callable[..., list[Event] | None]
CHUNKED: Mapping[str, StageStep] = {
    "lot": pass_lot, "approval": approve_some, "halting": halt_some,
}  # fmt: skip
"""Stages that wait for nobody, and take as many ticks as their labels need."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the handlers work with."""

    ledger: Ledger
    blobs: Blobs
    clock: Clock
    tool: LabelingTool
    producer: Producer
    items_per_tick: int


def on_batch_selected(event: BatchSelected, /, *, tx: Transaction) -> Sequence[Event]:
    """Remember the batch: QA begins when all of its tasks have closed, whichever came first."""
    row = QaBatchRow(event.batch_id, event.round_id, "collecting", event.manifest, event.n_tasks)
    tx.records.insert(QA_BATCHES, row)
    return []


def on_task_closed(event: TaskClosed, /, *, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Remember the answer; a rework fills the row that its return left open."""
    label = read_answer(ports.blobs, event.answer).label if event.answer else ""
    row = item_of(event, label)
    if not tx.records.insert(QA_ITEMS, row):
        tx.records.update(QA_ITEMS, row.key, lambda old: filled(old, row))
    return []


def on_advance_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Take one batch one step further through its stages."""
    with ports.ledger.snapshot() as view:
        for row in view.records.find(QA_BATCHES, state="collecting"):
            step = _next_step(row, view.records.count(QA_ITEMS, group=row.key))
            events = step(_case(row, ports), view=view, tx=tx) if step else None
            if events is not None:
                return _counted(events)
    return []


def on_inspect_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Give sampled labels to reviewers; order the inspection of reworked ones."""
    with ports.ledger.snapshot() as view:
        sampled = view.records.find(QA_ITEMS, state="sampled", limit=ports.items_per_tick)
        reworked = view.records.find(QA_ITEMS, state="reworked", limit=ports.items_per_tick)
        cases = _cases(view, ports, [*sampled, *reworked])
    submit_reviews(ports.tool, ports.blobs, _batches(cases), sampled)
    for item in sampled:
        put_item(tx, replace(item, state="inspecting", due_at=cases[item.batch_id].due_at))
    events: list[Event] = []
    for item in reworked:
        events += _order_again(tx, item, cases[item.batch_id])
    return _counted(events)


def on_reconcile_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Submit all open reviews again: a tool that lost some (or all) of them gets them back."""
    del tx
    with ports.ledger.snapshot() as view:
        items = view.records.find(QA_ITEMS, state="inspecting")
        cases = _cases(view, ports, items)
    submit_reviews(ports.tool, ports.blobs, _batches(cases), items)
    return []


def on_verdicts_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Take a page of reviewers' answers: each once."""
    with ports.ledger.snapshot() as view:
        found = view.records.get(QA_CURSORS, CURSOR)
    answers, after = ports.tool.poll(found.cursor if found else "")
    if not answers:
        return []
    with ports.ledger.snapshot() as view:
        items = [view.records.get(QA_ITEMS, answer.task_id) for answer in answers]
        cases = _cases(view, ports, [item for item in items if item])
    sizes = {key: frame_sizes(ports.blobs, case.batch) for key, case in cases.items()}
    reviews = [
        ports.blobs.put(answer.raw, prefix="qa/reviews", media_type="application/octet-stream")
        for answer in answers
    ]
    events: list[Event] = []
    for answer, review in zip(answers, reviews, strict=True):
        item = tx.records.get(QA_ITEMS, answer.task_id)
        if item is None or item.state != "inspecting" or answer.annotator in item.annotators:
            metrics.REVIEWS.labels("ignored").inc()
        else:
            case, size = cases[item.batch_id], sizes[item.batch_id].get(item.frame_id)
            events.append(_judge(tx, item, case, answer, review, size))
    if not tx.records.insert(QA_CURSORS, CursorRow(CURSOR, after)):
        tx.records.update(QA_CURSORS, CURSOR, lambda row: replace(row, cursor=after))
    return _counted(events)


def on_expire_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Give up inspections that nobody did in time: unchecked labels are rejected."""
    now = ports.clock.now()
    with ports.ledger.snapshot() as view:
        rows = view.records.find(QA_ITEMS, due_before=now, limit=ports.items_per_tick)
        found = view.records.get(QA_CURSORS, CURSOR)
        cases = _cases(view, ports, rows)
    if not rows or ports.tool.poll(found.cursor if found else "")[0]:
        return []  # reviews that lie in the tool were done in time: they are taken first
    cancel_reviews(ports.tool, _batches(cases), rows)
    events: list[Event] = []
    for row in rows:
        item = tx.records.get(QA_ITEMS, row.key)
        if item is not None and item.state == "inspecting":
            release_inspection(tx, item, "no review in time", now, expired=True)
            verdict = Verdict(VerdictKind.REJECTED, QA, now, basis="not reviewed in time")
            events.append(settle(tx, item, cases[item.batch_id].batch, verdict))
            metrics.REVIEWS.labels("expired").inc()
    return _counted(events)


def on_approvals_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """End approvals whose time is over, and name the data sets that used the labels."""
    now = ports.clock.now()
    with ports.ledger.snapshot() as view:
        ended = [
            label
            for label in view.labels.find(states=APPROVED)
            if label.expires_at is not None and label.expires_at <= now
        ][: ports.items_per_tick]
        promotions = view.records.find(PROMOTIONS) if ended else []
    events = end_approvals(tx, ports.blobs, ended, promotions, now)
    metrics.APPROVALS_ENDED.inc(len(events))
    return events


def on_promote(
    command: CommandRow, *, tx: Transaction
) -> tuple[Sequence[Event], Mapping[str, object]]:
    """Let a round's labels be used: `{"round_id": …, "reason": …}`, by a data steward."""
    asked = json.loads(command.arguments)
    if command.role != Role.DATA_STEWARD:
        msg = f"label.promote: expected role {Role.DATA_STEWARD}, found {command.role}"
        raise NotAllowed(msg)
    rows = tx.records.find(QA_BATCHES, group=asked["round_id"])
    if not rows or rows[-1].stage != "steward":
        found = (rows[-1].stage or rows[-1].state) if rows else "no batch"
        msg = f"round {asked['round_id']}: expected labels that wait for a steward, found {found}"
        raise Conflict(msg)
    row = rows[-1]
    left = tx.records.count(QA_ITEMS, group=row.key).get("answered", 0)
    decided = replace(
        row,
        decided_by=command.actor,
        reason=asked.get("reason") or row.reason or "ordered by a steward",
        forced=left > 0,
        stage="lot" if left else "steward",
    )
    tx.records.update(QA_BATCHES, row.key, lambda _: decided)
    return [], {"batch_id": row.key, "state": "promoting", "n_uninspected": left}


def _next_step(row: QaBatchRow, counts: Mapping[str, int]) -> StageStep | None:
    """Give what a batch is ready for; None while it waits for people."""
    if row.stage == "answers":
        return plan_sample if _all_closed(row, counts) else None
    if row.stage in CHUNKED:
        return CHUNKED[row.stage]
    if OPEN & counts.keys():
        return None
    if row.stage == "sample":
        return decide_lot
    if row.stage == "rest":
        return pass_lot  # nothing is left: on to the steward
    return prepare_promotion


def _all_closed(row: QaBatchRow, counts: Mapping[str, int]) -> bool:
    return sum(counts.values()) >= row.n_tasks


def _order_again(tx: Transaction, item: QaItemRow, case: Case) -> list[Event]:
    """Reserve the inspection of a rework; without money nobody can vouch for it."""
    ordered = reserve_inspections(
        tx, case.batch, [item],
        price_micros=case.price_micros, due_at=case.due_at, at=case.now,
    )  # fmt: skip
    if ordered:
        tx.records.update(QA_ITEMS, item.key, lambda old: replace(old, state="sampled"))
        return []
    verdict = Verdict(VerdictKind.REJECTED, QA, case.now, basis="label_qa budget is used up")
    return [settle(tx, item, case.batch, verdict)]


def _judge(
    tx: Transaction, item: QaItemRow, case: Case, answer: Answer, review: BlobRef, size: Size | None
) -> LabelReviewed:
    if answer.skipped:
        release_inspection(tx, item, "skipped by the reviewer", case.now)
    else:
        commit_inspection(tx, item, case.now)
    defects = defects_of(item, answer, case.batch, size=size)
    role = Role.ADJUDICATOR if item.adjudicated else Role.REVIEWER
    verdict = Verdict(
        kind=verdict_kind(item, defects, reworks_max=case.policy.qa.reworks_max),
        actor=Actor(answer.annotator, role),
        at=case.now,
        basis="inspected",
        defects=defects,
        review=review.key,
    )
    outcome = "skipped" if answer.skipped else "defect" if defects else "passed"
    metrics.REVIEWS.labels(outcome).inc()
    return settle(tx, item, case.batch, verdict)


def _case(row: QaBatchRow, ports: Ports) -> Case:
    return open_case(
        row,
        blobs=ports.blobs,
        producer=ports.producer,
        now=ports.clock.now(),
        chunk=ports.items_per_tick,
    )


def _cases(view: Transaction, ports: Ports, items: Sequence[QaItemRow]) -> dict[str, Case]:
    rows = [view.records.get(QA_BATCHES, key) for key in sorted({i.batch_id for i in items})]
    return {row.key: _case(row, ports) for row in rows if row is not None}


def _batches(cases: Mapping[str, Case]) -> dict[str, Batch]:
    return {batch_id: case.batch for batch_id, case in cases.items()}


def _counted(events: list[Event]) -> list[Event]:
    for event in events:
        if isinstance(event, LabelReviewed):
            metrics.VERDICTS.labels(event.verdict.value).inc()
        elif isinstance(event, RoundHalted):
            metrics.BATCHES.labels("halted").inc()
        elif not isinstance(event, TaskClosed):
            metrics.BATCHES.labels("promoted").inc()
    return events

"""How a task ends: its money, its label and the fact, in one transaction.

A label is human-labeled when the last slot of its frame closes; its value is what most annotators
said, and the first by name on a tie, which qa has decided by an expert.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from winnow.agreement.labels import vote_on
from winnow.contracts.answers import SCHEMA_VERSION, review_status
from winnow.contracts.manifests import Batch
from winnow.contracts.orders import FIRST_ATTEMPT
from winnow.contracts.tasks import OPEN, Size, no_label, slots_of
from winnow.domain.blob_ref import BlobRef
from winnow.domain.events import TaskClosed, TaskOutcome
from winnow.domain.ids import (
    BatchId,
    FrameId,
    Micros,
    RoundId,
    TaskId,
    derived_uuid,
    reservation_id_of,
)
from winnow.domain.labeling_rows import TaskRow
from winnow.domain.labels import Actor, LabelKey, LabelRevision, LabelState, Role, Transition
from winnow.domain.money import BudgetKind, Commit, Release, Reservation
from winnow.domain.tables import TASKS
from winnow.ports.labeling_tool import Answer
from winnow.ports.ledger import Transaction

MODALITY = "image"
GATEWAY = Actor("labeling_gateway", Role.GATEWAY)
WAITING = (LabelState.CANDIDATE, LabelState.PRE_LABELED)
REWORKED = (LabelState.HUMAN_LABELED, LabelState.QA_PASSED)


@dataclass(frozen=True, slots=True)
class Ending:
    """How and why."""

    outcome: TaskOutcome
    at: datetime
    reason: str = ""
    answer: Answer | None = None
    document: BlobRef | None = None


def reservation_of(tx: Transaction, row: TaskRow) -> Reservation | None:
    """Give the reservation that pays for a task."""
    return tx.money.reservation(
        reservation_id_of(
            row.batch_id, row.frame_id, row.slot, row.attempt, BudgetKind.HUMAN_ANNOTATION
        )
    )


def label_waits(tx: Transaction, row: TaskRow, label_task: str) -> bool:
    """Tell whether the frame's label may still take this task's answer."""
    newest = tx.labels.latest(FrameId(row.frame_id), label_task)
    if newest is None:
        return False
    if row.attempt == FIRST_ATTEMPT:
        return newest.state in WAITING
    return newest.state in REWORKED and newest.key.revision == row.revision - 1


def problem_of(
    tx: Transaction,
    row: TaskRow | None,
    batch: Batch | None,
    answer: Answer,
    *,
    size: Size | None = None,
) -> str:
    """Say why an answer cannot be taken, or nothing; boxes must lie in a frame of this size."""
    if row is None or batch is None:
        return "unknown_task"
    if row.state not in OPEN:
        return "second_answer" if row.answer_id else "late_answer"
    if answer.annotator in row.excluded_annotators:
        return "excluded_annotator"
    if not answer.skipped and no_label(answer.label, batch, size=size):
        return "unknown_label"
    reservation = reservation_of(tx, row)
    if reservation is None or reservation.state != "open":
        return "unpaid"
    return "" if label_waits(tx, row, batch.label_task) else "label_moved_on"


def close_task(tx: Transaction, row: TaskRow, batch: Batch, ending: Ending) -> TaskClosed:
    """End a task; the caller has seen that it is open and that its money and label wait."""
    answer = ending.answer if ending.outcome is TaskOutcome.LABELED else None
    _settle_money(tx, row, ending)
    closed = replace(
        row,
        state=ending.outcome.value,
        annotator=answer.annotator if answer else "",
        answer_id=ending.answer.answer_id if ending.answer else "",
        label=answer.label if answer else "",
        due_at=None,
    )
    tx.records.update(TASKS, row.key, lambda _: closed)
    _settle_label(tx, closed, batch, ending)
    return TaskClosed(
        task_id=TaskId(row.key),
        round_id=RoundId(row.round_id),
        batch_id=BatchId(row.batch_id),
        frame_id=FrameId(row.frame_id),
        outcome=ending.outcome,
        modality=MODALITY,
        annotator=closed.annotator,
        schema_version=SCHEMA_VERSION,
        slot=row.slot,
        attempt=row.attempt,
        effort_ms=answer.effort_ms if answer else 0,
        answer=ending.document if answer else None,
    )


def _settle_money(tx: Transaction, row: TaskRow, ending: Ending) -> None:
    reservation = reservation_of(tx, row)
    if reservation is None or reservation.state != "open":
        return
    held = reservation.reservation_id
    if ending.outcome is TaskOutcome.LABELED:
        amount = Micros(min(row.price_micros, reservation.amount))
        tx.money.commit(Commit(derived_uuid("commit", held), held, amount, ending.at))
        return
    expired = ending.outcome is TaskOutcome.EXPIRED
    reason = ending.reason or ending.outcome.value
    tx.money.release(
        Release(derived_uuid("release", held), held, reason, ending.at, expired=expired)
    )


def _settle_label(tx: Transaction, row: TaskRow, batch: Batch, ending: Ending) -> None:
    ids = slots_of(row, batch.slots)
    rows = [found for task_id in ids if (found := tx.records.get(TASKS, task_id)) is not None]
    if any(one.state in OPEN for one in rows):
        return
    newest = tx.labels.latest(FrameId(row.frame_id), batch.label_task)
    answered = [one for one in rows if one.state == TaskOutcome.LABELED.value]
    if newest is None or not label_waits(tx, row, batch.label_task):
        return
    if answered:
        _label(tx, row, newest, answered, ending, label_kind=batch.label_kind)
    else:
        _reject(tx, newest, ending)


def _label(
    tx: Transaction,
    row: TaskRow,
    newest: LabelRevision,
    answered: Sequence[TaskRow],
    ending: Ending,
    *,
    label_kind: str,
) -> None:
    vote = vote_on([one.label for one in answered], label_kind=label_kind)
    speaker = [one for one in answered if one.label == vote.label][-1].annotator
    first = row.attempt == FIRST_ATTEMPT
    key = newest.key
    step = Transition(
        key=key if first else LabelKey(key.frame_id, key.label_task, row.revision),
        version=newest.version + 1 if first else 1,
        from_state=newest.state,
        to_state=LabelState.HUMAN_LABELED,
        actor=Actor(speaker, Role.ANNOTATOR),
        evidence=_evidence(row, vote.label, answered, ending.document),
        reason=", ".join(row.defects),
        at=ending.at,
    )
    tx.labels.step(
        step,
        round_id=row.round_id,
        batch_id=row.batch_id,
        parent_revision=None if first else key.revision,
        value=_value(vote.label, answered),
        annotator=speaker,
    )


def _evidence(
    row: TaskRow, label: str, answered: Sequence[TaskRow], document: BlobRef | None
) -> str:
    facts = {
        "answers": [one.answer_id for one in answered],
        "answer": document.key if document else "",
        "review_status": review_status(label, row.pre_label),
    }
    return json.dumps(facts, sort_keys=True)


def _value(label: str, answered: Sequence[TaskRow]) -> str:
    answers = [{"annotator": one.annotator, "label": one.label} for one in answered]
    document = {"label": label, "answers": answers} if len(answers) > 1 else {"label": label}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _reject(tx: Transaction, newest: LabelRevision, ending: Ending) -> None:
    step = Transition(
        key=newest.key,
        version=newest.version + 1,
        from_state=newest.state,
        to_state=LabelState.REJECTED,
        actor=GATEWAY,
        evidence="",
        reason=ending.reason or ending.outcome.value,
        at=ending.at,
    )
    tx.labels.step(step)

"""Rounds that nothing moves but a person or more money, and the command that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from winnow.contracts.round_opening import why_not_yet
from winnow.contracts.round_stage import OPEN_TASKS
from winnow.domain.labeling_rows import QaBatchRow
from winnow.domain.money import BudgetKind
from winnow.domain.tables import (
    BATCHES,
    QA_BATCHES,
    RETRAIN_RUNS,
    ROLLOUT_RUNS,
    ROUNDS,
    SCORING_RUNS,
    TASKS,
    RoundRow,
)
from winnow.policy.model import stored_policy
from winnow.policy.rounds import UNDER_WAY, waits_for_rounds
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Records, Transaction

ALLOCATE = "winnow budget allocate"
LETTERS = "winnow dlq list"


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a round stands still, and the command of whoever can move it."""

    round_id: str
    why: str
    command: str
    """Empty if it moves once the other rounds do."""

    def __str__(self) -> str:
        """Give one line for people."""
        return f"{self.round_id}: {self.why}" + (f"\n    {self.command}" if self.command else "")


def rounds_under_way(records: Records) -> list[RoundRow]:
    """Give the rounds that have not ended, in order."""
    rows = [row for row in records.find(ROUNDS) if row.state in UNDER_WAY]
    return sorted(rows, key=lambda row: row.number)


def looked_at(records: Records) -> dict[str, datetime | None]:
    """Give when each requested round is due: what `waits_for_people` compares with later."""
    return {row.key: row.due_at for row in records.find(ROUNDS, state="requested")}


def waits_for_people(
    view: Transaction,
    blobs: Blobs,
    *,
    now: datetime,
    before: Mapping[str, datetime | None],
    dead_rounds: frozenset[str],
) -> list[Wait]:
    """Give what stands still, of the rounds under way; the others move by themselves.

    Parameters
    ----------
    before
        From `looked_at`, earlier: a lack of money is believed once a service found it since.
    dead_rounds
        Rounds with a message that nobody could handle.
    """
    rounds = rounds_under_way(view.records)
    found = [
        _before_opening(view, row, rounds, now=now, before=before)
        if row.state == "requested"
        else _after_opening(view.records, blobs, row, is_dead=row.key in dead_rounds)
        for row in rounds
    ]
    return [wait for wait in found if wait is not None]


def _before_opening(
    view: Transaction,
    row: RoundRow,
    rounds: Sequence[RoundRow],
    *,
    now: datetime,
    before: Mapping[str, datetime | None],
) -> Wait | None:
    """Judge by what is true now: a reason may be older than the snapshot being written."""
    if row.due_at is not None:
        is_fresh = now < row.due_at != before.get(row.key)
        return _without_money(row) if is_fresh else None
    n_open = sum(other.state != "requested" for other in rounds)
    if n_open and row.reason == waits_for_rounds(rounds, open_max=n_open):
        return Wait(row.key, row.reason, "")
    lacking = why_not_yet(view)
    return Wait(row.key, lacking, LETTERS) if lacking else None


def _without_money(row: RoundRow) -> Wait:
    why, _, amount = row.reason.partition(f": {ALLOCATE} ")
    return Wait(row.key, why, f"{ALLOCATE} {amount or f'{BudgetKind.AUTO_LABEL_INFERENCE} AMOUNT'}")


def _after_opening(records: Records, blobs: Blobs, row: RoundRow, *, is_dead: bool) -> Wait | None:
    for batch in records.find(BATCHES, group=row.key, state="proposed"):
        why = f"batch {batch.key} waits for a reviewer"
        return Wait(row.key, why, f"winnow batch approve {batch.key}")
    for qa in records.find(QA_BATCHES, group=row.key, state="collecting"):
        if _needs_steward(qa, row, blobs):
            return _steward(qa, row)
    if is_dead and not _is_worked_on(records, row.key):
        return Wait(row.key, "one of its messages could not be handled", LETTERS)
    return None


def _needs_steward(qa: QaBatchRow, row: RoundRow, blobs: Blobs) -> bool:
    if qa.stage != "steward" or qa.decided_by:
        return False
    policy = stored_policy(blobs.get(row.policy), where=row.policy.key)
    return bool(qa.reason) or policy.qa.promotion == "person"


def _steward(qa: QaBatchRow, row: RoundRow) -> Wait:
    promote = f"winnow label promote {row.key}"
    if not qa.reason:
        return Wait(row.key, "its labels wait for a data steward", promote)
    allocate = f"{ALLOCATE} {BudgetKind.LABEL_QA} AMOUNT"
    return Wait(row.key, f"waits for a data steward: {qa.reason}", f"{promote}, or {allocate}")


def _is_worked_on(records: Records, round_id: str) -> bool:
    """Tell whether annotators, scores or a pipeline may still move it."""
    batches = records.find(BATCHES, group=round_id)
    tasks = [records.count(TASKS, group=batch.key) for batch in batches]
    if any(count.get(state, 0) for count in tasks for state in OPEN_TASKS):
        return True
    runs = [*records.find(RETRAIN_RUNS, group=round_id, state="requested")]
    runs += records.find(ROLLOUT_RUNS, group=round_id, state="requested")
    return bool(runs or records.find(SCORING_RUNS, group=round_id, state="scoring"))

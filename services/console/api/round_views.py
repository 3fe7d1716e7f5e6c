"""What people read about rounds and their batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from console.api.label_views import label_counts
from console.handlers import CURRENCY_DEFAULT
from winnow.contracts.artifacts import read_manifest, read_table
from winnow.contracts.manifests import Batch, Snapshot
from winnow.contracts.orders import budget_of
from winnow.contracts.round_opening import LIVE, why_not_yet
from winnow.contracts.tables import BATCH
from winnow.domain.errors import NotFound
from winnow.domain.ids import BudgetId, round_id_of
from winnow.domain.money import BudgetKind, Reservation
from winnow.domain.tables import (
    BATCHES,
    COMMITTEES,
    POOL_SHARDS,
    PROMOTIONS,
    QA_BATCHES,
    RETRAIN_RUNS,
    ROLLOUT_RUNS,
    ROUNDS,
    SCORING_RUNS,
    TASKS,
    BatchRow,
    RoundRow,
)
from winnow.domain.units import unit_of
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Money, Records, Transaction

Document = dict[str, object]
FRAME_COLUMNS = ("rank", "frame_id", "arm", "session", "site", "score", "price_micros", "reason")
"""What is told of a frame in a batch; see `winnow.contracts.tables.BATCH`."""


def round_row(records: Records, number: int) -> RoundRow:
    """Give a round by its number or raise `NotFound`."""
    row = records.get(ROUNDS, round_id_of(number))
    if row is None:
        last = max((one.number for one in records.find(ROUNDS)), default=None)
        known = "there is none yet" if last is None else f"the rounds are 0 to {last}"
        msg = f"round {number}: expected a round that was opened, found none; {known}"
        raise NotFound(msg)
    return row


def round_summary(row: RoundRow) -> Document:
    """Give a round in one line."""
    return {
        "id": row.key,
        "number": row.number,
        "state": row.state,
        "n_frames": row.n_frames,
        "committee_version": row.committee_version,
        "opened_by": row.opened_by,
        "metrics": dict(row.metrics),
        "reason": row.reason,
    }


def round_document(view: Transaction, row: RoundRow) -> Document:
    """Give all that is known about a round: where it stands, what it cost, for whom it waits."""
    records = view.records
    batches = records.find(BATCHES, group=row.key)
    reservations = view.money.reservations(round_id=row.key, open_only=False)
    return {
        **round_summary(row),
        "seed": row.seed,
        "policy": asdict(row.policy),
        "policy_sha256": row.policy_sha256,
        "stop": row.stop,
        "stages": _stages(records, row, batches),
        "batch": [batch_document(batch) for batch in batches],
        "tasks": _task_counts(records, batches),
        "labels": label_counts(view, row.key),
        "money": _money_of_round(view.money, reservations),
        "waits": waits_of(records, row, batches),
    }


def pool_document(view: Transaction, blobs: Blobs) -> Document:
    """Count the pool: what it holds, what is left to label, what is new since the last snapshot.

    `n_unlabeled` counts a frame that two gates block twice, and knows no duplicates and no label
    task: the snapshot of the next round counts exactly.
    """
    shards = view.records.find(POOL_SHARDS)
    n_frames = sum(shard.n_frames for shard in shards)
    n_blocked = sum(n for shard in shards for _, n in shard.n_blocked_by_gate)
    n_labeled = sum(n for _, state, n in view.labels.counts() if state in LIVE)
    return {
        "n_frames": n_frames,
        "n_blocked": n_blocked,
        "n_labeled": n_labeled,
        "n_unlabeled": max(n_frames - n_blocked - n_labeled, 0),
        "n_new": max(n_frames - _n_frames_of_last_snapshot(view.records, blobs), 0),
        "waits": why_not_yet(view),
    }


def _n_frames_of_last_snapshot(records: Records, blobs: Blobs) -> int:
    taken = [row for row in records.find(ROUNDS) if row.snapshot is not None]
    newest = max(taken, key=lambda row: row.number, default=None)
    if newest is None or newest.snapshot is None:
        return 0
    return read_manifest(blobs, newest.snapshot, Snapshot).n_frames


def batch_document(row: BatchRow) -> Document:
    """Give a batch in one line."""
    return {
        "id": row.key,
        "round_id": row.round_id,
        "state": row.state,
        "n_frames": row.n_frames,
        "n_tasks": row.n_tasks,
        "price_micros": row.price_micros,
        "decided_by": row.decided_by,
        "manifest": asdict(row.manifest),
    }


def batch_unit(money: Money, blobs: Blobs, row: BatchRow) -> str:
    """Give the unit of a batch's price: that of the budget which pays for it.

    A batch of free labels can be proposed without a budget; its price is in the default currency.
    """
    budget_id = budget_of(read_manifest(blobs, row.manifest, Batch))
    units = {budget.budget_id: budget.unit for budget in money.budgets()}
    return units.get(budget_id, unit_of(BudgetKind.HUMAN_ANNOTATION, CURRENCY_DEFAULT)).code


def batch_frames(blobs: Blobs, row: BatchRow, *, first: int, limit: int) -> Sequence[Document]:
    """Give the frames of a batch, by rank from `first` on (0: all), as an amendment left them."""
    batch = read_manifest(blobs, row.manifest, Batch)
    table = read_table(blobs, batch.table, BATCH, columns=list(FRAME_COLUMNS))
    frames: Sequence[Document] = table.slice(first, limit).to_pylist()
    return frames


def waits_of(records: Records, row: RoundRow, batches: Sequence[BatchRow]) -> list[str]:
    """Say for whom the round waits: people first, because nothing else will move it."""
    if row.state == "requested":
        return [row.reason.removeprefix("waits for ") or "the next look at the pool"]
    waits = [
        f"a reviewer: winnow batch approve {batch.key}"
        for batch in batches
        if batch.state == "proposed"
    ]
    for batch in batches:
        tasks = records.count(TASKS, group=batch.key)
        n_out = tasks.get("pending", 0) + tasks.get("submitted", 0)
        if n_out:
            waits.append(f"annotators: {n_out} tasks are out")
    for qa in records.find(QA_BATCHES, group=row.key, state="collecting"):
        if qa.stage == "steward" and not qa.decided_by:
            why = f" ({qa.reason})" if qa.reason else ""
            waits.append(f"a data steward: winnow label promote {row.key}{why}")
    return waits


def _stages(records: Records, row: RoundRow, batches: Sequence[BatchRow]) -> list[Document]:
    run = records.get(SCORING_RUNS, row.key)
    found: dict[str, Sequence[str]] = {
        "snapshot": ["open"] if row.snapshot is not None else [],
        "scoring": [run.state] if run is not None else _cold_start(row, batches),
        "selection": [batch.state for batch in batches],
        "labeling": [text for batch in batches if (text := _share_done(records, batch))],
        "qa": [qa.state for qa in records.find(QA_BATCHES, group=row.key)],
        "promotion": [p.state for p in records.find(PROMOTIONS, group=row.key)],
        "retrain": [r.state for r in records.find(RETRAIN_RUNS, group=row.key)],
        "rollout": [r.state for r in records.find(ROLLOUT_RUNS, group=row.key)],
        "committee": [c.state for c in records.find(COMMITTEES, group=row.key)],
    }
    return [{"stage": name, "state": ", ".join(states)} for name, states in found.items()]


def _cold_start(row: RoundRow, batches: Sequence[BatchRow]) -> list[str]:
    return ["not needed: cold start"] if batches and not row.committee_version else []


def _share_done(records: Records, batch: BatchRow) -> str:
    counts = records.count(TASKS, group=batch.key)
    closed = sum(n for state, n in counts.items() if state not in {"pending", "submitted"})
    return f"{closed} of {sum(counts.values())} tasks closed" if counts else ""


def _task_counts(records: Records, batches: Sequence[BatchRow]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(records.count(TASKS, group=batch.key))
    return dict(sorted(counts.items()))


def _money_of_round(money: Money, reservations: Sequence[Reservation]) -> list[Document]:
    sums: dict[BudgetId, Counter[str]] = {}
    for reservation in reservations:
        amounts = sums.setdefault(reservation.budget_id, Counter())
        if reservation.state == "open":
            amounts["reserved"] += reservation.amount
        amounts["spent"] += reservation.committed
    return [
        {
            "budget": budget_id,
            "unit": money.budget(budget_id).unit.code,
            "reserved": amounts["reserved"],
            "spent": amounts["spent"],
        }
        for budget_id, amounts in sorted(sums.items())
    ]

"""What people read: plain documents made from the ledger, amounts as integers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from winnow.domain.errors import NotFound
from winnow.domain.ids import BudgetId, FrameId, derived_uuid, round_id_of
from winnow.domain.labels import LabelKey, LabelRevision, Transition
from winnow.domain.money import Budget, Entry, Reservation
from winnow.domain.tables import (
    BATCHES,
    COMMANDS,
    COMMITTEES,
    EMBEDDED_SHARDS,
    GATEWAY_EXCEPTIONS,
    POOL_SHARDS,
    PROMOTIONS,
    QA_BATCHES,
    QA_ITEMS,
    RETRAIN_RUNS,
    ROLLOUT_RUNS,
    ROUNDS,
    ROUNDS_EXCEPTIONS,
    SCORING_RUNS,
    SHARDS,
    TASKS,
    AuditRow,
    BatchRow,
    ExceptionRow,
    RoundRow,
)
from winnow.evidence.artifact import Producer
from winnow.evidence.budget_report import BudgetReport, budget_report
from winnow.ports.ledger import Money, Records, Transaction

Document = dict[str, object]
EXCEPTION_TABLES = (GATEWAY_EXCEPTIONS, ROUNDS_EXCEPTIONS)
SERVICES = (
    "ingest", "embedding", "rounds", "scoring", "selection", "labeling_gateway", "qa", "retrain",
    "rollout", "console",
)  # fmt: skip


def budget_document(money: Money, budget: Budget) -> Document:
    """Give a budget with the balances of each of its periods."""
    return {
        "id": budget.budget_id,
        "kind": budget.kind.value,
        "owner": budget.owner,
        "unit": budget.unit.code,
        "overrun_allowed": budget.overrun_allowed,
        "periods": [
            {
                "period": period,
                "closed": closed,
                "balances": asdict(money.balances(budget.budget_id, period)),
            }
            for period, closed in money.periods(budget.budget_id)
        ],
    }


def reports_of(
    money: Money, budget: Budget, period: str | None, *, producer: Producer, at: datetime
) -> list[BudgetReport]:
    """Give the sealed reports of a budget's periods, after verifying its whole chain."""
    money.verify_chain(budget.budget_id)
    periods = [name for name, _ in money.periods(budget.budget_id) if period in {None, name}]
    entries = list(money.entries(budget.budget_id))
    last_hash = entries[-1].hash if entries else ""
    return [
        budget_report(
            budget,
            name,
            money.balances(budget.budget_id, name),
            entries,
            report_id=derived_uuid("budget_report", budget.budget_id, name, last_hash),
            created_at=at,
            producer=producer,
        )
        for name in periods
    ]


def last_entries(money: Money, budget: Budget, limit: int) -> list[Document]:
    """Give the newest entries of a budget, oldest first."""
    return [_entry(entry) for entry in deque(money.entries(budget.budget_id), maxlen=limit)]


def _entry(entry: Entry) -> Document:
    document = asdict(entry)
    return {**document, "transfer_id": str(entry.transfer_id), "at": entry.at.isoformat()}


def round_row(records: Records, number: int) -> RoundRow:
    """Give a round by its number or raise `NotFound`."""
    row = records.get(ROUNDS, round_id_of(number))
    if row is None:
        known = ", ".join(sorted(r.key for r in records.find(ROUNDS))) or "none yet"
        msg = f"round {number}: expected one of {known}, found none under r{number}"
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
        "waits": _waits(records, row, batches),
    }


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


def exceptions(records: Records, *, state: str | None) -> list[ExceptionRow]:
    """Give what services left to people."""
    return [row for table in EXCEPTION_TABLES for row in records.find(table, state=state)]


def label_counts(view: Transaction, round_id: str | None = None) -> dict[str, int]:
    """Give the number of latest label revisions in each state."""
    counts: Counter[str] = Counter()
    for found, state, n_labels in view.labels.counts():
        if round_id in {None, found}:
            counts[state.value] += n_labels
    return dict(sorted(counts.items()))


def label_history(view: Transaction, frame_id: FrameId, label_task: str) -> Document:
    """Give every revision of a frame's label and every step of each."""
    latest = view.labels.latest(frame_id, label_task)
    if latest is None:
        msg = f"frame {frame_id}: expected a label for task {label_task!r}, found none"
        raise NotFound(msg)
    keys = [LabelKey(frame_id, label_task, n) for n in range(1, latest.key.revision + 1)]
    revisions = [(view.labels.get(key), view.labels.history(key)) for key in keys]
    return {
        "frame_id": frame_id,
        "label_task": label_task,
        "revisions": [_revision(found, steps) for found, steps in revisions if found is not None],
    }


def audit_document(row: AuditRow) -> Document:
    """Give one line of the audit log."""
    return {
        "at": row.at.isoformat(),
        "actor": row.actor,
        "role": row.role,
        "act": row.act,
        "group": row.group,
        "arguments": row.arguments,
        "outcome": row.outcome,
        "state": row.state,
    }


def status_document(view: Transaction) -> Document:
    """Give one screen: what flows, what waits, what it cost."""
    records, money = view.records, view.money
    rounds = sorted(records.find(ROUNDS), key=lambda row: row.number)
    return {
        "shards": {
            "ingested": sum(records.count(SHARDS).values()),
            "embedded": sum(records.count(EMBEDDED_SHARDS).values()),
            "in_pool": sum(records.count(POOL_SHARDS).values()),
        },
        "rounds": [
            {**round_summary(row), "waits": _waits(records, row, _batches(records, row))}
            for row in rounds
            if row.state not in {"closed", "halted"}
        ],
        "rounds_ended": dict(Counter(r.state for r in rounds if r.state in {"closed", "halted"})),
        "budgets": [budget_document(money, budget) for budget in money.budgets()],
        "labels": label_counts(view),
        "commands": records.count(COMMANDS),
        "exceptions_open": len(exceptions(records, state="open")),
        "backlog": {service: view.boxes.backlog(service) for service in SERVICES},
    }


def _batches(records: Records, row: RoundRow) -> Sequence[BatchRow]:
    return records.find(BATCHES, group=row.key)


def _revision(revision: LabelRevision, steps: Iterable[Transition]) -> Document:
    return {
        "revision": revision.key.revision,
        "state": revision.state.value,
        "value": revision.value,
        "round_id": revision.round_id,
        "allowed_use": revision.allowed_use,
        "expires_at": revision.expires_at.isoformat() if revision.expires_at else None,
        "steps": [
            {
                "version": step.version,
                "from": step.from_state.value if step.from_state else None,
                "to": step.to_state.value,
                "actor": step.actor.name,
                "role": step.actor.role.value,
                "reason": step.reason,
                "evidence": step.evidence,
                "at": step.at.isoformat(),
            }
            for step in steps
        ],
    }


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


def _share_done(records: Records, batch: BatchRow) -> str:
    counts = records.count(TASKS, group=batch.key)
    closed = sum(n for state, n in counts.items() if state not in {"pending", "submitted"})
    return f"{closed} of {sum(counts.values())} tasks closed" if counts else ""


def _cold_start(row: RoundRow, batches: Sequence[BatchRow]) -> list[str]:
    return ["not needed: cold start"] if batches and not row.committee_version else []


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


def _waits(records: Records, row: RoundRow, batches: Sequence[BatchRow]) -> list[str]:
    """Say for whom the round waits: people first, because nothing else will move it."""
    if row.state == "requested":
        return ["shards that are not embedded yet, or a free place among the open rounds"]
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
        elif _all_settled(records, batch):
            waits.append(f"a data steward: winnow label promote {row.key}")
    return waits


def _all_settled(records: Records, batch: BatchRow) -> bool:
    collecting = any(
        qa.state == "collecting" for qa in records.find(QA_BATCHES, group=batch.round_id)
    )
    items = records.count(QA_ITEMS, group=batch.key)
    open_states = {"planned", "answered", "reworked", "sampled", "inspecting"}
    return collecting and bool(items) and not items.keys() & open_states

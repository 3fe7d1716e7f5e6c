"""What people read about money, acts and the whole: amounts are integers."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from console.api.label_views import label_counts
from console.api.round_views import round_summary, waits_of
from winnow.domain.money import Budget, Entry
from winnow.domain.tables import (
    BATCHES,
    COMMANDS,
    EMBEDDED_SHARDS,
    GATEWAY_EXCEPTIONS,
    POOL_SHARDS,
    ROUNDS,
    ROUNDS_EXCEPTIONS,
    SHARDS,
    AuditRow,
    BatchRow,
    ExceptionRow,
    RoundRow,
)
from winnow.ports.ledger import Money, Records, Transaction

Document = dict[str, object]
REFUSED_FOR = timedelta(days=1)
"""How long a refused command is shown on the screen of what goes on."""
REFUSALS_SHOWN = 3
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


def last_entries(money: Money, budget: Budget, limit: int) -> list[Document]:
    """Give the newest entries of a budget, oldest first."""
    return [_entry(entry) for entry in deque(money.entries(budget.budget_id), maxlen=limit)]


def _entry(entry: Entry) -> Document:
    document = asdict(entry)
    return {**document, "transfer_id": str(entry.transfer_id), "at": entry.at.isoformat()}


def exceptions(records: Records, *, state: str | None) -> list[ExceptionRow]:
    """Give what services left to people."""
    return [row for table in EXCEPTION_TABLES for row in records.find(table, state=state)]


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


def status_document(view: Transaction, now: datetime) -> Document:
    """Give one screen: what flows, what waits, what it cost."""
    records, money = view.records, view.money
    rounds = sorted(records.find(ROUNDS), key=lambda row: row.number)
    return {
        "shards": {
            "ingested": sum(records.count(SHARDS).values()),
            "embedded": sum(records.count(EMBEDDED_SHARDS).values()),
            "in_pool": sum(records.count(POOL_SHARDS).values()),
        },
        "frames": _frames(records),
        "rounds": [
            {**round_summary(row), "waits": waits_of(records, row, _batches(records, row))}
            for row in rounds
            if row.state not in {"closed", "halted"}
        ],
        "rounds_ended": dict(Counter(r.state for r in rounds if r.state in {"closed", "halted"})),
        "budgets": [budget_document(money, budget) for budget in money.budgets()],
        "labels": label_counts(view),
        "commands": records.count(COMMANDS),
        "refused": _refused(records, since=now - REFUSED_FOR),
        "exceptions_open": len(exceptions(records, state="open")),
        "backlog": {service: view.boxes.backlog(service) for service in SERVICES},
    }


def _frames(records: Records) -> Document:
    """Give the frames of the pool, and those that a gate keeps from costing money."""
    shards = records.find(POOL_SHARDS)
    blocked: Counter[str] = Counter()
    for shard in shards:
        blocked.update(dict(shard.n_blocked_by_gate))
    return {"in_pool": sum(shard.n_frames for shard in shards), "blocked": dict(blocked)}


def _refused(records: Records, *, since: datetime) -> list[Document]:
    """Give the newest refusals by services, oldest first: whoever asked is long gone."""
    found = [
        {"id": row.key, "name": row.name, "service": row.service, **json.loads(row.answer)}
        for row in records.find(COMMANDS, state="refused")
        if row.service != "console"
    ]
    fresh = [one for one in found if one.get("at", "") >= since.isoformat()]
    return sorted(fresh, key=lambda one: str(one["at"]))[-REFUSALS_SHOWN:]


def _batches(records: Records, row: RoundRow) -> Sequence[BatchRow]:
    return records.find(BATCHES, group=row.key)

"""What makes the ledger checkable by a stranger: request hashes and the chain of entries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

from winnow.domain.errors import IntegrityError
from winnow.domain.money import (
    Account,
    Allocate,
    Budget,
    Close,
    Commit,
    Correct,
    Entry,
    MoneyRequest,
    Overrun,
    Release,
    Reserve,
    Transfer,
)

CONTENT: Mapping[type[MoneyRequest], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "at")
    for kind in (Allocate, Reserve, Commit, Release, Overrun, Transfer, Correct, Close)
}
"""What a request asks for. `at` is left out: sent again later, it is still the same request."""
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: object) -> str:
    """Give JSON with sorted keys and no spaces.

    >>> canonical({"b": 1, "a": [2]})
    '{"a":[2],"b":1}'
    """
    return _ENCODER.encode(value)


def request_hash(request: MoneyRequest) -> str:
    """Give the SHA-256 of what a request asks for."""
    kind = type(request)
    content = {name: _plain(getattr(request, name)) for name in CONTENT[kind]}
    return _sha256(canonical([kind.__name__, content]))


def genesis_hash(budget: Budget) -> str:
    """Give the hash before a budget's first entry: it binds the chain to the budget's terms."""
    return _sha256(
        canonical(
            [
                budget.budget_id,
                budget.kind.value,
                budget.owner,
                budget.unit.code,
                budget.overrun_allowed,
            ]
        )
    )


def entry_hash(entry: Entry) -> str:
    """Give the hash that an entry must carry: over its content and the hash before it."""
    return _sha256(
        canonical(
            [
                entry.seq,
                str(entry.transfer_id),
                entry.operation.value,
                entry.budget_id,
                entry.period,
                entry.debit.value,
                entry.credit.value,
                entry.amount,
                entry.subject,
                entry.round_id,
                entry.detail,
                _utc(entry.at),
                entry.prev_hash,
            ]
        )
    )


def walk_chain(budget: Budget, entries: Iterable[Entry]) -> tuple[int, str, Totals]:
    """Recompute a budget's chain; give the last position, the last hash and all balances.

    Raises
    ------
    IntegrityError
        An entry is missing, out of order or changed.
    """
    seq, last_hash, totals = 0, genesis_hash(budget), {}  # type: int, str, Totals
    for entry in entries:
        seq += 1
        if entry.seq != seq or entry.prev_hash != last_hash or entry.hash != entry_hash(entry):
            msg = (
                f"budget {budget.budget_id}: expected entry {seq} after hash {last_hash}, "
                f"found entry {entry.seq} with hash {entry.hash} after {entry.prev_hash}"
            )
            raise IntegrityError(msg)
        last_hash = entry.hash
        accounts = totals.setdefault(entry.period, dict.fromkeys(Account, 0))
        accounts[entry.debit] -= entry.amount
        accounts[entry.credit] += entry.amount
    return seq, last_hash, totals


Totals = dict[str, dict[Account, int]]
"""Balance of each account by period."""


def _plain(value: object) -> object:
    kind = type(value)
    if kind is UUID:
        return str(value)
    return _utc(value) if isinstance(value, datetime) else value


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

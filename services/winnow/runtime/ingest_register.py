"""The one transaction of an ingest: source, shards, upload money and the facts about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, BudgetExceeded
from winnow.domain.events import FramesIngested
from winnow.domain.ids import BudgetId, Micros, ShardId, derived_uuid
from winnow.domain.money import Budget, BudgetKind, Commit, Reserve
from winnow.domain.tables import SHARDS, SOURCES, ShardRow, SourceRow
from winnow.ports.ledger import Ledger, Money, Transaction
from winnow.runtime.stating import state_facts

SERVICE = "ingest"
RESERVED_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NewShard:
    """A shard whose manifest is written and which nobody knows yet."""

    shard_id: ShardId
    n_frames: int
    size_bytes: int
    manifest: BlobRef
    captured_from: datetime
    captured_to: datetime


@dataclass(frozen=True, slots=True)
class NewHoldout:
    """What the holdout grew by."""

    key: str
    """Derived from its frames: paying for it twice is paying once."""
    size_bytes: int


def register(
    ledger: Ledger,
    source: SourceRow,
    shards: Sequence[NewShard],
    holdout: NewHoldout | None,
    *,
    vehicle: str,
    topic_prefix: str,
    at: datetime,
) -> int:
    """Register shards that nobody knows yet, pay for their upload, and say so.

    Returns
    -------
    int
        Bytes paid for.

    Raises
    ------
    BudgetExceeded
        The upload budget does not cover them: nothing is registered and nothing spent.
    """
    with ledger.transaction() as tx:
        new = [shard for shard in shards if tx.records.insert(SHARDS, _row(shard, source.key))]
        bills = [(str(shard.shard_id), shard.size_bytes) for shard in new]
        if holdout is not None:
            bills.append((holdout.key, holdout.size_bytes))
        _pay(tx.money, bills, at=at)
        _put_source(tx, source)
        events = [_fact(shard, source.key, vehicle) for shard in new]
        state_facts(tx, events, service=SERVICE, at=at, topic_prefix=topic_prefix)
    return sum(size_bytes for _, size_bytes in bills)


def _row(shard: NewShard, source: str) -> ShardRow:
    return ShardRow(shard.shard_id, source, shard.n_frames, shard.manifest)


def _fact(shard: NewShard, source: str, vehicle: str) -> FramesIngested:
    return FramesIngested(
        shard_id=shard.shard_id,
        source=source,
        vehicle=vehicle,
        captured_from=shard.captured_from,
        captured_to=shard.captured_to,
        n_frames=shard.n_frames,
        manifest=shard.manifest,
    )


def _put_source(tx: Transaction, source: SourceRow) -> None:
    if not tx.records.insert(SOURCES, source):
        tx.records.update(SOURCES, source.key, lambda found: replace(source, state=found.state))


def _pay(money: Money, bills: Sequence[tuple[str, int]], *, at: datetime) -> None:
    if not bills:
        return
    budget = upload_budget(money)
    period = money.open_period(budget.budget_id)
    total = sum(size_bytes for _, size_bytes in bills)
    available = money.balances(budget.budget_id, period).available
    if available < total:
        raise _too_little(budget.budget_id, total, available)
    requests = [
        Reserve(
            transfer_id=derived_uuid("reservation", subject, "upload"),
            budget_id=budget.budget_id,
            period=period,
            amount=Micros(size_bytes),
            expires_at=at + RESERVED_FOR,
            subject=subject,
            round_id="",
            at=at,
        )
        for subject, size_bytes in bills
    ]
    if not all(outcome.applied for outcome in money.reserve(requests)):
        raise _too_little(budget.budget_id, total, available)
    for request in requests:
        commit_id = derived_uuid("commit", request.transfer_id)
        money.commit(Commit(commit_id, request.transfer_id, request.amount, at))


def upload_budget(money: Money) -> Budget:
    """Give the budget that pays for uploads.

    Raises
    ------
    BudgetExceeded
        There is none.
    BadInput
        It does not count bytes.
    """
    found = next((b for b in money.budgets() if b.kind is BudgetKind.UPLOAD), None)
    if found is None:
        msg = (
            "upload: expected a budget of this kind, found none; winnow budget allocate upload 10GB"
        )
        raise BudgetExceeded(msg)
    if found.unit.code != "bytes":
        msg = f"upload budget {found.budget_id}: expected unit bytes, found {found.unit.code}"
        raise BadInput(msg)
    return found


def _too_little(budget_id: BudgetId, total: int, available: int) -> BudgetExceeded:
    return BudgetExceeded(
        f"upload budget {budget_id}: expected {total} bytes available, found {available}; "
        f"nothing was registered. More: winnow budget allocate upload {total - available}B"
    )

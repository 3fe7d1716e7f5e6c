"""Budget ledger report: what one budget was given, spent and still has in one period."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from winnow.domain.ids import Period
from winnow.domain.money import Account, Balances, Budget, BudgetKind, Entry, Operation
from winnow.evidence.artifact import Artifact, Producer


class Amounts(BaseModel):
    """Six balances, in the budget's smallest unit; `funding` is minus what came in."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    funding: int
    available: int
    reserved: int
    spent: int
    returned: int
    adjustment: int


class EntryRange(BaseModel):
    """Which entries the report rests on: first and last position, and the last hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    first_seq: int
    last_seq: int
    n_entries: int
    last_hash: str


class CloseRecord(BaseModel):
    """Who ended the period, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    signer: str
    closed_at: datetime
    transfer_id: UUID


class BudgetReport(Artifact):
    """Recomputable by anyone who holds the entries.

    `remaining` is what may still be reserved; what is reserved is neither spent nor remaining.
    """

    model_config = ConfigDict(json_schema_extra={"$id": "urn:winnow:evidence:budget_report:1"})
    artifact: Literal["budget_report"] = "budget_report"
    schema_version: Literal[1] = 1
    budget_id: str
    budget_type: BudgetKind
    owner: str
    period: str
    unit: str
    unit_scale: int
    """Smallest units in one unit: 1,000,000 for money, 1 for bytes and GPU-milliseconds."""
    allocation: int
    """Funded, less what was transferred to other budgets."""
    spend: int
    remaining: int
    balances: Amounts
    moved: tuple[tuple[str, int], ...]
    """(operation, sum of its entries' amounts), sorted; expired and released apart."""
    spend_by_round: tuple[tuple[str, int], ...]
    """(round id, spent less corrected), sorted; the empty id is what no round caused."""
    entries: EntryRange | None
    rate_ids: tuple[str, ...]
    close_record: CloseRecord | None


def budget_report(
    budget: Budget,
    period: Period,
    balances: Balances,
    entries: Iterable[Entry],
    *,
    report_id: UUID,
    created_at: datetime,
    producer: Producer,
    supersedes: UUID | None = None,
) -> BudgetReport:
    """Give the sealed report of one period.

    Parameters
    ----------
    entries
        The budget's whole chain, in order; those of other periods are left out.
    """
    rows = [entry for entry in entries if entry.period == period]
    return BudgetReport(
        id=report_id,
        created_at=created_at,
        producer=producer,
        round_id="",
        supersedes=supersedes,
        budget_id=budget.budget_id,
        budget_type=budget.kind,
        owner=budget.owner,
        period=period,
        unit=budget.unit.code,
        unit_scale=1_000_000 if budget.unit.code.startswith("currency:") else 1,
        allocation=-balances.funding,
        spend=balances.spent,
        remaining=balances.available,
        balances=Amounts(**{account.value: getattr(balances, account) for account in Account}),
        moved=_moved(rows),
        spend_by_round=_spend_by_round(rows),
        entries=_range(rows),
        rate_ids=_rate_ids(rows),
        close_record=_close_record(rows),
    ).sealed()


def _moved(rows: list[Entry]) -> tuple[tuple[str, int], ...]:
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row.operation.value] += row.amount
    return tuple(sorted(sums.items()))


def _spend_by_round(rows: list[Entry]) -> tuple[tuple[str, int], ...]:
    sums: Counter[str] = Counter()
    for row in rows:
        if Account.SPENT in (row.credit, row.debit):
            sums[row.round_id] += row.amount if row.credit is Account.SPENT else -row.amount
    return tuple(sorted(sums.items()))


def _range(rows: list[Entry]) -> EntryRange | None:
    if not rows:
        return None
    return EntryRange(
        first_seq=rows[0].seq,
        last_seq=rows[-1].seq,
        n_entries=len(rows),
        last_hash=rows[-1].hash,
    )


def _rate_ids(rows: list[Entry]) -> tuple[str, ...]:
    rates = [json.loads(row.detail)["rate"] for row in rows if row.operation is Operation.TRANSFER]
    return tuple(sorted({rate["rate_id"] for rate in rates if rate is not None}))


def _close_record(rows: list[Entry]) -> CloseRecord | None:
    closing = [row for row in rows if row.operation is Operation.CLOSE]
    if not closing:
        return None
    signer = json.loads(closing[-1].detail)["signer"]
    return CloseRecord(signer=signer, closed_at=closing[-1].at, transfer_id=closing[-1].transfer_id)

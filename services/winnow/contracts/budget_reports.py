"""Budget ledger reports: made from the ledger at any time, stored when a period closes."""

from __future__ import annotations

from datetime import datetime

from winnow.contracts.artifacts import JSON
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import derived_uuid
from winnow.domain.money import Budget
from winnow.evidence.artifact import Producer
from winnow.evidence.budget_report import BudgetReport, budget_report
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Money

PREFIX = "budgets"


def reports_of(
    money: Money, budget: Budget, period: str | None, *, producer: Producer, at: datetime
) -> list[BudgetReport]:
    """Give the sealed reports of a budget's periods, after verifying its whole chain.

    Parameters
    ----------
    period
        The one period to report on; none: all of them.

    Raises
    ------
    IntegrityError
        An entry does not follow from the one before it.
    """
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


def store_report(blobs: Blobs, report: BudgetReport) -> BlobRef:
    """Store a report; the same report has one key."""
    data = report.model_dump_json().encode()
    return blobs.put(data, prefix=f"{PREFIX}/evidence", media_type=JSON)

"""The tick that shows money, labels and commands to the monitoring system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from console import metrics
from winnow.domain.events import Event
from winnow.domain.tables import COMMANDS
from winnow.ports.ledger import Ledger, Money, Transaction


def read_gauges(*, tx: Transaction, ledger: Ledger) -> Sequence[Event]:
    """Set every gauge from one consistent view; `tx` stays unused, so nobody waits."""
    del tx
    with ledger.snapshot() as view:
        _money(view.money)
        counts: Counter[str] = Counter()
        for _, label_state, n_labels in view.labels.counts():
            counts[label_state.value] += n_labels
        for state, n_commands in view.records.count(COMMANDS).items():
            metrics.COMMANDS.labels(state=state).set(n_commands)
    for state, n_labels in counts.items():
        metrics.LABELS.labels(state=state).set(n_labels)
    return ()


def _money(money: Money) -> None:
    for budget in money.budgets():
        open_periods = [p for p, closed in money.periods(budget.budget_id) if not closed]
        labels = {"budget": budget.kind.value, "unit": budget.unit.code}
        for period in open_periods[-1:]:
            balances = money.balances(budget.budget_id, period)
            metrics.AVAILABLE.labels(**labels).set(balances.available)
            metrics.RESERVED.labels(**labels).set(balances.reserved)
            metrics.SPENT.labels(**labels).set(balances.spent)

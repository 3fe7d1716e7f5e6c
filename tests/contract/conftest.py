"""Ledgers for the suite of their port: SQLite and, marked, PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from winnow.adapters.postgres_ledger import PostgresLedger
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.domain.ids import BudgetId, Period
from winnow.domain.money import Balances
from winnow.ports.ledger import Ledger
from winnow.testing import ledgers as make
from winnow.testing.ledgers import ANNOTATION, QUARTER, fresh_postgres

Open = Callable[[], Ledger]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open the same database again, as another process would."""
    opened: list[Ledger] = []
    if request.param == "postgres":
        server = os.environ["WINNOW_TEST_POSTGRES"]
        fresh = fresh_postgres(server, f"winnow_{uuid4().hex}")
        url = fresh.__enter__()

    def open_again() -> Ledger:
        ledger: Ledger = (
            PostgresLedger(url)
            if request.param == "postgres"
            else SqliteLedger(tmp_path / "ledger.db")
        )
        opened.append(ledger)
        return ledger

    yield open_again
    for ledger in opened:
        ledger.close()
    if request.param == "postgres":
        fresh.__exit__(None, None, None)


@pytest.fixture
def ledger(reopen: Open) -> Ledger:
    return reopen()


@pytest.fixture
def funded(ledger: Ledger) -> Ledger:
    """A ledger with 1000 in the annotation budget."""
    with ledger.transaction() as tx:
        tx.money.put_budget(make.a_budget())
        assert tx.money.allocate(make.an_allocation(1000)).applied
    return ledger


def balances(ledger: Ledger, budget: str = ANNOTATION, period: str = QUARTER) -> Balances:
    with ledger.snapshot() as tx:
        return tx.money.balances(BudgetId(budget), Period(period))

"""Money requests in one line each, and ledgers to try them on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from winnow.domain.ids import BudgetId, Micros, Period, derived_uuid
from winnow.domain.money import (
    Allocate,
    Budget,
    BudgetKind,
    Close,
    Commit,
    Correct,
    Overrun,
    Release,
    Reserve,
    Transfer,
    Unit,
)

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
USD = Unit("currency:USD")
ANNOTATION = BudgetId("human_annotation")
QUARTER = Period("2026-Q1")
OWNER = "olga"


def a_budget(
    budget_id: str = ANNOTATION,
    *,
    kind: BudgetKind = BudgetKind.HUMAN_ANNOTATION,
    unit: Unit = USD,
    overrun_allowed: bool = False,
) -> Budget:
    """Give a budget of one owner."""
    return Budget(BudgetId(budget_id), kind, OWNER, unit, overrun_allowed)


def an_allocation(
    amount: int, *, name: str = "a", budget: str = ANNOTATION, period: str = QUARTER
) -> Allocate:
    """Give a request that funds a period."""
    key = derived_uuid("allocate", budget, period, name)
    return Allocate(key, BudgetId(budget), Period(period), Micros(amount), OWNER, "memo 7", NOW)


def a_reservation(
    amount: int, *, name: str = "t", budget: str = ANNOTATION, period: str = QUARTER
) -> Reserve:
    """Give a request that reserves for task `name`."""
    key = derived_uuid("reserve", budget, period, name)
    return Reserve(
        key, BudgetId(budget), Period(period), Micros(amount), LATER, f"task {name}", "r0", NOW
    )


def a_commit(reservation: UUID, amount: int, *, name: str = "") -> Commit:
    """Give a request that spends a reservation."""
    return Commit(derived_uuid("commit", reservation, name), reservation, Micros(amount), NOW)


def a_release(reservation: UUID, *, name: str = "", expired: bool = False) -> Release:
    """Give a request that gives a reservation back."""
    key = derived_uuid("release", reservation, name)
    return Release(key, reservation, "skipped", NOW, expired)


def an_overrun(reservation: UUID, amount: int, *, name: str = "") -> Overrun:
    """Give a request that spends beyond a reservation."""
    key = derived_uuid("overrun", reservation, name)
    return Overrun(key, reservation, Micros(amount), "longer than planned", NOW)


def a_correction(
    corrects: UUID, amount: int, *, name: str = "", budget: str = ANNOTATION, period: str = QUARTER
) -> Correct:
    """Give a request that undoes spending."""
    key = derived_uuid("correct", corrects, name)
    return Correct(
        key, BudgetId(budget), Period(period), corrects, Micros(amount), "double paid", OWNER, NOW
    )


def a_transfer(
    amount: int,
    *,
    source: str,
    target: str,
    name: str = "",
    period: str = QUARTER,
    rate_id: str | None = None,
) -> Transfer:
    """Give a request that moves money between two budgets of one owner."""
    return Transfer(
        derived_uuid("transfer", source, target, period, name),
        BudgetId(source),
        Period(period),
        BudgetId(target),
        Period(period),
        Micros(amount),
        (OWNER, OWNER),
        NOW,
        rate_id,
    )


def a_closing(*, name: str = "", budget: str = ANNOTATION, period: str = QUARTER) -> Close:
    """Give a request that closes a period."""
    key = derived_uuid("close", budget, period, name)
    return Close(key, BudgetId(budget), Period(period), OWNER, NOW)


@contextmanager
def fresh_postgres(server_url: str, name: str) -> Iterator[str]:
    """Give the URL of a new database on this server; it is gone afterwards."""
    server = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    url = sa.make_url(server_url).set(database=name)
    with server.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        yield url.render_as_string(hide_password=False)
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    server.dispose()

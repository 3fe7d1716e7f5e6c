"""SQL of budgets, balances, reservations and entries."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from winnow.adapters.sql.driver import ignoring_duplicates, inserting, limited, setting
from winnow.adapters.sql.schema import (
    ACCOUNTS,
    BALANCES,
    BUDGETS,
    ENTRIES,
    RATES,
    RESERVATIONS,
    TRANSFERS,
)

ADD_BUDGET = ignoring_duplicates(BUDGETS)
ADD_RATE = ignoring_duplicates(RATES)
ADD_PERIOD = inserting(BALANCES)
ADD_ENTRY = inserting(ENTRIES)
ADD_OUTCOME = inserting(TRANSFERS)
ADD_RESERVATION = inserting(RESERVATIONS)

_TERMS = [BUDGETS.c[name] for name in ("budget_id", "kind", "owner", "unit", "overrun_allowed")]
_HEAD = [BUDGETS.c.last_seq, BUDGETS.c.last_hash]
_BALANCES = [BALANCES.c.closed_at, *(BALANCES.c[account] for account in ACCOUNTS)]
_OF_BUDGET = BUDGETS.c.budget_id == sa.bindparam("budget_id")

BUDGET = sa.select(*_TERMS).where(_OF_BUDGET)
ALL_BUDGETS = sa.select(*_TERMS).order_by(BUDGETS.c.budget_id)
HEAD = sa.select(*_HEAD).where(_OF_BUDGET)
LOCK_BUDGET = sa.select(BUDGETS.c.budget_id).where(_OF_BUDGET).with_for_update()
PURSE = (
    sa.select(*_TERMS, *_HEAD, *_BALANCES)
    .select_from(
        BUDGETS.outerjoin(
            BALANCES,
            sa.and_(
                BALANCES.c.budget_id == BUDGETS.c.budget_id,
                BALANCES.c.period == sa.bindparam("period"),
            ),
        )
    )
    .where(_OF_BUDGET)
)
PERIODS = (
    sa.select(BALANCES.c.period, BALANCES.c.closed_at)
    .where(BALANCES.c.budget_id == sa.bindparam("budget_id"))
    .order_by(BALANCES.c.opened_seq)
)
BALANCES_OF = sa.select(*(BALANCES.c[account] for account in ACCOUNTS)).where(
    BALANCES.c.budget_id == sa.bindparam("budget_id"), BALANCES.c.period == sa.bindparam("period")
)
RATE = sa.select(RATES).where(RATES.c.rate_id == sa.bindparam("rate_id"))

_ONE_RESERVATION = RESERVATIONS.c.reservation_id == sa.bindparam("reservation_id")
RESERVATION = sa.select(RESERVATIONS).where(_ONE_RESERVATION)
BUDGET_OF_RESERVATION = sa.select(RESERVATIONS.c.budget_id).where(_ONE_RESERVATION)
# A reservation with the purse it lies in: a commit reads once.
HELD = (
    sa.select(RESERVATIONS, *_TERMS, *_HEAD, *_BALANCES)
    .join(BUDGETS, BUDGETS.c.budget_id == RESERVATIONS.c.budget_id)
    .join(
        BALANCES,
        sa.and_(
            BALANCES.c.budget_id == RESERVATIONS.c.budget_id,
            BALANCES.c.period == RESERVATIONS.c.period,
        ),
    )
    .where(_ONE_RESERVATION)
)
RESOLVE = setting(RESERVATIONS, "state", "committed").where(_ONE_RESERVATION)
OPEN_SUMS = (
    sa.select(RESERVATIONS.c.period, sa.func.count(), sa.func.sum(RESERVATIONS.c.amount))
    .where(
        RESERVATIONS.c.budget_id == sa.bindparam("budget_id"),
        RESERVATIONS.c.state == sa.literal_column("'open'"),
    )
    .group_by(RESERVATIONS.c.period)
)

SET_HEAD = setting(BUDGETS, "last_seq", "last_hash").where(
    BUDGETS.c.budget_id == sa.bindparam("of_budget")
)
SET_BALANCES = setting(BALANCES, "closed_at", *ACCOUNTS).where(
    BALANCES.c.budget_id == sa.bindparam("of_budget"),
    BALANCES.c.period == sa.bindparam("of_period"),
)
ENTRIES_AFTER = limited(
    sa.select(
        *(
            ENTRIES.c[name]
            for name in (
                "seq", "transfer_id", "operation", "budget_id", "period", "debit", "credit",
                "amount", "subject", "round_id", "detail", "at", "prev_hash", "hash",
            )
        )
    )
    .where(
        ENTRIES.c.budget_id == sa.bindparam("budget_id"),
        ENTRIES.c.seq > sa.bindparam("after_seq"),
    )
    .order_by(ENTRIES.c.seq)
)  # fmt: skip
_SPENT: sa.ColumnElement[str] = sa.literal_column("'spent'")
_SPENDING = [
    ENTRIES.c.budget_id == sa.bindparam("budget_id"),
    ENTRIES.c.period == sa.bindparam("period"),
    sa.or_(ENTRIES.c.credit == _SPENT, ENTRIES.c.debit == _SPENT),
]
# What a transfer moved into `spent`: no operation has more than two entries.
SPENT_BY = (
    sa.select(ENTRIES.c.round_id, ENTRIES.c.credit, ENTRIES.c.amount)
    .join(TRANSFERS, TRANSFERS.c.transfer_id == ENTRIES.c.transfer_id)
    .where(
        TRANSFERS.c.transfer_id == sa.bindparam("corrected"),
        ENTRIES.c.seq >= TRANSFERS.c.first_seq,
        ENTRIES.c.seq <= TRANSFERS.c.first_seq + sa.literal_column("1"),
        *_SPENDING,
    )
)
# What later corrections of it moved out again.
CORRECTED_BY = sa.select(ENTRIES.c.round_id, ENTRIES.c.credit, ENTRIES.c.amount).where(
    ENTRIES.c.operation == sa.literal_column("'correct'"),
    ENTRIES.c.subject == sa.bindparam("corrected"),
    *_SPENDING,
)


@cache
def outcomes_of(n_ids: int) -> sa.Select[Any]:
    """Give the stored outcomes of so many transfers (`id_0`, …)."""
    ids: list[sa.BindParameter[str]] = [sa.bindparam(f"id_{pos}") for pos in range(n_ids)]
    columns = [
        TRANSFERS.c[name]
        for name in ("transfer_id", "request_hash", "outcome", "expected", "found")
    ]
    return sa.select(*columns).where(TRANSFERS.c.transfer_id.in_(ids))


@cache
def reservations(given: tuple[str, ...], *, open_only: bool) -> sa.Select[Any]:
    """Give reservations by deadline, filtered by the given columns."""
    table = RESERVATIONS
    statement = sa.select(table).order_by(table.c.expires_at, table.c.reservation_id)
    for column in ("budget_id", "round_id"):
        if column in given:
            statement = statement.where(table.c[column] == sa.bindparam(column))
    if "expires_at" in given:
        statement = statement.where(table.c.expires_at <= sa.bindparam("expires_at"))
    if open_only:
        statement = statement.where(table.c.state == sa.literal_column("'open'"))
    return limited(statement) if "row_limit" in given else statement

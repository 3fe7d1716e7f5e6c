"""Transactions over a pool of connections; begun lazily, so that computing blocks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy.pool import Pool

from winnow.adapters.sql.boxes import SqlBoxes
from winnow.adapters.sql.driver import Driver, Session
from winnow.adapters.sql.labels import SqlLabels
from winnow.adapters.sql.money import SqlMoney
from winnow.adapters.sql.records import SqlRecords
from winnow.ports.ledger import Boxes, Labels, Money, Records, Transaction

P = TypeVar("P")


class LazyTransaction:
    """Port `Transaction`: its session begins when one of its parts is first asked for.

    No part is a `cached_property`: until Python 3.12 that locks the property of all transactions
    while one begins, so that one that waits for its turn would hold up the one whose turn it is.
    """

    def __init__(self, begin: Callable[[], Session]) -> None:
        self._begin = begin
        self._begun: Session | None = None
        self._parts: dict[Callable[[Session], Any], Any] = {}

    @property
    def money(self) -> Money:
        """Budgets."""
        return self._part(SqlMoney)

    @property
    def labels(self) -> Labels:
        """Label states."""
        return self._part(SqlLabels)

    @property
    def records(self) -> Records:
        """Service tables."""
        return self._part(SqlRecords)

    @property
    def boxes(self) -> Boxes:
        """Inbox and outbox."""
        return self._part(SqlBoxes)

    def _part(self, kind: Callable[[Session], P]) -> P:
        if kind not in self._parts:
            if self._begun is None:
                self._begun = self._begin()
            self._parts[kind] = kind(self._begun)
        part: P = self._parts[kind]
        return part

    def commit(self) -> None:
        """Commit, if anything ever began."""
        if self._begun is not None:
            self._begun.commit()

    def roll_back(self) -> None:
        """Roll back, if anything ever began."""
        if self._begun is not None:
            self._begun.roll_back()


class SqlLedger:
    """Port `Ledger` over any driver and pool."""

    def __init__(self, driver: Driver, pool: Pool) -> None:
        self._driver = driver
        self._pool = pool

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a read-write transaction at first use; commit at the end, roll back on a raise."""
        with _unit(lambda: Session(self._driver, self._pool, write=True)) as unit:
            yield unit

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Begin a read-only transaction: a consistent view that blocks nobody."""
        with _unit(lambda: Session(self._driver, self._pool, write=False)) as unit:
            yield unit

    def close(self) -> None:
        """Let go of connections."""
        self._pool.dispose()


@contextmanager
def _unit(begin: Callable[[], Session]) -> Iterator[LazyTransaction]:
    unit = LazyTransaction(begin)
    try:
        yield unit
    except BaseException:
        unit.roll_back()
        raise
    unit.commit()

"""Transactions over a pool of connections; begun lazily, so that computing blocks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from sqlalchemy.pool import Pool

from winnow.adapters.sql.boxes import SqlBoxes
from winnow.adapters.sql.driver import Driver, Session
from winnow.adapters.sql.labels import SqlLabels
from winnow.adapters.sql.money import SqlMoney
from winnow.adapters.sql.records import SqlRecords
from winnow.ports.ledger import Boxes, Labels, Money, Records, Transaction


class LazyTransaction:
    """Port `Transaction`: its session begins when one of its parts is first asked for."""

    def __init__(self, begin: Callable[[], Session]) -> None:
        self._begin = begin
        self._begun: Session | None = None

    @property
    def _session(self) -> Session:
        if self._begun is None:
            self._begun = self._begin()
        return self._begun

    @cached_property
    def money(self) -> Money:
        """Budgets."""
        return SqlMoney(self._session)

    @cached_property
    def labels(self) -> Labels:
        """Label states."""
        return SqlLabels(self._session)

    @cached_property
    def records(self) -> Records:
        """Service tables."""
        return SqlRecords(self._session)

    @cached_property
    def boxes(self) -> Boxes:
        """Inbox and outbox."""
        return SqlBoxes(self._session)

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

"""Runs Core statements on a DBAPI connection: compiled once, errors sorted into kinds.

SQLAlchemy's own execution costs more than SQLite's on statements this small, so its part here is
to write the SQL and to pool the connections.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.pool import Pool, PoolProxiedConnection
from sqlalchemy.sql import ClauseElement

from winnow.domain.errors import Retryable

Params = Mapping[str, object]


@dataclass(frozen=True)
class Driver(ABC):
    """One kind of database: how to word things and which failures pass by themselves."""

    dialect: Dialect
    begin_write: Sequence[str]
    begin_read: Sequence[str]
    end_read: Sequence[str]
    error: type[Exception]
    """Base of the DBAPI module's exceptions."""
    row_locks: bool
    """True if writers run side by side and must lock the rows they read."""
    texts: dict[ClauseElement, str] = field(default_factory=dict)

    @abstractmethod
    def is_passing(self, error: Exception) -> bool:
        """Tell whether the same work may succeed later."""

    def lasts(self, error: BaseException | None) -> bool:
        """Tell whether somebody must do something first: then nobody waits for long."""
        del error
        return False

    def told(self, error: Exception) -> str:
        """Give a failure in words for people."""
        return str(error)

    @abstractmethod
    def lock_schema(self, connection: sa.Connection) -> None:
        """Let one process at a time change the schema, until its transaction ends."""

    def text(self, statement: ClauseElement) -> str:
        """Give a statement's SQL; statements are module constants, so few are ever compiled."""
        text = self.texts.get(statement)
        if text is None:
            text = self.texts[statement] = str(statement.compile(dialect=self.dialect))
        return text


class Session:
    """One database transaction on one pooled connection."""

    def __init__(self, driver: Driver, pool: Pool, *, write: bool) -> None:
        self.driver = driver
        self._write = write
        self._connection: PoolProxiedConnection = _connected(driver, pool)
        self._cursor: Any = self._connection.cursor()
        try:
            for command in driver.begin_write if write else driver.begin_read:
                self._execute(command)
        except BaseException:
            self._connection.invalidate()
            raise

    def rows(self, statement: ClauseElement, params: Params | None = None) -> list[Any]:
        """Give all rows as tuples."""
        self._execute(self.driver.text(statement), params)
        return self._fetch()

    def row(self, statement: ClauseElement, params: Params | None = None) -> Any:  # noqa: ANN401 - columns are typed by the caller
        """Give the first row as a tuple, or None."""
        rows = self.rows(statement, params)
        return rows[0] if rows else None

    def run(self, statement: ClauseElement, params: Params | None = None) -> int:
        """Execute; give the number of rows it changed."""
        self._execute(self.driver.text(statement), params)
        return int(self._cursor.rowcount)

    def run_many(self, statement: ClauseElement, params: Sequence[Params]) -> int:
        """Execute once for each; give the number of rows changed in all."""
        if not params:
            return 0
        try:
            self._cursor.executemany(self.driver.text(statement), params)
        except self.driver.error as error:
            raise self._sorted(error) from error
        return int(self._cursor.rowcount)

    def commit(self) -> None:
        """Make it durable, and give the connection to the next."""
        try:
            self._execute("COMMIT")
            for command in () if self._write else self.driver.end_read:
                self._execute(command)
        except BaseException:
            self._connection.invalidate()
            raise
        self._connection.close()

    def roll_back(self) -> None:
        """Undo it, in any case by closing the connection: the cause is already on its way up."""
        try:
            self._execute("ROLLBACK")
            for command in () if self._write else self.driver.end_read:
                self._execute(command)
        except (self.driver.error, Retryable):
            self._connection.invalidate()
        else:
            self._connection.close()

    def _execute(self, text: str, params: Params | None = None) -> None:
        try:
            if params is None:
                self._cursor.execute(text)
            else:
                self._cursor.execute(text, params)
        except self.driver.error as error:
            raise self._sorted(error) from error

    def _fetch(self) -> list[Any]:
        try:
            return list(self._cursor.fetchall())
        except self.driver.error as error:
            raise self._sorted(error) from error

    def _sorted(self, error: Exception) -> Exception:
        return _sorted(self.driver, error)


def _connected(driver: Driver, pool: Pool) -> PoolProxiedConnection:
    try:
        return pool.connect()
    except driver.error as error:
        raise _sorted(driver, error) from error


def _sorted(driver: Driver, error: Exception) -> Exception:
    """Give `Retryable` for what passes by itself, else the error: then it is a bug."""
    if driver.is_passing(error):
        return Retryable(f"ledger database: expected to answer, found {driver.told(error)}")
    return error


def setting(table: sa.Table, *columns: str) -> sa.Update:
    """Give an update of these columns from parameters of the same names."""
    return sa.update(table).values(dict.fromkeys(columns, ""))


def inserting(table: sa.Table, *columns: str) -> sa.Insert:
    """Give an insert of these columns (default: all) from parameters of the same names."""
    names = columns or tuple(table.c.keys())
    return sa.insert(table).values(dict.fromkeys(names, ""))


def limited(statement: sa.Select[Any]) -> sa.Select[Any]:
    """Give at most `row_limit` rows."""
    # Without an offset of its own, SQLite's compiler adds one as an unnamed parameter.
    return statement.limit(sa.bindparam("row_limit")).offset(sa.literal_column("0"))


def ignoring_duplicates(table: sa.Table) -> sa.Insert:
    """Give an insert that leaves existing keys as they are."""
    # Both databases word it alike: PostgreSQL's construct compiles for SQLite too.
    return postgresql.insert(table).on_conflict_do_nothing()

"""The ledger on SQLite: one file, many threads and processes, one writer at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import QueuePool

from winnow.adapters.disk_errors import is_broken, is_full, told
from winnow.adapters.sql.driver import Driver
from winnow.adapters.sql.ledger import SqlLedger
from winnow.adapters.sql.migrate import migrate
from winnow.domain.errors import IntegrityError

# Primary result codes of failures that pass by themselves: busy, locked, full, disk error,
# cannot open, interrupted.
PASSING = frozenset({5, 6, 9, 10, 13, 14})


class SqliteDriver(Driver):
    """SQLite's words and failures."""

    def is_passing(self, error: Exception) -> bool:
        """Tell whether the same work may succeed later."""
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in PASSING

    def lasts(self, error: BaseException | None) -> bool:
        """Tell whether the disk is full."""
        return is_full(error)

    def told(self, error: Exception) -> str:
        """Give a failure in words for people."""
        return told(error)

    def lock_schema(self, connection: sa.Connection) -> None:
        """Do nothing more: `BEGIN IMMEDIATE` lets in one writer."""


class SqliteLedger(SqlLedger):
    """Port `Ledger` in a file, created and migrated at opening.

    Parameters
    ----------
    busy_timeout_seconds
        How long a writer waits for its turn before it raises `Retryable`.

    Raises
    ------
    IntegrityError
        The file is no database, or a damaged one.
    """

    def __init__(self, path: Path, *, busy_timeout_seconds: float = 30.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)

        def connect() -> Any:  # noqa: ANN401 - the pool's own type for it is private
            return _connect(path, busy_timeout_seconds)

        driver = SqliteDriver(
            dialect=sqlite.dialect(paramstyle="named"),
            begin_write=("BEGIN IMMEDIATE",),
            begin_read=("PRAGMA query_only = ON", "BEGIN"),
            end_read=("PRAGMA query_only = OFF",),
            error=sqlite3.Error,
            row_locks=False,
        )
        try:
            migrate(driver, connect, url="sqlite://", patience_seconds=busy_timeout_seconds)
        except sa.exc.DatabaseError as error:
            if not is_broken(error.orig):
                raise
            msg = f"ledger {path}: expected a database that Winnow wrote, found: {error.orig}"
            raise IntegrityError(msg) from error
        pool = QueuePool(connect, pool_size=8, max_overflow=-1, reset_on_return=None, use_lifo=True)
        super().__init__(driver, pool)


def _connect(path: Path, busy_timeout_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit that was answered survives a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection

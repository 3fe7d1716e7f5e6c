"""The ledger on PostgreSQL: many writers side by side, each budget's row its own lock."""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from winnow.adapters.sql.driver import Driver
from winnow.adapters.sql.ledger import SqlLedger
from winnow.adapters.sql.migrate import migrate

SCHEMA_LOCK = 0x57_494E_4E4F57
"""Advisory lock of whoever migrates; the bytes spell WINNOW."""
CONNECT_SECONDS = 10
"""Unless the URL says otherwise. The client's own 130 s outlast the loop's 30 s without a beat."""
# Connection lost, lock timeout, deadlock, serialization, disk full; and an id that another
# transaction is writing at this moment: the second try finds what it stored.
PASSING = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.UniqueViolation)


class PostgresDriver(Driver):
    """PostgreSQL's words and failures."""

    def is_passing(self, error: Exception) -> bool:
        """Tell whether the same work may succeed later."""
        return isinstance(error, PASSING)

    def lock_schema(self, connection: sa.Connection) -> None:
        """Let one process at a time change the schema, until its transaction ends."""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")


class PostgresLedger(SqlLedger):
    """Port `Ledger` in a database, migrated at opening.

    Parameters
    ----------
    url
        `postgresql+psycopg://user:password@host:port/database`.
    lock_timeout_seconds
        How long a writer waits for a row before it raises `Retryable`.
    """

    def __init__(self, url: str, *, lock_timeout_seconds: float = 30.0) -> None:
        address = sa.make_url(url)
        dialect = address.get_dialect()()
        args, kwargs = dialect.create_connect_args(address)
        kwargs.setdefault("connect_timeout", CONNECT_SECONDS)
        kwargs["options"] = f"-c lock_timeout={int(lock_timeout_seconds * 1000)}"

        def connect() -> Any:  # noqa: ANN401 - the pool's own type for it is private
            return psycopg.connect(*args, **kwargs, autocommit=True)

        driver = PostgresDriver(
            dialect=dialect,
            begin_write=("BEGIN",),
            begin_read=("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",),
            end_read=(),
            error=psycopg.Error,
            row_locks=True,
        )
        migrate(driver, connect, url=url, patience_seconds=lock_timeout_seconds)
        pool = QueuePool(connect, pool_size=8, max_overflow=-1, reset_on_return=None, use_lifo=True)
        super().__init__(driver, pool)

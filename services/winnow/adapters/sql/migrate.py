"""Brings a database to the newest schema at opening, also when several processes open at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool
from tenacity import RetryCallState, retry, retry_if_exception_type, wait_random_exponential

from winnow.adapters.sql.driver import Driver
from winnow.domain.errors import Retryable

HEAD = "0001"
LASTING_SECONDS = 1.0
"""A full disk is looked at again for so long only: a person waits for the answer."""
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(
    driver: Driver, connect: Callable[[], Any], *, url: str, patience_seconds: float
) -> None:
    """Apply the migrations that are missing.

    Raises
    ------
    Retryable
        The database stayed away or busy.
    """
    attempt = retry(
        retry=retry_if_exception_type(Retryable),
        stop=_given_up(driver, patience_seconds),
        wait=wait_random_exponential(multiplier=0.02, max=1.0),
        reraise=True,
    )
    attempt(_migrate)(driver, connect, url)


def _given_up(driver: Driver, patience_seconds: float) -> Callable[[RetryCallState], bool]:
    def stop(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        cause = getattr(error.__cause__, "orig", None) if error else None
        patience = (
            min(patience_seconds, LASTING_SECONDS) if driver.lasts(cause) else patience_seconds
        )
        return (state.seconds_since_start or 0.0) >= patience

    return stop


def _migrate(driver: Driver, connect: Callable[[], Any], url: str) -> None:
    engine = sa.create_engine(url, creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            if _version(connection) == HEAD:
                return
        # The driver's own words: SQLite must take the write lock before the version is read.
        sa.event.listen(engine, "begin", _beginner(driver))
        with engine.begin() as connection:
            driver.lock_schema(connection)
            if _version(connection) != HEAD:
                _upgrade(connection)
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, Exception) and driver.is_passing(error.orig):
            msg = f"ledger database: expected to open, found {driver.told(error.orig)}"
            raise Retryable(msg) from error
        raise
    finally:
        engine.dispose()


def _beginner(driver: Driver) -> Callable[[sa.Connection], None]:
    def begin(connection: sa.Connection) -> None:
        for command in driver.begin_write:
            connection.exec_driver_sql(command)

    return begin


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


def _upgrade(connection: sa.Connection) -> None:
    # Imported here: a database that is up to date starts without it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)

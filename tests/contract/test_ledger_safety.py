"""What protects the ledger: history that cannot change, writers that cannot race, full disks."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from winnow.adapters.connect import connect_ledger
from winnow.adapters.postgres_ledger import PostgresLedger
from winnow.adapters.sql.driver import Session
from winnow.adapters.sql.ledger import LazyTransaction
from winnow.adapters.sql.schema import APPEND_ONLY, METADATA
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.domain import tables
from winnow.domain.errors import IntegrityError, Retryable
from winnow.domain.ids import FrameId, Micros
from winnow.domain.labels import Actor, Role
from winnow.domain.money import Rate, Unit
from winnow.domain.tables import AUDIT, CURSORS, TABLES, AuditRow, CursorRow, Table
from winnow.ports.ledger import Ledger
from winnow.runtime.health import ALIVE_WITHIN
from winnow.testing import ledgers as make
from winnow.testing.ledgers import ANNOTATION, NOW, QUARTER, fresh_postgres


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with fresh_postgres(os.environ["WINNOW_TEST_POSTGRES"], f"winnow_{uuid4().hex}") as fresh:
        yield fresh


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = connect_ledger(url)
    with opened.transaction() as tx:
        tx.money.put_budget(make.a_budget())
        tx.money.allocate(make.an_allocation(1000))
        tx.money.reserve([make.a_reservation(10)])
    yield opened
    opened.close()


def in_sql(url: str, *statements: str) -> None:
    """Do what somebody with a database client could try."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


# History


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_history_cannot_be_changed(url: str, ledger: Ledger, table: str, verb: str) -> None:
    with ledger.transaction() as tx:
        tx.money.put_rate(Rate("r", Unit("bytes"), make.USD, Micros(1), 1, NOW))
        tx.records.insert(AUDIT, AuditRow("1", "ada", "admin", "round.open", "{}", "done", NOW))
        actor = Actor("selection", Role.SELECTOR)
        tx.labels.begin(
            [FrameId("f")], "digits", round_id="r0", batch_id="b", actor=actor, evidence="e", at=NOW
        )
    columns = {"entries": "amount", "transfers": "outcome", "rates": "micros"}
    column = columns.get(table, "body" if table == "console_audit" else "actor")
    verbs = {"UPDATE": f"UPDATE {table} SET {column} = {column}", "DELETE": f"DELETE FROM {table}"}
    with pytest.raises(sa.exc.DBAPIError, match=f"{table} is append-only"):
        in_sql(url, verbs[verb])


def forget_protection(url: str) -> None:
    if url.startswith("sqlite"):
        in_sql(url, "DROP TRIGGER entries_no_update", "DROP TRIGGER entries_no_delete")
    else:
        in_sql(url, "DROP TRIGGER entries_append_only ON entries")


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE entries SET amount = 9 WHERE seq = 2",
        "UPDATE entries SET subject = 'another task' WHERE seq = 2",
        "UPDATE entries SET at = '2020-01-01T00:00:00.000000+00:00' WHERE seq = 1",
        "UPDATE entries SET hash = prev_hash WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 1",
        "DELETE FROM entries WHERE seq = 2",
        "UPDATE budgets SET unit = 'currency:EUR'",
        "UPDATE balances SET available = available + 1, funding = funding - 1",
        "UPDATE reservations SET amount = 11",
    ],
)
def test_whatever_is_tampered_with_shows(url: str, ledger: Ledger, tampering: str) -> None:
    with ledger.snapshot() as tx:
        assert tx.money.verify_chain(ANNOTATION) == 2
    forget_protection(url)
    in_sql(url, tampering)
    with ledger.snapshot() as tx, pytest.raises(IntegrityError, match=ANNOTATION):
        tx.money.verify_chain(ANNOTATION)


@pytest.mark.parametrize("account", ["available = -1", "reserved = -1", "spent = 1"])
def test_the_database_itself_refuses_impossible_balances(
    url: str, ledger: Ledger, account: str
) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        in_sql(url, f"UPDATE balances SET {account}")


# Writers side by side


def reserve_greedily(url: str, writer: int) -> int:
    """Reserve 10 at a time, one transaction each, until nothing is left."""
    ledger, n_applied = connect_ledger(url), 0
    for n in range(60):
        with ledger.transaction() as tx:
            asked = make.a_reservation(10, name=f"{writer}-{n}")
            n_applied += tx.money.reserve([asked])[0].applied
    ledger.close()
    return n_applied


def check_all_was_reserved_once(ledger: Ledger, n_applied: int) -> None:
    with ledger.snapshot() as tx:
        balances = tx.money.balances(ANNOTATION, QUARTER)
        assert tx.money.verify_chain(ANNOTATION) == 2 + n_applied
    assert (n_applied, balances.reserved, balances.available) == (99, 1000, 0)


def test_processes_never_reserve_more_than_there_is(url: str, ledger: Ledger) -> None:
    spawning = multiprocessing.get_context("spawn")
    with spawning.Pool(2) as pool:
        applied = pool.starmap(reserve_greedily, [(url, 0), (url, 1)])
    check_all_was_reserved_once(ledger, sum(applied))


def run_threads(*work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_of_one_ledger_never_reserve_more_than_there_is(ledger: Ledger) -> None:
    applied: list[int] = []

    def reserve(writer: int) -> None:
        for n in range(30):
            with ledger.transaction() as tx:
                outcome = tx.money.reserve([make.a_reservation(10, name=f"{writer}-{n}")])[0]
                applied.append(outcome.applied)

    run_threads(*(lambda writer=writer: reserve(writer) for writer in range(4)))
    check_all_was_reserved_once(ledger, sum(applied))


def test_the_same_request_from_many_threads_moves_money_once(ledger: Ledger) -> None:
    kinds: list[bool] = []
    commit = make.a_commit(make.a_reservation(10).transfer_id, 4)

    def send() -> None:
        with ledger.transaction() as tx:
            kinds.append(tx.money.commit(commit).applied)

    run_threads(*[send] * 6)
    with ledger.snapshot() as tx:
        assert tx.money.balances(ANNOTATION, QUARTER).spent == 4
    assert kinds == [True] * 6


def test_many_may_open_a_new_database_at_once(url: str) -> None:
    opened: list[Ledger] = []
    run_threads(*[lambda: opened.append(connect_ledger(url))] * 5)
    assert len(opened) == 5
    for ledger in opened:
        ledger.close()


# Schema


def test_the_migrations_make_what_the_code_expects(url: str) -> None:
    connect_ledger(url).close()
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        found = sa.inspect(connection)
        for table in METADATA.sorted_tables:
            checks = {check["name"] for check in found.get_check_constraints(table.name)}
            wanted = {c.name for c in table.constraints if isinstance(c, sa.CheckConstraint)}
            assert checks == wanted, table.name
    engine.dispose()


def test_every_service_table_has_a_row_type_and_a_table() -> None:
    named = [table for table in vars(tables).values() if isinstance(table, Table)]
    assert {table.name for table in named} == {table.name for table in TABLES}
    assert {table.name for table in TABLES} <= set(METADATA.tables)
    assert len({table.name for table in TABLES}) == len(TABLES)


# Failures that pass by themselves


def test_a_full_disk_is_retryable_and_loses_nothing(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with ledger.transaction() as tx:
        tx.records.insert(CURSORS, CursorRow("a", "1"))
        # As good as a full disk: the file may not grow any more.
        pages = tx.records._session._cursor.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[attr-defined]
        tx.records._session._cursor.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]
    with pytest.raises(Retryable, match="full"), ledger.transaction() as tx:
        tx.records.insert(CURSORS, CursorRow("b", "x" * 1_000_000))
    with ledger.snapshot() as tx:
        assert tx.records.get(CURSORS, "a") == CursorRow("a", "1")
        assert tx.records.get(CURSORS, "b") is None


def test_a_writer_that_waited_too_long_may_come_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    patient, hasty = SqliteLedger(path), SqliteLedger(path, busy_timeout_seconds=0.01)
    with patient.transaction() as tx:
        tx.records.insert(CURSORS, CursorRow("a", "1"))
        with pytest.raises(Retryable, match="locked"), hasty.transaction() as late:
            late.records.insert(CURSORS, CursorRow("b", "1"))
    with hasty.transaction() as tx:
        assert tx.records.insert(CURSORS, CursorRow("b", "1"))


def test_a_writer_that_waits_for_its_turn_holds_up_no_other() -> None:
    session = cast(Session, object())
    asked, turn, done = threading.Event(), threading.Event(), threading.Event()

    def when_its_turn_comes() -> Session:
        asked.set()
        turn.wait()
        return session

    def work(begin: Callable[[], Session]) -> None:
        assert LazyTransaction(begin).boxes
        done.set()

    threading.Thread(target=work, args=(when_its_turn_comes,), daemon=True).start()
    asked.wait()
    threading.Thread(target=work, args=(lambda: session,), daemon=True).start()
    try:
        assert done.wait(timeout=10)
    finally:
        turn.set()


def test_a_folder_that_cannot_be_opened_is_retryable(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(Retryable, match="unable to open"):
        SqliteLedger(tmp_path / "ledger.db", busy_timeout_seconds=0.0)


@pytest.mark.postgres
def test_a_lost_connection_is_retryable_and_the_next_works(url: str, ledger: Ledger) -> None:
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no connection to lose")
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(Retryable), ledger.snapshot() as tx:
        tx.money.budgets()
    with ledger.snapshot() as tx:
        assert tx.money.budgets() == [make.a_budget()]


@pytest.mark.postgres
def test_an_absent_server_is_retryable() -> None:
    with pytest.raises(Retryable):
        PostgresLedger("postgresql+psycopg://nobody@127.0.0.1:1/none", lock_timeout_seconds=0.0)


def test_a_commit_that_was_answered_is_on_disk(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with ledger.transaction() as tx:
        tx.records.insert(CURSORS, CursorRow("a", "1"))
    other = sqlite3.connect(tmp_path / "ledger.db")
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert other.execute("SELECT key FROM labeling_gateway_cursors").fetchall() == [("a",)]


@pytest.mark.parametrize(("query", "expected"), [("", "10"), ("?connect_timeout=3", "3")])
def test_a_server_that_never_answers_is_given_up_before_the_loop_counts_as_hung(
    query: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = dict[str, object]()

    def away(*args: object, **options: object) -> None:
        asked.update(options)
        raise ZeroDivisionError

    monkeypatch.setattr(psycopg, "connect", away)
    with pytest.raises(ZeroDivisionError):
        PostgresLedger(f"postgresql+psycopg://winnow@nowhere/winnow{query}")
    assert str(asked["connect_timeout"]) == expected
    assert float(expected) < ALIVE_WITHIN.total_seconds()

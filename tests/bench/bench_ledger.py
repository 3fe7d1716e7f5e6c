"""Money at the size of a fleet's batch: 19,000 tasks reserved at once and paid one by one.

The peer writes the same rows (entry, outcome, reservation, balance) by hand through `sqlite3`,
with the same durability and no rule, hash or idempotency: what the disk and SQLite alone cost.
"""

from __future__ import annotations

import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.domain.ids import BudgetId
from winnow.domain.money import Reserve
from winnow.ports.ledger import Ledger
from winnow.testing import ledgers as make
from winnow.testing.ledgers import ANNOTATION

N_TASKS = 19_000
N_COMMITS = 5_000
RESERVE_SECONDS_GOAL = 3.0
COMMITS_PER_SECOND_GOAL = 1_000
CORES = 2
PEER_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE balance (id INTEGER PRIMARY KEY, available INTEGER, reserved INTEGER, spent INTEGER);
CREATE TABLE entry (seq INTEGER PRIMARY KEY, transfer TEXT, amount INTEGER, task TEXT, at TEXT);
CREATE TABLE outcome (transfer TEXT PRIMARY KEY, kind TEXT);
CREATE TABLE reservation (id TEXT PRIMARY KEY, amount INTEGER, state TEXT);
INSERT INTO balance VALUES (1, 1000000000, 0, 0);
"""


def run() -> list[dict[str, object]]:
    """Measure both goals, each beside the peer and the goal itself."""
    with tempfile.TemporaryDirectory() as folder:
        ours = _ours(Path(folder) / "ours.db")
        peer = _peer(Path(folder) / "peer.db")
    goals = (RESERVE_SECONDS_GOAL, N_COMMITS / COMMITS_PER_SECOND_GOAL)
    names = (f"reserve {N_TASKS} tasks, one transaction", f"commit {N_COMMITS} one by one, FULL")
    rows = []
    for name, our_time, peer_time, goal in zip(names, ours, peer, goals, strict=True):
        rows.append(_row(name, our_time, "goal", goal, goal=f"< {goal:g} s"))
        rows.append(_row(name, our_time, "plain sqlite3", peer_time, goal=""))
    return rows


def _row(
    name: str, ours_seconds: float, peer: str, peer_seconds: float, *, goal: str
) -> dict[str, object]:
    return {
        "name": f"ledger: {name}",
        "ours_seconds": ours_seconds,
        "peer": peer,
        "peer_seconds": peer_seconds,
        "ratio": peer_seconds / ours_seconds,
        "goal": goal,
        "holds": not goal or ours_seconds < peer_seconds,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cores": CORES,
    }


def _ours(path: Path) -> tuple[float, float]:
    ledger = SqliteLedger(path)
    with ledger.transaction() as tx:
        tx.money.put_budget(make.a_budget())
        tx.money.allocate(make.an_allocation(10**12))
    asked = [make.a_reservation(250_000, name=str(n)) for n in range(N_TASKS)]
    reserving = _timed(lambda: _reserve(ledger, asked))
    committing = _timed(lambda: _commit(ledger, asked[:N_COMMITS]))
    with ledger.snapshot() as tx:
        tx.money.verify_chain(BudgetId(ANNOTATION))
    ledger.close()
    return reserving, committing


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _reserve(ledger: Ledger, asked: list[Reserve]) -> None:
    with ledger.transaction() as tx:
        assert all(outcome.applied for outcome in tx.money.reserve(asked))


def _commit(ledger: Ledger, asked: list[Reserve]) -> None:
    for one in asked:
        with ledger.transaction() as tx:
            assert tx.money.commit(make.a_commit(one.transfer_id, 200_000)).applied


def _peer(path: Path) -> tuple[float, float]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(PEER_SCHEMA)
    ids = [str(uuid4()) for _ in range(N_TASKS)]
    reserving = _timed(lambda: _peer_reserve(connection, ids))
    committing = _timed(lambda: _peer_commit(connection, ids[:N_COMMITS]))
    connection.close()
    return reserving, committing


def _peer_reserve(connection: sqlite3.Connection, ids: list[str]) -> None:
    at = (make.NOW + timedelta(seconds=1)).isoformat()
    connection.execute("BEGIN IMMEDIATE")
    entries = [(one, 250_000, one, at) for one in ids]
    connection.executemany(
        "INSERT INTO entry (transfer, amount, task, at) VALUES (?, ?, ?, ?)", entries
    )
    connection.executemany("INSERT INTO outcome VALUES (?, 'applied')", [(one,) for one in ids])
    connection.executemany(
        "INSERT INTO reservation VALUES (?, 250000, 'open')", [(one,) for one in ids]
    )
    connection.execute(
        "UPDATE balance SET available = available - ?, reserved = reserved + ?", (1, 1)
    )
    connection.execute("COMMIT")


def _peer_commit(connection: sqlite3.Connection, ids: list[str]) -> None:
    at = make.NOW.isoformat()
    insert = "INSERT INTO entry (transfer, amount, task, at) VALUES (?, ?, ?, ?)"
    for one in ids:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT state FROM reservation WHERE id = ?", (one,)).fetchone()
        connection.execute(insert, (f"c{one}", 200_000, one, at))
        connection.execute(insert, (f"c{one}", 50_000, one, at))
        connection.execute("INSERT INTO outcome VALUES (?, 'applied')", (f"c{one}",))
        connection.execute("UPDATE reservation SET state = 'committed' WHERE id = ?", (one,))
        connection.execute("UPDATE balance SET reserved = reserved - 1, spent = spent + 1")
        connection.execute("COMMIT")

"""What the loop costs for each message: SQLite ledger, SQLite log, a handler that does nothing."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from winnow.adapters.sqlite_bus import SqliteBus
from winnow.domain.events import Event, FramesEmbedded, FramesIngested
from winnow.ports.ledger import Transaction
from winnow.runtime.relay import SHOWN_MAX
from winnow.runtime.worker import Worker
from winnow.telemetry import logs
from winnow.testing.worlds import World, blob, frames_ingested, world_in

N_BACKLOG, N_SINGLE = 1000, 200
GOAL_SECONDS = 0.003


def run() -> list[dict[str, object]]:
    """Measure a backlog, and messages that come one at a time."""
    sys.stderr.flush()
    logs.configure("json", level="warning")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backlog = _ours(folder / "a", N_BACKLOG, at_once=N_BACKLOG) / N_BACKLOG
        single = _ours(folder / "b", N_SINGLE, at_once=1) / N_SINGLE
        bare = _bare(folder / "bare.db", N_SINGLE) / N_SINGLE
    return [
        _row(f"runtime per message, backlog of {N_BACKLOG}", backlog, bare),
        _row("runtime per message, one at a time", single, bare),
    ]


def _ours(folder: Path, n_messages: int, *, at_once: int) -> float:
    world = world_in(folder, bus=lambda: SqliteBus(folder / "bus.db"))
    worker = Worker(world.service(on_event={FramesIngested: _nearly_nothing}))
    worker.step()
    seconds = 0.0
    for start in range(0, n_messages, at_once):
        shards = [frames_ingested(f"s{pos}") for pos in range(start, start + at_once)]
        world.state_facts(*shards)
        seconds += _timed(lambda: _drain(world, worker, start + at_once))  # noqa: B023 - called now
    return seconds + _timed(lambda: _mark(world, worker))


def _nearly_nothing(event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
    return [FramesEmbedded(event.shard_id, "e1", event.n_frames, (), blob())]


def _drain(world: World, worker: Worker, n_facts: int) -> None:
    """Step until every fact is out and nothing waits."""
    while worker.step():
        pass
    found = len(world.published(FramesEmbedded)) if n_facts == N_BACKLOG else n_facts
    if found != n_facts:
        msg = f"runtime: expected {n_facts} facts, found {found}"
        raise AssertionError(msg)


def _mark(world: World, worker: Worker) -> None:
    """Step until every fact is durable in the log and marked in the outbox."""
    while _backlog(world):
        worker.step()


def _backlog(world: World) -> int:
    with world.ledger.snapshot() as view:
        return view.boxes.backlog()


def _bare(path: Path, n_messages: int) -> float:
    """Do the least that the promises need: a durable commit each, and one for many's marks."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    for name in ("inbox", "outbox", "log", "offsets"):
        connection.execute(f"CREATE TABLE {name} (id TEXT PRIMARY KEY, value BLOB)")

    def write(tables: Sequence[str], pos: int, *, durable: bool) -> None:
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        for table in tables:
            connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (f"{pos}", b"x" * 300))
        connection.execute("COMMIT")

    started = time.perf_counter()
    for pos in range(n_messages):
        write(("inbox", "outbox"), pos, durable=True)
        write(("log",), pos, durable=False)
        write(("offsets",), pos, durable=False)
        if pos % SHOWN_MAX == 0:
            write(("offsets",), -1 - pos, durable=True)
    return time.perf_counter() - started


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(name: str, seconds: float, bare: float) -> dict[str, object]:
    return {
        "name": name,
        "ours_seconds": seconds,
        "peer": "bare sqlite3 with the same commits",
        "peer_seconds": bare,
        "ratio": bare / seconds,
        "goal": f"ours < {GOAL_SECONDS * 1000:g} ms",
        "holds": seconds < GOAL_SECONDS,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cores": os.cpu_count(),
    }

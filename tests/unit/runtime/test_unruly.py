"""Lost acknowledgements, doubled and shuffled messages, a full disk: the end is the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from winnow.adapters.sqlite_bus import SqliteBus
from winnow.domain.errors import Retryable
from winnow.domain.events import Event, FramesEmbedded, FramesIngested
from winnow.domain.tables import EMBEDDED_SHARDS, EmbeddedShardRow
from winnow.ports.bus import Message
from winnow.ports.ledger import Ledger, Transaction
from winnow.runtime.worker import Worker
from winnow.testing.faults import UnrulyBus
from winnow.testing.harness import drive
from winnow.testing.memory_bus import MemoryBus
from winnow.testing.worlds import World, blob, frames_ingested, world_in

N_SHARDS = 15


def _embed(event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
    tx.records.insert(EMBEDDED_SHARDS, EmbeddedShardRow(event.shard_id, "e1", 1, (), blob()))
    return [FramesEmbedded(event.shard_id, "e1", 1, (), blob())]


@pytest.mark.parametrize("seed", range(3))
def test_an_unruly_bus_changes_nothing_in_the_end(tmp_path: Path, seed: int) -> None:
    rng = np.random.Generator(np.random.Philox(key=seed))
    inner = MemoryBus()
    unruly = UnrulyBus(inner, rng=rng, loss=0.3, duplication=0.3, reordering=0.5)
    world = world_in(tmp_path, bus=lambda: inner)
    world.state_facts(*[frames_ingested(f"s{pos}") for pos in range(N_SHARDS)])
    world.bus.publish([one.message for one in world.bus.read("winnow.frames.ingested.v1")])
    n_received: list[str] = []

    def receive(event: FramesEmbedded, /, *, tx: Transaction) -> Sequence[Event]:
        n_received.append(event.shard_id)
        return []

    workers = [
        Worker(world.service(on_event={FramesIngested: _embed}, bus=unruly)),
        Worker(world.service(name="rounds", on_event={FramesEmbedded: receive}, bus=unruly)),
    ]
    drive(workers, world.clock, until=lambda: len(n_received) == N_SHARDS, steps_max=500)
    drive(workers, world.clock, until=lambda: not _backlog(world.ledger), steps_max=500)
    assert sorted(n_received) == sorted(f"s{pos}" for pos in range(N_SHARDS))


def _backlog(ledger: Ledger) -> int:
    with ledger.snapshot() as view:
        return view.boxes.backlog()


def test_a_full_disk_keeps_the_fact_in_the_outbox_until_there_is_room(tmp_path: Path) -> None:
    bus = SqliteBus(tmp_path / "bus.db")
    world = world_in(tmp_path, bus=lambda: bus)
    world.state_facts(frames_ingested("s0"))
    worker = Worker(world.service(on_event={FramesIngested: _embed}))
    _limit_pages(bus, full=True)
    worker.step()
    world.clock.advance(seconds=60)
    worker.step()
    assert _facts(world) == 0
    assert _backlog(world.ledger) == 1
    _limit_pages(bus, full=False)
    drive([worker], world.clock, until=lambda: not _backlog(world.ledger), steps_max=100)
    assert _facts(world) == 1


def _limit_pages(bus: SqliteBus, *, full: bool) -> None:
    """Make the file as large as it may be, and fill what is left; or lift the limit."""
    connection = bus._connection
    if not full:
        connection.execute("PRAGMA max_page_count = 1000000")
        return
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    for size in (4000, 400, 40, 1):
        with pytest.raises(Retryable, match="full"):
            _fill(bus, size)


def _fill(bus: SqliteBus, size: int) -> None:
    for _ in range(10_000):
        bus.publish([Message("winnow.frames.embedded.v1", "s0", {}, b"x" * size)])


def _facts(world: World) -> int:
    found = world.bus.read("winnow.frames.embedded.v1")
    return sum("ce_id" in one.message.headers for one in found)


def test_a_log_that_cannot_be_opened_is_retryable_and_named(tmp_path: Path) -> None:
    (tmp_path / "bus.db").mkdir()
    with pytest.raises(Retryable, match=r"bus\.db"):
        SqliteBus(tmp_path / "bus.db")

"""What `winnow up --until-idle` still waits for, and what it leaves to people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_bus import SqliteBus
from winnow.cli.idle import Watch
from winnow.domain.errors import BadInput
from winnow.domain.events import FramesIngested, RoundOpened
from winnow.domain.ids import CommitteeVersion, RoundId
from winnow.domain.labeling_rows import QaBatchRow
from winnow.domain.tables import (
    BATCHES,
    POOL_SHARDS,
    QA_BATCHES,
    ROUNDS,
    SHARDS,
    BatchRow,
    EmbeddedShardRow,
    RoundRow,
    ShardRow,
)
from winnow.ports.ledger import Transaction
from winnow.runtime.worker import Worker
from winnow.testing.harness import settle
from winnow.testing.worlds import PREFIX, World, blob, world_in


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_in(tmp_path, bus=lambda: SqliteBus(tmp_path / "bus.db"))


def _watch(world: World, *services: str) -> Watch:
    assert isinstance(world.bus, SqliteBus)
    return Watch(world.ledger, world.bus, FileBlobs(world.state / "blobs"), services)


def _round(number: int = 0, state: str = "requested", **changes: object) -> RoundRow:
    row = RoundRow(f"r{number}", number, state, blob(), "", 1, "", None, None, 0, "mia")
    return replace(row, **changes)  # type: ignore[arg-type]


def _given(world: World, *rounds: RoundRow) -> None:
    with world.ledger.transaction() as tx:
        for row in rounds:
            tx.records.insert(ROUNDS, row)


def _later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_round_that_lacks_money_is_left_to_people_once_that_was_found_anew(world: World) -> None:
    reason = "waits for money: x has 0 GPU-ms, needs 5"
    _given(world, _round(due_at=_later(20), reason=reason))
    watch = _watch(world)
    assert watch.look() == ({"rounds": 1}, [])
    with world.ledger.transaction() as tx:
        tx.records.update(ROUNDS, "r0", lambda row: replace(row, due_at=_later(30)))
    pending, [wait] = watch.look()
    assert pending == {}
    assert "needs 5\n    winnow budget allocate auto_label_inference" in str(wait)


def test_a_round_without_a_budget_names_the_amount_it_needs(world: World) -> None:
    watch = _watch(world)
    reason = "waits for a budget: winnow budget allocate auto_label_inference 6080ms"
    _given(world, _round(due_at=_later(30), reason=reason))
    [wait] = watch.look()[1]
    assert wait.why == "waits for a budget"
    assert wait.command == "winnow budget allocate auto_label_inference 6080ms"


def test_a_round_that_is_being_opened_is_waited_for(world: World) -> None:
    _given(world, _round(reason="waits for 1 of 1 shards to be embedded"))
    _given_shard(world, embedded=True)
    assert _watch(world).look() == ({"rounds": 1}, [])


def test_a_shard_that_nothing_embeds_any_more_is_left_to_people(world: World) -> None:
    _given(world, _round(reason="waits for 1 of 1 shards to be embedded"))
    _given_shard(world, embedded=False)
    pending, [wait] = _watch(world).look()
    assert (pending, wait.command) == ({}, "winnow dlq list")


def _given_shard(world: World, *, embedded: bool) -> None:
    with world.ledger.transaction() as tx:
        tx.records.insert(SHARDS, ShardRow("s0", "digits", 1, blob()))
        if embedded:
            tx.records.insert(POOL_SHARDS, EmbeddedShardRow("s0", "e1", 1, (), blob()))


def test_a_proposed_batch_is_left_to_a_reviewer_and_the_rounds_behind_it_too(world: World) -> None:
    _given(
        world,
        _round(0, "open"),
        _round(1, reason="waits for r0: at most 1 overlap"),
    )
    watch = _watch(world)
    assert watch.look()[0] == {"rounds": 1}
    with world.ledger.transaction() as tx:
        tx.records.insert(BATCHES, BatchRow("r0-batch", "r0", "proposed", 1, 1, blob(), 1))
    pending, [batch, behind] = watch.look()
    assert pending == {}
    assert batch.command == "winnow batch approve r0-batch"
    assert behind.command == ""


@pytest.mark.parametrize(("reason", "command"), [("", ""), ("defects", "label_qa AMOUNT")])
def test_labels_wait_for_a_steward_only_if_no_standing_order_takes_them(
    world: World, reason: str, command: str
) -> None:
    policy = FileBlobs(world.state / "blobs").put(
        b"name: automatic\n", prefix="policies/", media_type="application/json"
    )
    _given(world, _round(0, "open", policy=policy))
    qa = QaBatchRow("r0-batch", "r0", "collecting", blob(), 1, stage="steward", reason=reason)
    with world.ledger.transaction() as tx:
        tx.records.insert(QA_BATCHES, qa)
    _, waits = _watch(world).look()
    assert [command in wait.command for wait in waits] == [True] * bool(command)


def test_a_round_whose_message_is_dead_is_left_to_people(world: World) -> None:
    _given(world, _round(0, "open"))
    opened = RoundOpened(RoundId("r0"), CommitteeVersion(""), 1, blob(), "0" * 64, 1, (), blob())
    world.state_facts(opened, producer="rounds")

    def refuse(event: RoundOpened, /, *, tx: Transaction) -> list[FramesIngested]:
        msg = "snapshot: expected Parquet, found text"
        raise BadInput(msg)

    settle([Worker(world.service(name="scoring", on_event={RoundOpened: refuse}))])
    pending, [wait] = _watch(world).look()
    assert (pending, wait.command) == ({}, "winnow dlq list")


def test_nothing_is_left_to_people_before_all_services_are_up(world: World) -> None:
    _given(world, _round(0, "open"))
    with world.ledger.transaction() as tx:
        tx.records.insert(BATCHES, BatchRow("r0-batch", "r0", "proposed", 1, 1, blob(), 1))
    watch = _watch(world, "embedding")
    world.bus.ensure_topics([f"{PREFIX}frames.ingested.v1"])
    assert watch.look()[0] == {"rounds": 1}
    worker = Worker(world.service(on_event={FramesIngested: lambda event, *, tx: []}))
    worker.step()
    assert watch.look()[0] == {}

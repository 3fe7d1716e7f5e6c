"""Stories of the way out: given facts in the outbox and this trouble, then this log and marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from winnow.adapters.sqlite_bus import SqliteBus
from winnow.domain.errors import Retryable
from winnow.domain.events import FramesEmbedded
from winnow.ports.bus import Message
from winnow.runtime.relay import SHOWN_MAX, Relay
from winnow.runtime.stating import state_facts
from winnow.testing.worlds import PREFIX, World, blob, world_in

TOPIC = f"{PREFIX}{FramesEmbedded.type}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = world_in(tmp_path, bus=lambda: SqliteBus(tmp_path / "bus.db"))
    made.bus.ensure_topics([TOPIC])
    return made


def _given_facts(world: World, *shards: str) -> None:
    facts = [FramesEmbedded(shard, "e1", 1, (), blob()) for shard in shards]  # type: ignore[arg-type]
    with world.ledger.transaction() as tx:
        state_facts(tx, facts, service="embedding", at=world.clock.now(), topic_prefix=PREFIX)


def _relay(world: World, bus: SqliteBus | None = None) -> Relay:
    return Relay(world.ledger, bus or world.bus, ["embedding"])


def _shards(world: World) -> list[str]:
    return sorted(one.data.shard_id for one in world.published(FramesEmbedded))  # type: ignore[union-attr]


def test_a_fact_is_shown_at_once_and_marked_when_none_followed_for_two_steps(world: World) -> None:
    relay = _relay(world)
    _given_facts(world, "s0")
    assert relay.step()
    assert (_shards(world), relay.backlog()) == (["s0"], {"embedding": 1})
    assert not relay.step()
    assert relay.backlog() == {"embedding": 1}
    assert not relay.step()
    assert (_shards(world), relay.backlog()) == (["s0"], {"embedding": 0})


def test_facts_that_keep_coming_are_each_shown_once_and_marked_many_at_a_time(
    world: World,
) -> None:
    relay = _relay(world)
    names = [f"s{pos:03}" for pos in range(SHOWN_MAX + 1)]
    for name in names:
        _given_facts(world, name)
        assert relay.step()
    assert _shards(world) == names
    assert relay.backlog() == {"embedding": 1}


def test_what_a_power_cut_takes_from_the_log_is_published_again(
    world: World, tmp_path: Path
) -> None:
    _given_facts(world, "s0")
    _relay(world).step()
    cut = SqliteBus(tmp_path / "after the cut" / "bus.db")
    cut.ensure_topics([TOPIC])
    relay = _relay(world, cut)
    assert relay.step()
    relay.settle()
    assert len(cut.read(TOPIC)) == 1
    assert relay.backlog() == {"embedding": 0}


def test_after_a_kill_before_the_mark_a_fact_comes_twice_with_one_id(world: World) -> None:
    _given_facts(world, "s0")
    _relay(world).step()
    _relay(world).step()
    assert _shards(world) == ["s0", "s0"]
    assert len({one.event_id for one in world.published(FramesEmbedded)}) == 1


class _NeverSettling(SqliteBus):
    """A log whose disk does not answer."""

    def settle(self) -> None:
        msg = "message log: expected to write, found: disk full"
        raise Retryable(msg)


def test_no_fact_is_marked_before_the_log_says_it_is_durable(world: World, tmp_path: Path) -> None:
    relay = _relay(world, _NeverSettling(tmp_path / "bus.db"))
    _given_facts(world, "s0")
    relay.step()
    with pytest.raises(Retryable):
        relay.settle()
    assert relay.backlog() == {"embedding": 1}
    assert not relay.step()
    assert _shards(world) == ["s0"]


class _Syncs(SqliteBus):
    """Tells how each commit waits for the disk: 1 NORMAL, 2 FULL."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.levels: list[int] = []

    def _append_all(self, messages: Sequence[Message]) -> None:
        self.levels += self._connection.execute("PRAGMA synchronous").fetchone()
        super()._append_all(messages)


def test_only_deferred_messages_do_not_wait_for_the_disk(tmp_path: Path) -> None:
    bus = _Syncs(tmp_path / "bus.db")
    bus.ensure_topics([TOPIC])
    message = Message(TOPIC, "s0", {}, b"")
    bus.publish([message])
    bus.publish_deferred([message])
    bus.settle()
    bus.publish([message])
    assert bus.levels == [2, 1, 2]
    assert len(bus.read(TOPIC)) == 3

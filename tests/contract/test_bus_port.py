"""What every message log must do, told once and run against each adapter."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from winnow.adapters.sqlite_bus import SqliteBus
from winnow.domain.errors import MessageTooLarge
from winnow.ports.bus import VALUE_BYTES_MAX, Bus, Consumer, Delivery, Message
from winnow.testing.memory_bus import MemoryBus

PATIENCE_SECONDS = 20.0


@dataclass
class World:
    """A bus, a second connection to the same log, and a way to kill a consumer."""

    bus: Bus
    other: Bus
    kill: Callable[[Consumer], None]
    pass_time: Callable[[], None]
    """Let members hear of each other without waiting, where the adapter's clock can be turned."""
    topic: str
    group: str = "g"
    settled: Callable[[Consumer, Consumer], bool] = lambda one, two: True


def _memory(tmp_path: Path) -> World:
    bus = MemoryBus()
    return World(bus, bus, bus.vanish, lambda: None, "winnow.test.v1")  # type: ignore[arg-type]


def _sqlite(tmp_path: Path) -> World:
    late = 0.0

    def now() -> float:
        return time.time() + late

    def advance(seconds: float) -> None:
        nonlocal late
        late += seconds

    path = tmp_path / "bus.db"
    return World(
        SqliteBus(path, now=now),
        SqliteBus(path, now=now),
        lambda consumer: advance(60.0),
        lambda: advance(2.0),
        "winnow.test.v1",
    )


def _kafka(tmp_path: Path) -> World:
    from winnow.adapters.kafka_bus import KafkaBus
    from winnow.adapters.kafka_settings import KafkaSettings

    where = os.environ.get("WINNOW_TEST_KAFKA", "")
    if not where:
        pytest.skip("WINNOW_TEST_KAFKA names no broker")
    run = uuid.uuid4().hex[:8]
    one, two = (
        KafkaBus(KafkaSettings(where, instance=f"{run}-{name}"), session_timeout_seconds=6.0)
        for name in ("one", "two")
    )
    return World(one, two, _silence, lambda: None, f"winnow.test.{run}", run, _both_assigned)


def _both_assigned(*consumers: Consumer) -> bool:
    return all(one._consumer.assignment() for one in consumers)  # type: ignore[attr-defined]


def _silence(consumer: Consumer) -> None:
    """Cut a member's connections without a goodbye: to the broker this is a killed process."""
    consumer._consumer._client.close()  # type: ignore[attr-defined]


@pytest.fixture(params=["memory", "sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = {"memory": _memory, "sqlite": _sqlite, "kafka": _kafka}[request.param](tmp_path)
    made.bus.ensure_topics([made.topic])
    yield made
    made.bus.close()
    made.other.close()


def _message(world: World, key: str, value: bytes = b"fact", **headers: bytes) -> Message:
    return Message(world.topic, key, headers, value)


def _drain(consumer: Consumer, n: int) -> list[Delivery]:
    """Poll until n deliveries came; one more poll must bring nothing."""
    found: list[Delivery] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < n and time.monotonic() < deadline:
        found += consumer.poll(0.1)
    found += consumer.poll(0.1)
    assert len(found) == n
    return found


def _values(deliveries: Sequence[Delivery]) -> list[bytes]:
    return sorted(delivery.message.value for delivery in deliveries)


def test_a_message_comes_back_whole(world: World) -> None:
    message = _message(world, "k", bytes(range(256)), ce_id=b"1", raw=b"\xff\x00")
    world.bus.publish([message])
    [delivery] = _drain(world.bus.subscribe(world.group, [world.topic]), 1)
    assert delivery.message == message


def test_order_is_kept_within_a_key(world: World) -> None:
    sent = [_message(world, f"key{pos % 5}", f"{pos:03}".encode()) for pos in range(100)]
    world.bus.publish(sent[:50])
    world.bus.publish(sent[50:])
    found = _drain(world.bus.subscribe(world.group, [world.topic]), 100)
    for key in {message.key for message in sent}:
        values = [d.message.value for d in found if d.message.key == key]
        assert values == sorted(values)


def test_a_late_group_starts_at_the_earliest(world: World) -> None:
    world.bus.publish([_message(world, "a"), _message(world, "b")])
    _drain(world.bus.subscribe(world.group, [world.topic]), 2)
    _drain(world.other.subscribe(f"{world.group}-late", [world.topic]), 2)


def test_what_was_acknowledged_does_not_come_again(world: World) -> None:
    world.bus.publish([_message(world, "k", b"1"), _message(world, "k", b"2")])
    consumer = world.bus.subscribe(world.group, [world.topic])
    first, _ = _drain(consumer, 2)
    consumer.ack(first)
    consumer.close()
    assert _values(_drain(world.other.subscribe(world.group, [world.topic]), 1)) == [b"2"]


def test_rewind_brings_a_delivery_and_what_followed_it_again(world: World) -> None:
    world.bus.publish([_message(world, "k", str(pos).encode()) for pos in range(4)])
    consumer = world.bus.subscribe(world.group, [world.topic])
    found = _drain(consumer, 4)
    consumer.rewind(found[1])
    assert [d.message.value for d in _drain(consumer, 3)] == [b"1", b"2", b"3"]


def test_members_of_a_group_share_the_work_and_a_leaver_hands_over(world: World) -> None:
    one = world.bus.subscribe(world.group, [world.topic])
    two = world.other.subscribe(world.group, [world.topic])
    _settle(world, one, two)
    world.bus.publish([_message(world, f"k{pos}", b"early") for pos in range(40)])
    mine, theirs = _drain_both(one, two, 40)
    assert mine
    assert theirs
    one.close()
    _drain(two, len(mine))


def test_a_killed_member_is_taken_over(world: World) -> None:
    one = world.bus.subscribe(world.group, [world.topic])
    world.bus.publish([_message(world, f"k{pos}") for pos in range(20)])
    _drain(one, 20)
    two = world.other.subscribe(world.group, [world.topic])
    world.kill(one)
    _drain(two, 20)


def test_lag_counts_what_is_not_acknowledged(world: World) -> None:
    world.bus.publish([_message(world, "k", b"1"), _message(world, "k", b"2")])
    consumer = world.bus.subscribe(world.group, [world.topic])
    first, second = _drain(consumer, 2)
    assert consumer.lag() == {world.topic: 2}
    consumer.ack(first)
    assert consumer.lag() == {world.topic: 1}
    consumer.ack(second)
    assert consumer.lag() == {world.topic: 0}


def test_reading_a_topic_disturbs_no_group(world: World) -> None:
    world.bus.publish([_message(world, f"k{pos}") for pos in range(5)])
    assert len(world.other.read(world.topic)) == 5
    assert len(world.other.read(world.topic, limit=2)) == 2
    _drain(world.bus.subscribe(world.group, [world.topic]), 5)


def test_ensuring_topics_twice_is_harmless(world: World) -> None:
    world.bus.publish([_message(world, "k")])
    world.other.ensure_topics([world.topic])
    _drain(world.bus.subscribe(world.group, [world.topic]), 1)


def test_16_kib_go_through_and_17_do_not(world: World) -> None:
    world.bus.publish([_message(world, "k", b"x" * VALUE_BYTES_MAX)])
    _drain(world.bus.subscribe(world.group, [world.topic]), 1)
    with pytest.raises(MessageTooLarge, match="at most 16384 bytes of value, found 17408"):
        _message(world, "k", b"x" * 17 * 1024)


def _settle(world: World, one: Consumer, two: Consumer) -> None:
    """Let both learn of each other before work comes: until each has partitions."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    n_turns = 0
    while n_turns < 3 or (time.monotonic() < deadline and not world.settled(one, two)):
        world.pass_time()
        one.poll(0.0)
        two.poll(0.0)
        n_turns += 1


def _drain_both(one: Consumer, two: Consumer, n: int) -> tuple[list[Delivery], list[Delivery]]:
    mine: list[Delivery] = []
    theirs: list[Delivery] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(mine) + len(theirs) < n and time.monotonic() < deadline:
        mine += one.poll(0.05)
        theirs += two.poll(0.05)
    assert len(mine) + len(theirs) == n
    return mine, theirs

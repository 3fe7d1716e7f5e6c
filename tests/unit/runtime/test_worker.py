"""Stories of the loop: given these messages and this trouble, then these facts and this ledger."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from winnow.contracts.mapping import from_message
from winnow.domain.errors import BadInput, BudgetExceeded, Retryable
from winnow.domain.events import Event, FramesEmbedded, FramesIngested
from winnow.domain.tables import COMMANDS, EMBEDDED_SHARDS, CommandRow, EmbeddedShardRow
from winnow.ports.bus import OVERSIZE_HEADER, Message, received
from winnow.ports.ledger import Transaction
from winnow.runtime.dead_letters import replayable
from winnow.runtime.failures import Abandoned
from winnow.runtime.service import Tick
from winnow.runtime.worker import Worker
from winnow.telemetry.trace import trace_id_of
from winnow.testing.faults import Crash, CrashingBus, CrashingLedger, CrashPlan
from winnow.testing.harness import drive, settle
from winnow.testing.worlds import PREFIX, World, blob, frames_ingested, world_in


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_in(tmp_path)


class Embed:
    """Registers the shard and says so; raises what it was told to, once each."""

    def __init__(self, *troubles: BaseException, only: str = "") -> None:
        self.troubles = list(troubles)
        self.only = only
        self.n_calls = 0

    def __call__(self, event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
        self.n_calls += 1
        row = EmbeddedShardRow(event.shard_id, "e1", event.n_frames, (), blob())
        tx.records.insert(EMBEDDED_SHARDS, row)
        if self.troubles and self.only in event.shard_id:
            raise self.troubles.pop(0)
        return [FramesEmbedded(event.shard_id, "e1", event.n_frames, (), blob())]


def _worker(world: World, handler: Embed, **settings: object) -> Worker:
    return Worker(world.service(on_event={FramesIngested: handler}, settings=settings))


def _rows(world: World) -> list[str]:
    with world.ledger.snapshot() as view:
        return [row.key for row in view.records.find(EMBEDDED_SHARDS)]


def _shards(world: World) -> list[str]:
    return [one.data.shard_id for one in world.published(FramesEmbedded)]  # type: ignore[union-attr]


def test_a_message_becomes_a_row_and_a_fact(world: World) -> None:
    world.state_facts(frames_ingested("s0"))
    worker = _worker(world, Embed())
    assert worker.step()
    assert not worker.step()
    assert _rows(world) == ["s0"]
    assert _shards(world) == ["s0"]
    assert worker.consumer is not None
    assert worker.consumer.lag() == {"winnow.frames.ingested.v1": 0}


def test_a_fact_names_its_cause_and_stays_in_its_trace(world: World) -> None:
    world.state_facts(frames_ingested("s0"))
    settle([_worker(world, Embed())])
    [cause], [effect] = world.published(FramesIngested), world.published(FramesEmbedded)
    assert effect.causation_id == str(cause.event_id)
    assert effect.source == "embedding"
    assert trace_id_of(effect.traceparent) == trace_id_of(cause.traceparent) != ""
    assert effect.traceparent != cause.traceparent


def test_a_message_that_comes_twice_is_handled_once(world: World) -> None:
    world.state_facts(frames_ingested("s0"))
    world.state_facts(frames_ingested("s0"))
    handler = Embed()
    settle([_worker(world, handler)])
    assert handler.n_calls == 1
    assert _shards(world) == ["s0"]


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_crash_at_any_write_changes_nothing_in_the_end(
    tmp_path: Path, after_effect: bool
) -> None:
    calm = _run_with_crash(tmp_path / "calm", CrashPlan())
    assert calm.n_writes >= 4
    for at in range(1, calm.n_writes + 1):
        plan = CrashPlan(at=at, after_effect=after_effect)
        _run_with_crash(tmp_path / f"{at}", plan)
        assert plan.where


def _run_with_crash(folder: Path, plan: CrashPlan) -> CrashPlan:
    world = world_in(folder)
    world.state_facts(frames_ingested("s0"), frames_ingested("s1"))
    broken = world.service(
        on_event={FramesIngested: Embed()},
        ledger=CrashingLedger(world.ledger, plan),
        bus=CrashingBus(world.bus, plan),
    )
    worker = Worker(broken)
    with contextlib.suppress(Crash):
        settle([worker])
    worker.close()
    settle([_worker(world, Embed())])
    assert _rows(world) == ["s0", "s1"]
    assert {str(one.event_id) for one in world.published(FramesEmbedded)} == _calm_ids(world)
    return plan


def _calm_ids(world: World) -> set[str]:
    """Ids are derived: whoever states these facts, and however often, states these ids."""
    causes = [str(one.event_id) for one in world.published(FramesIngested)]
    found = {str(one.event_id): one.causation_id for one in world.published(FramesEmbedded)}
    assert sorted(found.values()) == sorted(causes)
    return set(found)


def test_a_poison_message_ends_as_a_dead_letter_and_holds_up_nobody(world: World) -> None:
    world.state_facts(frames_ingested("s0"), frames_ingested("s1"))
    poison = Embed(*[ValueError("boom") for _ in range(3)], only="s0")
    worker = _worker(world, poison, attempts_max=3)
    for _ in range(10):
        settle([worker])
        world.clock.advance(seconds=60)
    [letter] = world.dead_letters(FramesIngested)
    assert (letter.error, letter.reason, letter.attempts) == ("ValueError", "boom", 3)
    assert letter.consumer == "embedding"
    assert letter.topic == "winnow.frames.ingested.v1"
    assert len(_shards(world)) == 1


def test_a_retryable_failure_is_tried_again_after_a_pause(world: World) -> None:
    world.state_facts(frames_ingested("s0"))
    handler = Embed(Retryable("store away"))
    worker = _worker(world, handler)
    settle([worker])
    assert handler.n_calls == 1
    assert _rows(world) == []
    settle([worker])
    assert handler.n_calls == 1
    world.clock.advance(seconds=1)
    settle([worker])
    assert handler.n_calls == 2
    assert _shards(world) == ["s0"]


def test_a_partition_that_pauses_holds_up_only_itself(world: World) -> None:
    shards = [f"s{pos}" for pos in range(12)]
    world.state_facts(*[frames_ingested(shard) for shard in shards])
    worker = _worker(world, Embed(Retryable("store away")))
    settle([worker])
    early = _shards(world)
    assert 0 < len(early) < 12
    world.clock.advance(seconds=1)
    settle([worker])
    assert sorted(_shards(world)) == sorted(shards)


def test_a_refusal_is_dead_lettered_at_once_with_its_reason(world: World) -> None:
    world.state_facts(frames_ingested("s0"))
    handler = Embed(BudgetExceeded("budget upload: expected 5 available, found 3"))
    settle([_worker(world, handler)])
    [letter] = world.dead_letters(FramesIngested)
    assert handler.n_calls == 1
    assert letter.error == "BudgetExceeded"
    assert "expected 5 available" in letter.reason
    assert _rows(world) == []


def test_a_replayed_dead_letter_is_handled(world: World) -> None:
    world.state_facts(frames_ingested("s0"))
    worker = _worker(world, Embed(BadInput("not yet")))
    settle([worker])
    [letter] = world.dead_letters(FramesIngested)
    [original] = world.bus.read("winnow.frames.ingested.v1")
    assert replayable(letter) == original.message
    world.bus.publish([replayable(letter)])
    settle([worker])
    assert _shards(world) == ["s0"]


def test_an_unknown_enum_goes_to_the_dead_letters_with_its_reason(world: World) -> None:
    from winnow.contracts.generated.winnow.events.v1 import events_pb2
    from winnow.domain.events import TaskClosed

    proto = events_pb2.TaskClosed()
    proto.task_id = "t1"
    world.state_facts(frames_ingested("s0"))
    [good] = world.bus.read("winnow.frames.ingested.v1")
    topic = f"{PREFIX}{TaskClosed.type}"
    headers = {**good.message.headers, "ce_type": TaskClosed.type.encode()}
    world.bus.ensure_topics([topic])
    world.bus.publish([Message(topic, "t1", headers, proto.SerializeToString())])
    settle([Worker(world.service(name="qa", on_event={TaskClosed: lambda event, *, tx: []}))])
    [letter] = world.dead_letters(TaskClosed)
    assert letter.error == "SchemaMismatch"
    assert letter.message.value == proto.SerializeToString()


def test_bytes_that_are_no_event_go_to_the_dead_letters(world: World) -> None:
    topic = f"{PREFIX}{FramesIngested.type}"
    world.bus.ensure_topics([topic])
    world.bus.publish([Message(topic, "k", {}, b"\xff\xff")])
    settle([_worker(world, Embed())])
    [letter] = world.dead_letters(FramesIngested)
    assert letter.error == "SchemaMismatch"
    assert letter.event_id.startswith(topic)


def test_a_foreign_17_kib_message_is_set_aside_and_named(world: World) -> None:
    topic = f"{PREFIX}{FramesIngested.type}"
    world.bus.ensure_topics([topic])
    message = received(topic, "k", {"ce_id": b"big"}, b"x" * 17 * 1024)
    assert message.headers[OVERSIZE_HEADER] == b"17408"
    world.bus.publish([message])
    settle([_worker(world, Embed())])
    [letter] = world.dead_letters(FramesIngested)
    assert letter.error == "MessageTooLarge"
    assert "found 17408" in letter.reason
    with pytest.raises(BadInput, match="offset 0"):
        replayable(letter)


def test_facts_leave_in_the_order_of_the_outbox(world: World) -> None:
    world.state_facts(frames_ingested("s0"))

    def three(event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
        return [FramesEmbedded(event.shard_id, f"e{pos}", 1, (), blob()) for pos in range(3)]

    settle([Worker(world.service(on_event={FramesIngested: three}))])
    versions = [one.data.encoder_version for one in world.published(FramesEmbedded)]  # type: ignore[union-attr]
    assert versions == ["e0", "e1", "e2"]


def test_a_tick_comes_no_more_often_than_asked_and_equal_facts_are_one(world: World) -> None:
    n_ticks = 0

    def tick(*, tx: Transaction) -> Sequence[Event]:
        nonlocal n_ticks
        n_ticks += 1
        return [FramesEmbedded(frames_ingested().shard_id, "e1", 1, (), blob())]

    worker = Worker(world.service(on_tick=[Tick("due", 10.0, tick)]))
    for _ in range(20):
        worker.step()
        world.clock.advance(seconds=1)
    assert n_ticks == 2
    assert len({one.event_id for one in world.published(FramesEmbedded)}) == 1


def test_a_failing_tick_is_waited_for_and_a_bug_ends_the_process(world: World) -> None:
    troubles: list[Exception] = [Retryable("away")] * 20 + [ValueError("bug")] * 3

    def tick(*, tx: Transaction) -> Sequence[Event]:
        raise troubles.pop(0)

    worker = Worker(world.service(on_tick=[Tick("due", 1.0, tick)], settings={"attempts_max": 3}))
    with pytest.raises(ValueError, match="bug"):
        drive([worker], world.clock, until=lambda: False, idle_seconds=40)
    assert troubles == []


def _command(world: World, key: str, name: str = "shard.forget") -> None:
    row = CommandRow(key, "embedding", name, "{}", "ada", "operator", "pending")
    with world.ledger.transaction() as tx:
        tx.records.insert(COMMANDS, row)


def _answer(world: World, key: str) -> tuple[str, dict[str, object]]:
    with world.ledger.snapshot() as view:
        row = view.records.get(COMMANDS, key)
    assert row is not None
    return row.state, json.loads(row.answer)


def test_a_command_is_carried_out_once_and_answered(world: World) -> None:
    seen: list[str] = []

    def forget(
        command: CommandRow, *, tx: Transaction
    ) -> tuple[Sequence[Event], dict[str, object]]:
        seen.append(command.key)
        return [FramesEmbedded(frames_ingested().shard_id, "e1", 1, (), blob())], {"n": 1}

    _command(world, "c1")
    workers = [Worker(world.service(on_command={"shard.forget": forget})) for _ in range(2)]
    settle(workers)
    assert seen == ["c1"]
    assert _answer(world, "c1") == ("done", {"n": 1})
    assert len(world.published(FramesEmbedded)) == 1


def test_two_replicas_that_read_the_same_command_carry_it_out_once(world: World) -> None:
    _command(world, "c1")
    n_effects = 0

    def forget(
        command: CommandRow, *, tx: Transaction
    ) -> tuple[Sequence[Event], dict[str, object]]:
        nonlocal n_effects
        if n_effects == 0 and threading.current_thread() is threading.main_thread():
            n_effects += 1
            settle([other])
        tx.records.find(EMBEDDED_SHARDS)
        return [], {"n": 1}

    other = Worker(world.service(on_command={"shard.forget": forget}))
    settle([Worker(world.service(on_command={"shard.forget": forget}))])
    assert _answer(world, "c1") == ("done", {"n": 1})


def test_a_refused_command_tells_why_and_leaves_nothing(world: World) -> None:
    def forget(
        command: CommandRow, *, tx: Transaction
    ) -> tuple[Sequence[Event], dict[str, object]]:
        tx.records.insert(EMBEDDED_SHARDS, EmbeddedShardRow("s9", "e1", 1, (), blob()))
        raise BudgetExceeded("too dear")

    _command(world, "c1")
    _command(world, "c2", name="shard.unheard_of")
    settle([Worker(world.service(on_command={"shard.forget": forget}))])
    refusal = {"error": "BudgetExceeded", "reason": "too dear", "at": world.clock.now().isoformat()}
    assert _answer(world, "c1") == ("refused", refusal)
    state, answer = _answer(world, "c2")
    assert state == "refused"
    assert "expected one of shard.forget" in str(answer["reason"])
    assert _rows(world) == []


def test_a_command_that_hits_a_bug_is_answered_in_the_end(world: World) -> None:
    def forget(
        command: CommandRow, *, tx: Transaction
    ) -> tuple[Sequence[Event], dict[str, object]]:
        raise ZeroDivisionError("bug")

    _command(world, "c1")
    worker = Worker(
        world.service(on_command={"shard.forget": forget}, settings={"attempts_max": 2})
    )
    for _ in range(4):
        worker.step()
        world.clock.advance(seconds=60)
    assert _answer(world, "c1")[0] == "refused"


def test_stop_lets_the_message_in_hand_finish(world: World) -> None:
    world.state_facts(frames_ingested("s0"), frames_ingested("s0b"))
    stop = threading.Event()

    class StopInTheMiddle(Embed):
        def __call__(self, event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
            events = super().__call__(event, tx=tx)
            stop.set()
            return events

    _worker(world, StopInTheMiddle()).run(stop)
    assert len(_rows(world)) == 1
    settle([_worker(world, Embed())])
    assert sorted(_rows(world)) == ["s0", "s0b"]


def test_work_that_outlasts_the_stop_is_rolled_back(world: World) -> None:
    world.state_facts(frames_ingested("s0"))
    stop, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    class TooSlow(Embed):
        def __call__(self, event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
            events = super().__call__(event, tx=tx)
            stop.set()
            let_go.wait(10)
            ended.set()
            return events

    with pytest.raises(Abandoned):
        _worker(world, TooSlow(), drain_timeout_seconds=0.1).run(stop)
    let_go.set()
    assert ended.wait(10)
    settle([_worker(world, Embed())])
    assert _rows(world) == ["s0"]
    assert _shards(world) == ["s0"]


def test_work_in_hand_outlasts_a_bus_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.state_facts(frames_ingested("s0"))
    stop, asked = threading.Event(), threading.Event()

    class Long(Embed):
        def __call__(self, event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
            assert asked.wait(60), "nobody kept the membership alive"
            stop.set()
            return super().__call__(event, tx=tx)

    def away() -> None:
        asked.set()
        msg = "bus away"
        raise Retryable(msg)

    worker = _worker(world, Long(), attempts_max=1)
    assert worker.consumer is not None
    monkeypatch.setattr(worker.consumer, "keep_alive", away)
    worker.run(stop)
    assert _rows(world) == ["s0"]
    assert world.dead_letters(FramesIngested) == []


def test_health_tells_when_the_loop_hangs_and_when_the_ledger_is_away(world: World) -> None:
    worker = _worker(world, Embed())
    assert "ledger" in worker.health.ready()
    worker.step()
    assert worker.health.ready() == {}
    world.clock.advance(minutes=5)
    assert "loop" in worker.health.alive()
    worker.step()
    assert worker.health.alive() == {}


def test_a_redelivery_states_the_same_bytes(world: World) -> None:
    world.state_facts(frames_ingested("s0"))
    worker = _worker(world, Embed())
    settle([worker])
    [first] = world.bus.read(f"{PREFIX}{FramesEmbedded.type}")
    other = world_in(world.state / "again")
    other.clock.advance(days=1)
    other.bus.ensure_topics(["winnow.frames.ingested.v1"])
    other.bus.publish([one.message for one in world.bus.read("winnow.frames.ingested.v1")])
    settle([_worker(other, Embed())])
    [second] = other.bus.read(f"{PREFIX}{FramesEmbedded.type}")
    late = from_message(second.message)
    assert replace(late, time=late.time - timedelta(days=1)) == from_message(first.message)

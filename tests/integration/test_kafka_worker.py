"""The loop on a real broker: takeover in the middle, redelivery, long work, dead letters."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from winnow.adapters.system_clock import SystemClock
from winnow.domain.errors import BadInput, Retryable
from winnow.domain.events import Event, FramesEmbedded, FramesIngested
from winnow.ports.ledger import Transaction
from winnow.runtime.dead_letters import read_dead_letter
from winnow.runtime.service import Service
from winnow.runtime.settings import ServiceSettings
from winnow.runtime.stating import messages_of
from winnow.runtime.worker import Worker
from winnow.testing.faults import Crash, CrashingBus, CrashPlan
from winnow.testing.worlds import blob, frames_ingested

pytestmark = pytest.mark.kafka
PATIENCE_SECONDS = 40.0


class Cluster:
    """A ledger and a broker, and services on them under a prefix of this test's own."""

    def __init__(self, folder: Path) -> None:
        from winnow.adapters.sqlite_ledger import SqliteLedger

        where = os.environ.get("WINNOW_TEST_KAFKA", "")
        if not where:
            pytest.skip("WINNOW_TEST_KAFKA names no broker")
        self.where = where
        self.folder = folder
        self.prefix = f"test{uuid.uuid4().hex[:8]}."
        self.ledger = SqliteLedger(folder / "ledger.db")
        self.bus = self.connect("test")

    def connect(self, instance: str):  # type: ignore[no-untyped-def]  # noqa: ANN201 - imported late
        from winnow.adapters.kafka_bus import KafkaBus
        from winnow.adapters.kafka_settings import KafkaSettings

        settings = KafkaSettings(self.where, instance=f"{self.prefix}{instance}")
        return KafkaBus(settings, session_timeout_seconds=6.0, poll_interval_seconds_max=6.0)

    def worker(
        self,
        instance: str,
        handler: Callable[..., Sequence[Event]],
        plan: CrashPlan | None = None,
    ) -> Worker:
        bus = self.connect(instance)
        service = Service(
            name="embedding",
            settings=ServiceSettings.embedded(self.folder, topic_prefix=self.prefix),
            ledger=self.ledger,
            bus=CrashingBus(bus, plan) if plan else bus,
            clock=SystemClock(),
            on_event={FramesIngested: handler},
        )
        return Worker(service)

    def ingest(self, *shards: str) -> None:
        events = [frames_ingested(shard) for shard in shards]
        messages = messages_of(
            events, service="ingest", at=SystemClock().now(), topic_prefix=self.prefix
        )
        self.bus.ensure_topics([messages[0].topic])
        self.bus.publish(messages)

    def facts(self, event: type[Event]) -> list[str]:
        topic = f"{self.prefix}{event.type}"
        return [one.message.headers["ce_id"].decode() for one in self.bus.read(topic)]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def embed(event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
    return [FramesEmbedded(event.shard_id, "e1", event.n_frames, (), blob())]


def _step_until(workers: Sequence[Worker], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline
        for worker in workers:
            worker.step(0.1)


def test_a_killed_worker_is_taken_over_and_nothing_is_stated_under_two_ids(
    cluster: Cluster,
) -> None:
    shards = [f"s{pos}" for pos in range(30)]
    cluster.ingest(*shards)
    plan = CrashPlan(at=2)
    doomed = cluster.worker("one", embed, plan)
    with pytest.raises(Crash):
        _step_until([doomed], lambda: False)
    assert doomed.consumer is not None
    doomed.consumer._inner._consumer._client.close()  # type: ignore[attr-defined]
    heir = cluster.worker("two", embed)
    _step_until([heir], lambda: _has_all(heir))
    assert len(set(cluster.facts(FramesEmbedded))) == 30
    heir.close()


def test_a_refused_message_becomes_a_dead_letter_in_kafka(cluster: Cluster) -> None:
    def refuse(event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
        raise BadInput("no")

    cluster.ingest("s0")
    worker = cluster.worker("one", refuse)
    topic = f"{cluster.prefix}{FramesIngested.type}"
    _step_until([worker], lambda: bool(cluster.bus.read(f"{topic}.dlq")))
    [letter] = [read_dead_letter(one) for one in cluster.bus.read(f"{topic}.dlq")]
    assert (letter.error, letter.reason, letter.topic) == ("BadInput", "no", topic)
    worker.close()


def test_work_longer_than_the_session_keeps_its_partitions(cluster: Cluster) -> None:
    stop = threading.Event()
    n_calls = 0

    def slow(event: FramesIngested, /, *, tx: Transaction) -> Sequence[Event]:
        nonlocal n_calls
        n_calls += 1
        threading.Event().wait(8.0)  # longer than the session and the poll interval of 6 s
        return embed(event, tx=tx)

    cluster.ingest("s0")
    worker = cluster.worker("one", slow)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while not cluster.facts(FramesEmbedded) and time.monotonic() < deadline:
            stop.wait(0.5)
    finally:
        stop.set()
        thread.join(20)
    assert n_calls == 1
    after = cluster.worker("two", embed)
    _step_until([after], lambda: _has_all(after))
    assert len(cluster.facts(FramesEmbedded)) == 1
    after.close()


def _has_all(worker: Worker) -> bool:
    """Tell whether every partition is this member's and nothing in it is left."""
    consumer = worker.consumer
    assert consumer is not None
    n_partitions = len(consumer._consumer.assignment())  # type: ignore[attr-defined]
    return n_partitions == 6 and not any(consumer.lag().values())


def test_a_foreign_17_kib_message_is_set_aside(cluster: Cluster) -> None:
    from kafka import KafkaProducer

    topic = f"{cluster.prefix}{FramesIngested.type}"
    cluster.bus.ensure_topics([topic])
    producer = KafkaProducer(bootstrap_servers=cluster.where)
    producer.send(topic, b"x" * 17 * 1024).get(10)
    producer.close()
    worker = cluster.worker("one", embed)
    _step_until([worker], lambda: bool(cluster.bus.read(f"{topic}.dlq")))
    [letter] = [read_dead_letter(one) for one in cluster.bus.read(f"{topic}.dlq")]
    assert letter.error == "MessageTooLarge"
    worker.close()


def test_a_topic_that_does_not_exist_is_said_at_once(cluster: Cluster) -> None:
    started = time.monotonic()
    [message] = messages_of(
        [frames_ingested("s0")],
        service="ingest",
        at=SystemClock().now(),
        topic_prefix=f"{cluster.prefix}never.",
    )
    with pytest.raises(Retryable, match="expected it to exist, found none"):
        cluster.bus.publish([message])
    assert time.monotonic() - started < 10


def test_an_unreachable_broker_is_told_with_what_to_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from winnow.adapters import kafka_settings
    from winnow.adapters.kafka_bus import KafkaBus

    monkeypatch.setattr(kafka_settings, "BOOTSTRAP_SECONDS", 1.0)
    bus = KafkaBus(kafka_settings.KafkaSettings("127.0.0.1:9", user="u", password="secret"))
    with pytest.raises(Retryable, match="wrong password, an unknown CA and plain text") as caught:
        bus.ensure_topics(["t"])
    assert "secret" not in str(caught.value)

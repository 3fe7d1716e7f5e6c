"""A member of a Kafka group whose broker fails for a moment, on a client that only pretends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from kafka import TopicPartition
from kafka.errors import GroupAuthorizationFailedError

from winnow.adapters import kafka_consumer
from winnow.adapters.kafka_consumer import KafkaMember
from winnow.adapters.kafka_settings import KafkaSettings
from winnow.domain.errors import Retryable

PLACES = frozenset({TopicPartition("t", 0), TopicPartition("t", 1)})


class Client:
    """Knows which partitions are paused, and fails at its first poll."""

    def __init__(self, **options: object) -> None:
        self.paused: set[TopicPartition] = set()
        self.failures = [GroupAuthorizationFailedError("not now")]

    def subscribe(self, topics: Sequence[str], listener: object) -> None:
        """Join."""

    def assignment(self) -> frozenset[TopicPartition]:
        """Give the partitions."""
        return PLACES

    def pause(self, *places: TopicPartition) -> None:
        """Fetch no more of these."""
        self.paused |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        """Fetch these again."""
        self.paused -= set(places)

    def poll(self, timeout_ms: int) -> Mapping[TopicPartition, Sequence[object]]:
        """Fail once; then give nothing."""
        if self.failures:
            raise self.failures.pop()
        return {}


def test_partitions_are_fetched_again_after_a_membership_that_could_not_be_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client()
    monkeypatch.setattr(kafka_consumer, "KafkaConsumer", lambda **options: client)
    member = KafkaMember(
        KafkaSettings("broker:9092"),
        "group",
        ["t"],
        session_timeout_seconds=45.0,
        poll_interval_seconds_max=300.0,
    )
    with pytest.raises(Retryable, match="not now"):
        member.keep_alive()
    assert client.paused == set()

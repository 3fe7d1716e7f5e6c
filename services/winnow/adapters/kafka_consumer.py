"""A static member of a Kafka consumer group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import MemberToRemove
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from winnow.adapters.kafka_settings import KafkaSettings, kafka_errors
from winnow.ports.bus import Delivery, received

LAG_TIMEOUT_MS = 5000
CLOSE_TIMEOUT_MS = 10_000
POLL_MS_MIN = 50
"""With `poll(0)` kafka-python 3.0.12 never gets through a rebalance."""
FETCH_MAX = 256
# What a commit says when the partition has gone to another member, which will see it again.
_TAKEN_AWAY = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


class KafkaMember:
    """Polls, commits by hand, reads committed messages only, starts at the earliest.

    Must be used from one thread.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        *,
        session_timeout_seconds: float,
        poll_interval_seconds_max: float,
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = tuple(topics)
        self._early: list[Delivery] = []
        self._committed: dict[TopicPartition, int] = {}
        self._closed = False
        with kafka_errors(f"join group {group}", settings):
            self._consumer = KafkaConsumer(
                **settings.client(),
                group_id=group,
                group_instance_id=settings.group_instance_id,
                partition_assignment_strategy=[CooperativeStickyAssignor],
                session_timeout_ms=int(session_timeout_seconds * 1000),
                heartbeat_interval_ms=int(session_timeout_seconds * 1000 / 3),
                max_poll_interval_ms=int(poll_interval_seconds_max * 1000),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                max_poll_records=FETCH_MAX,
            )
            self._consumer.subscribe(list(topics), listener=_Forget(self._committed))

    def poll(self, timeout_seconds: float) -> Sequence[Delivery]:
        """Give the next deliveries."""
        early, self._early = self._early, []
        return early + self._poll(0.0 if early else timeout_seconds)

    def ack(self, delivery: Delivery) -> None:
        """Commit the offset, unless the partition has gone to another member."""
        place = _place_of(delivery)
        with kafka_errors(f"commit in group {self._group}", self._settings):
            if place not in self._consumer.assignment():
                return
            offset = delivery.offset + 1
            try:
                self._consumer.commit({place: OffsetAndMetadata(offset, "", -1)})
            except _TAKEN_AWAY:
                return
            self._committed[place] = offset

    def rewind(self, delivery: Delivery) -> None:
        """Go back to this delivery."""
        place = _place_of(delivery)
        if place in self._consumer.assignment():
            self._early = [one for one in self._early if _place_of(one) != place]
            self._consumer.seek(place, delivery.offset)

    def keep_alive(self) -> None:
        """Poll with everything paused: the group sees a living member, nothing is fetched."""
        assigned = self._consumer.assignment()
        self._consumer.pause(*assigned)
        try:
            # Partitions that arrive in this very poll are not paused yet.
            self._early += self._poll(0.0)
        finally:
            self._consumer.resume(*(assigned & self._consumer.assignment()))

    def lag(self) -> Mapping[str, int]:
        """Give unread messages for each topic, over this member's partitions, as committed."""
        unread = dict.fromkeys(self._topics, 0)
        with kafka_errors(f"lag of group {self._group}", self._settings):
            places = list(self._consumer.assignment())
            ends = self._consumer.end_offsets(places, timeout_ms=LAG_TIMEOUT_MS) if places else {}
            for place, end in ends.items():
                unread[place.topic] += end - self._committed_of(place)
        return unread

    def close(self) -> None:
        """Leave the group at once.

        A static member's client stays silent for its session instead, which suits a restart of
        the same pod but not a scale-down; so the member is removed explicitly.
        """
        if self._closed:
            return
        self._closed = True
        with kafka_errors(f"leave group {self._group}", self._settings):
            self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)
            admin = KafkaAdminClient(**self._settings.client())
            try:
                member = MemberToRemove(group_instance_id=self._settings.group_instance_id)
                admin.remove_group_members(self._group, [member])
            finally:
                admin.close()

    def _poll(self, timeout_seconds: float) -> list[Delivery]:
        with kafka_errors(f"poll of group {self._group}", self._settings):
            batches = self._consumer.poll(timeout_ms=max(POLL_MS_MIN, int(timeout_seconds * 1000)))
        return [to_delivery(record) for records in batches.values() for record in records]

    def _committed_of(self, place: TopicPartition) -> int:
        if place not in self._committed:
            found = self._consumer.committed(place, timeout_ms=LAG_TIMEOUT_MS)
            if found is None:
                starts = self._consumer.beginning_offsets([place], timeout_ms=LAG_TIMEOUT_MS)
                found = starts[place]
            self._committed[place] = int(found)
        return self._committed[place]


class _Forget(ConsumerRebalanceListener):  # type: ignore[misc]
    """Drops the committed offsets of partitions that others may move now."""

    def __init__(self, committed: dict[TopicPartition, int]) -> None:
        self._committed = committed

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        for place in revoked:
            self._committed.pop(place, None)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        for place in assigned:
            self._committed.pop(place, None)


def to_delivery(record: Any) -> Delivery:  # noqa: ANN401 - kafka-python has no types
    """Give the delivery of a record; a tombstone's missing value is empty."""
    key = (record.key or b"").decode(errors="replace")
    message = received(record.topic, key, dict(record.headers), record.value or b"")
    return Delivery(message, record.partition, record.offset)


def _place_of(delivery: Delivery) -> TopicPartition:
    return TopicPartition(delivery.message.topic, delivery.partition)

"""The bus as a Kafka cluster, through kafka-python."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import TopicAlreadyExistsError

from winnow.adapters.kafka_consumer import KafkaMember, to_delivery
from winnow.adapters.kafka_settings import KafkaSettings, kafka_errors
from winnow.domain.errors import Retryable
from winnow.ports.bus import Delivery, Message

PUBLISH_SECONDS = 30.0
READ_POLL_MS = 500
SESSION_SECONDS = 45.0
POLL_INTERVAL_SECONDS_MAX = 300.0


class KafkaBus:
    """A cluster; connects on first use."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        session_timeout_seconds: float = SESSION_SECONDS,
        poll_interval_seconds_max: float = POLL_INTERVAL_SECONDS_MAX,
    ) -> None:
        self._settings = settings
        self._session_timeout_seconds = session_timeout_seconds
        self._poll_interval_seconds_max = poll_interval_seconds_max
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._known: set[str] = set()

    def publish(self, messages: Sequence[Message]) -> None:
        """Send in order (idempotent producer, acks of all replicas in sync), wait for all."""
        if not messages:
            return
        self._require({message.topic for message in messages})
        with kafka_errors("publish", self._settings):
            producer = self._connected()
            futures = [
                producer.send(
                    message.topic,
                    key=message.key.encode(),
                    value=message.value,
                    headers=list(message.headers.items()),
                )
                for message in messages
            ]
            producer.flush(timeout=PUBLISH_SECONDS)
            for future in futures:
                future.get(timeout=PUBLISH_SECONDS)

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create the topics that do not exist yet, and wait for their leaders."""
        with kafka_errors("create topics", self._settings):
            admin = KafkaAdminClient(**self._settings.client())
            try:
                missing = sorted(set(topics) - set(admin.list_topics()))
                if missing:
                    self._create(admin, missing)
            finally:
                admin.close()
        self._known |= set(topics)

    def subscribe(self, group: str, topics: Sequence[str]) -> KafkaMember:
        """Join a group as a static member; partitions come while polling."""
        self.ensure_topics(topics)
        return KafkaMember(
            self._settings,
            group,
            topics,
            session_timeout_seconds=self._session_timeout_seconds,
            poll_interval_seconds_max=self._poll_interval_seconds_max,
        )

    def read(self, topic: str, *, limit: int | None = None) -> Sequence[Delivery]:
        """Read a topic from its beginning up to its present end."""
        with kafka_errors(f"read {topic}", self._settings):
            reader = KafkaConsumer(
                **self._settings.client(),
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            try:
                found = _read_all(reader, topic, limit)
            finally:
                reader.close()
        return sorted(found, key=lambda one: (one.partition, one.offset))[:limit]

    def topics(self) -> Sequence[str]:
        """Give the names of the topics that exist, sorted."""
        with kafka_errors("list topics", self._settings):
            admin = KafkaAdminClient(**self._settings.client())
            try:
                return sorted(admin.list_topics())
            finally:
                admin.close()

    def close(self) -> None:
        """Flush and disconnect."""
        with self._lock:
            if self._producer is not None:
                self._producer.close(timeout=PUBLISH_SECONDS)
                self._producer = None

    def _connected(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                self._producer = KafkaProducer(
                    **self._settings.client(),
                    enable_idempotence=True,
                    acks="all",
                    max_block_ms=int(PUBLISH_SECONDS * 1000),
                    delivery_timeout_ms=int(PUBLISH_SECONDS * 1000),
                    request_timeout_ms=int(PUBLISH_SECONDS * 500),
                )
            return self._producer

    def _require(self, topics: set[str]) -> None:
        """Look topics up once: a send to one that does not exist would block for a long time."""
        unknown = topics - self._known
        if not unknown:
            return
        missing = unknown - set(self.topics())
        if missing:
            msg = f"topic {', '.join(sorted(missing))}: expected it to exist, found none"
            raise Retryable(msg)
        self._known |= unknown

    def _create(self, admin: KafkaAdminClient, topics: Sequence[str]) -> None:
        options = {
            "num_partitions": self._settings.partitions,
            "replication_factor": self._settings.replication,
        }
        try:
            admin.create_topics(dict.fromkeys(topics, options), wait_for_metadata=True)
        except TopicAlreadyExistsError:
            # Another service was quicker with some of them; one by one, the rest are made.
            if len(topics) > 1:
                for topic in topics:
                    self._create(admin, [topic])


def _read_all(reader: KafkaConsumer, topic: str, limit: int | None) -> list[Delivery]:
    partitions = reader.partitions_for_topic(topic) or set()
    places = [TopicPartition(topic, partition) for partition in sorted(partitions)]
    if not places:
        return []
    reader.assign(places)
    reader.seek_to_beginning(*places)
    ends = reader.end_offsets(places)
    found: list[Delivery] = []
    while any(reader.position(place) < ends[place] for place in places):
        for records in reader.poll(timeout_ms=READ_POLL_MS).values():
            found += [to_delivery(record) for record in records]
        if limit is not None and len(found) >= limit:
            break
    return [one for one in found if one.offset < ends[TopicPartition(topic, one.partition)]]

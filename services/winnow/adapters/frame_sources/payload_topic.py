"""A Kafka topic of payload records: CloudEvents as a broker of events writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from winnow.adapters.frame_sources.payload_files import Place
from winnow.adapters.kafka_settings import KafkaSettings, kafka_errors
from winnow.domain.errors import BadInput, Retryable

POLL_MS: Final = 500
POLL_RECORDS: Final = 16
"""Records hold images: few at a time."""
SILENT_MS_MAX: Final = 60_000


class PayloadTopic:
    """All records of a topic, from its beginning to where it ends when it is opened.

    Binary mode (attributes in headers, the body as value) and structured mode (all in one JSON) may
    be mixed. No group is joined and nothing is committed: who reads again gets the same records,
    unless the topic's retention has taken some.

    Raises
    ------
    BadInput
        There is no such topic.
    Retryable
        Kafka does not answer.
    """

    n_others: Final = 0

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._settings, self._topic = settings, topic
        self._last: tuple[Place, object] | None = None
        with kafka_errors(f"read {topic}", settings):
            self._reader = KafkaConsumer(
                **settings.client(),
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=POLL_RECORDS,
            )
            numbers = sorted(self._reader.partitions_for_topic(topic) or ())
            self._partitions = [TopicPartition(topic, number) for number in numbers]
            if not self._partitions:
                self._reader.close()
                msg = f"topic {topic}: expected it to exist at {settings.bootstrap}, found none"
                raise BadInput(msg)
            self._ends = self._reader.end_offsets(self._partitions)

    def entries(self) -> Iterator[tuple[Place, object]]:
        """Give all records, a partition's in order; of a broken one the error."""
        with kafka_errors(f"read {self._topic}", self._settings):
            self._reader.assign(self._partitions)
            self._reader.seek_to_beginning(*self._partitions)
            for polled in self._polls():
                for partition, records in polled.items():
                    for record in records:
                        if record.offset < self._ends[partition]:
                            yield _place_of(record), _entry_of(record)
                if all(self._reader.position(one) >= end for one, end in self._ends.items()):
                    return

    def entry(self, place: Place) -> object:
        """Give what lies at a place; the record last read is kept.

        Raises
        ------
        BadInput
            It is not there any more.
        Retryable
            Kafka does not answer.
        """
        if self._last is None or self._last[0] != place:
            self._last = (place, self._fetched(place))
        return self._last[1]

    def where(self, place: Place) -> str:
        """Say in words where a place is."""
        return f"{self._topic} partition {place.file} offset {place.offset}"

    def _fetched(self, place: Place) -> object:
        partition = TopicPartition(self._topic, place.file)
        with kafka_errors(f"read {self._topic}", self._settings):
            self._reader.assign([partition])
            self._reader.seek(partition, place.offset)
            record = next(polled[partition][0] for polled in self._polls() if polled)
        if record.offset != place.offset:
            msg = f"{self.where(place)}: expected the record that was read before, found offset "
            raise BadInput(f"{msg}{record.offset}: the topic keeps its records too shortly")
        return _entry_of(record)

    def _polls(self) -> Iterator[Mapping[TopicPartition, Sequence[Any]]]:
        """Poll without end, but not for long while nothing comes."""
        silent_ms = 0
        while True:
            polled = self._reader.poll(timeout_ms=POLL_MS)
            silent_ms = 0 if polled else silent_ms + POLL_MS
            if silent_ms > SILENT_MS_MAX:
                msg = f"topic {self._topic}: expected records within {SILENT_MS_MAX / 1000:g} s"
                raise Retryable(f"{msg}, found none")
            yield polled


def _place_of(record: Any) -> Place:  # noqa: ANN401 - kafka-python has no types
    return Place(file=record.partition, offset=record.offset, line=0, entry=0)


def _entry_of(record: Any) -> object:  # noqa: ANN401 - kafka-python has no types
    """Give a record as the event that it is; of one that is none the error."""
    value = record.value or b""
    # Kafka lets a header have no value.
    attributes = {name: (text or b"").decode(errors="replace") for name, text in record.headers}
    if "ce_type" in attributes:
        return {**attributes, "data": value}
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        return BadInput(f"expected JSON, found {value[:20]!r}…: {error}")

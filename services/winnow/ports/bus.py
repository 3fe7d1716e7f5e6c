"""The message log: topics with keys, at least once, order within a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from winnow.domain.errors import MessageTooLarge

VALUE_BYTES_MAX = 16 * 1024
"""Larger things travel as references: a bus full of payloads cannot be replayed in minutes."""

OVERSIZE_HEADER = "winnow_value_bytes"
"""Set by `received` in place of a value that is too large to be handled or moved."""


@dataclass(frozen=True, slots=True)
class Message:
    """What lies in a topic: key, headers (CloudEvents binary mode), value (protobuf).

    Raises
    ------
    MessageTooLarge
        The value is over 16 KiB.
    """

    topic: str
    key: str
    headers: Mapping[str, bytes]
    value: bytes

    def __post_init__(self) -> None:
        """Refuse what would not fit, before any adapter sees it."""
        if len(self.value) > VALUE_BYTES_MAX:
            msg = (
                f"message for {self.topic} with key {self.key!r}: expected at most "
                f"{VALUE_BYTES_MAX} bytes of value, found {len(self.value)}; "
                "put the payload into the object store and send its reference"
            )
            raise MessageTooLarge(msg)


def received(topic: str, key: str, headers: Mapping[str, bytes], value: bytes) -> Message:
    """Give the message as an adapter read it, whoever wrote it.

    A foreign producer may have written more than 16 KiB. Raising would stop the reader for ever:
    the message comes without its value and says how large it was; the value stays in its topic.
    """
    if len(value) <= VALUE_BYTES_MAX:
        return Message(topic, key, headers, value)
    return Message(topic, key, {**headers, OVERSIZE_HEADER: str(len(value)).encode()}, b"")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it was read, with the place it was read from."""

    message: Message
    partition: int
    offset: int
    token: object = field(default=None, compare=False)
    """Whatever the adapter needs to acknowledge it."""


class Publisher(Protocol):
    """The writing side."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Append in order; returns once all are durable.

        Raises
        ------
        Retryable
            The log did not take them; it may hold some already, so send all again.
        """
        ...


@runtime_checkable
class DeferringPublisher(Publisher, Protocol):
    """A log that can show messages before it has made them durable.

    For whoever keeps the messages elsewhere until `settle` returned, as an outbox does: many
    messages then share one wait for the disk.
    """

    def publish_deferred(self, messages: Sequence[Message]) -> None:
        """Append in order; readers see them at once, a power cut may still take them back.

        What it takes back is the newest part of the log: acknowledgements of those go with them.

        Raises
        ------
        Retryable
            The log did not take them.
        """
        ...

    def settle(self) -> None:
        """Return once all that was published is durable.

        Raises
        ------
        Retryable
            It may not be: publish all again.
        """
        ...


class Consumer(Protocol):
    """One member of a consumer group."""

    def poll(self, timeout_seconds: float) -> Sequence[Delivery]:
        """Give the next deliveries (maybe none), oldest first within a key."""
        ...

    def ack(self, delivery: Delivery) -> None:
        """Say that this delivery and those before it in its partition are done with."""
        ...

    def rewind(self, delivery: Delivery) -> None:
        """Make this delivery (and what followed it in its partition) come again."""
        ...

    def keep_alive(self) -> None:
        """Keep group membership during long work, without fetching. Cheap; call every second."""
        ...

    def lag(self) -> Mapping[str, int]:
        """Give unread messages for each subscribed topic."""
        ...

    def close(self) -> None:
        """Leave the group at once, so that others take over without waiting."""
        ...


class Bus(Publisher, Protocol):
    """Both sides, and the topics themselves."""

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create the topics that do not exist yet."""
        ...

    def subscribe(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join a consumer group from its committed offsets, or the earliest."""
        ...

    def read(self, topic: str, *, limit: int | None = None) -> Sequence[Delivery]:
        """Read a topic from its beginning without joining a group (dead letters, tests)."""
        ...

    def close(self) -> None:
        """Flush and let go of connections."""
        ...

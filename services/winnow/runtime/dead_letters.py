"""Messages that could not be handled: kept whole, with the reason, until a person replays them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from winnow.contracts.topics import DEAD_LETTER_SUFFIX
from winnow.domain.errors import BadInput
from winnow.ports.bus import OVERSIZE_HEADER, Delivery, Message

REASON_CHARACTERS_MAX = 2000
_PREFIX = "dlq_"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What happened to a message, as its dead letter tells."""

    consumer: str
    topic: str
    """Where it came from; partition and offset too."""
    partition: int
    offset: int
    error: str
    """Class of the last error."""
    reason: str
    attempts: int
    at: str
    message: Message
    """The original: topic, key, headers and value as they were."""

    @property
    def event_id(self) -> str:
        """Id of the event, or its place if it has none."""
        found = self.message.headers.get("ce_id", b"").decode(errors="replace")
        return found or f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def source(self) -> str:
        """Producer of the event."""
        return self.message.headers.get("ce_source", b"").decode(errors="replace")


def dead_letter_of(
    delivery: Delivery, error: BaseException, *, consumer: str, attempts: int, at: datetime
) -> Message:
    """Give the dead letter: the original with headers that say who gave up, where and why."""
    origin = delivery.message
    facts = {
        "consumer": consumer,
        "topic": origin.topic,
        "partition": str(delivery.partition),
        "offset": str(delivery.offset),
        "error": type(error).__name__,
        "reason": str(error)[:REASON_CHARACTERS_MAX] or type(error).__name__,
        "attempts": str(attempts),
        "at": at.isoformat(),
    }
    headers = {f"{_PREFIX}{name}": text.encode() for name, text in facts.items()}
    return Message(
        origin.topic + DEAD_LETTER_SUFFIX, origin.key, {**origin.headers, **headers}, origin.value
    )


def read_dead_letter(delivery: Delivery) -> DeadLetter:
    """Give what a dead letter tells."""
    headers = delivery.message.headers
    original = {n: value for n, value in headers.items() if not n.startswith(_PREFIX)}
    topic = _fact(headers, "topic")
    return DeadLetter(
        consumer=_fact(headers, "consumer"),
        topic=topic,
        partition=int(_fact(headers, "partition") or 0),
        offset=int(_fact(headers, "offset") or 0),
        error=_fact(headers, "error"),
        reason=_fact(headers, "reason"),
        attempts=int(_fact(headers, "attempts") or 0),
        at=_fact(headers, "at"),
        message=Message(topic, delivery.message.key, original, delivery.message.value),
    )


def replayable(letter: DeadLetter) -> Message:
    """Give the message to publish again.

    Raises
    ------
    BadInput
        Its value was too large to be kept: it still lies in its own topic only.
    """
    if OVERSIZE_HEADER in letter.message.headers:
        size = letter.message.headers[OVERSIZE_HEADER].decode()
        msg = (
            f"dead letter {letter.event_id}: expected a value of at most 16384 bytes, found {size};"
            f" it lies in {letter.topic}, partition {letter.partition}, offset {letter.offset}"
        )
        raise BadInput(msg)
    return letter.message


def _fact(headers: Mapping[str, bytes], name: str) -> str:
    return headers.get(f"{_PREFIX}{name}", b"").decode(errors="replace")

"""Facts to messages and back: CloudEvents 1.0 in Kafka's binary mode around protobuf.

The headers are written here and not by the `cloudevents` package: its Kafka binding would put
`traceparent`, `correlationid` and `causationid` behind the prefix `ce_`, where no tracing library
looks for them, and wants its own event class in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Proto

from winnow.contracts import fields
from winnow.contracts.generated.winnow.events.v1 import events_pb2
from winnow.contracts.topics import TOPIC_BY_EVENT, TOPIC_BY_NAME
from winnow.domain.errors import SchemaMismatch
from winnow.domain.events import Envelope, Event
from winnow.ports.bus import Message

CONTENT_TYPE = "application/protobuf"
SPEC_VERSION = "1.0"


def to_message(envelope: Envelope, *, topic_prefix: str) -> Message:
    """Give the message that states a fact; the same envelope gives the same bytes.

    Parameters
    ----------
    topic_prefix
        Put before the topic's name, e.g. `winnow.`.

    Raises
    ------
    SchemaMismatch
        A field's value does not fit its type in `protos/`; the text names the field.
    MessageTooLarge
        The value is over 16 KiB.
    """
    event = envelope.data
    key = key_of(event)
    value = fields.encode(event, _message_class(type(event))())
    return Message(f"{topic_prefix}{event.type}", key, _headers(envelope, key), value)


def from_message(message: Message) -> Envelope:
    """Give the fact that a message states.

    Raises
    ------
    SchemaMismatch
        A header or field is missing, unknown or of another type; the text names it, what was
        expected and what was found. Unknown fields are passed over: a newer sender wrote them.
    """
    headers = {name.lower(): _text(name, raw) for name, raw in message.headers.items()}
    _expect(headers, "ce_specversion", SPEC_VERSION)
    _expect(headers, "content-type", CONTENT_TYPE)
    kind = _required(headers, "ce_type")
    if kind not in TOPIC_BY_NAME:
        msg = f"header ce_type: expected one of {', '.join(TOPIC_BY_NAME)}, found {kind!r}"
        raise SchemaMismatch(msg)
    return Envelope(
        event_id=_uuid(_required(headers, "ce_id")),
        source=_required(headers, "ce_source"),
        time=_time(_required(headers, "ce_time")),
        data=_decode(TOPIC_BY_NAME[kind].event, message.value),
        traceparent=headers.get("traceparent", ""),
        causation_id=headers.get("causationid", ""),
    )


def key_of(event: Event) -> str:
    """Give the value of the field that orders this kind of fact.

    Raises
    ------
    SchemaMismatch
        It is empty.
    """
    name = TOPIC_BY_EVENT[type(event)].key
    key = str(getattr(event, name))
    if not key:
        msg = f"{type(event).__name__}.{name}: expected a key, found an empty text"
        raise SchemaMismatch(msg)
    return key


def _message_class(event: type[Event]) -> type[Proto]:
    found: type[Proto] = getattr(events_pb2, event.__name__)
    return found


def _decode(event: type[Event], value: bytes) -> Event:
    proto = _message_class(event)()
    try:
        proto.ParseFromString(value)
    except DecodeError as error:
        msg = f"{event.__name__}: expected protobuf, found {len(value)} bytes: {error}"
        raise SchemaMismatch(msg) from error
    decoded = fields.decode(event, proto)
    key_of(decoded)
    return decoded


def _headers(envelope: Envelope, key: str) -> Mapping[str, bytes]:
    moment = fields.utc("Envelope.time", envelope.time)
    headers = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": str(envelope.event_id),
        "ce_source": envelope.source,
        "ce_type": envelope.data.type,
        "ce_time": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "ce_subject": key,
        "content-type": CONTENT_TYPE,
        "traceparent": envelope.traceparent,
        "correlationid": envelope.round_id,
        "causationid": envelope.causation_id,
    }
    # CloudEvents forbids empty attributes: what has no value has no header.
    return {name: text.encode() for name, text in headers.items() if text}


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        msg = f"header {name}: expected UTF-8, found {raw!r}"
        raise SchemaMismatch(msg) from error


def _required(headers: Mapping[str, str], name: str) -> str:
    if not headers.get(name):
        msg = f"header {name}: expected a value, found none among {', '.join(sorted(headers))}"
        raise SchemaMismatch(msg)
    return headers[name]


def _expect(headers: Mapping[str, str], name: str, value: str) -> None:
    found = _required(headers, name)
    if found != value:
        msg = f"header {name}: expected {value!r}, found {found!r}"
        raise SchemaMismatch(msg)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        msg = f"header ce_id: expected a UUID, found {text!r}"
        raise SchemaMismatch(msg) from error


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"header ce_time: expected an RFC 3339 time, found {text!r}"
        raise SchemaMismatch(msg) from error
    return fields.utc("header ce_time", moment).astimezone(UTC)

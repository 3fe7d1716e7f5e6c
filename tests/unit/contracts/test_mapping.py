"""What a message looks like on the wire, and what is refused, by name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from winnow.contracts.generated.winnow.events.v1 import events_pb2
from winnow.contracts.mapping import from_message, to_message
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import MessageTooLarge, SchemaMismatch
from winnow.domain.events import (
    BatchSelected,
    Envelope,
    Event,
    FramesEmbedded,
    LabelReviewed,
    RoundHalted,
    Stage,
    VerdictKind,
)
from winnow.domain.ids import BatchId, FrameId, RoundId, ShardId, TaskId
from winnow.ports.bus import Message

BLOB = BlobRef("files", "batches/ab/abc", "abc", 7, "application/json")
HALTED = RoundHalted(RoundId("r1"), Stage.QA, "nothing promoted", "")
REVIEWED = LabelReviewed(
    TaskId("t1"), RoundId("r1"), BatchId("b"), FrameId("f"), VerdictKind.RETURNED, ("class",), 1
)


def _envelope(event: Event = HALTED) -> Envelope:
    return Envelope(
        event_id=UUID(int=7),
        source="qa",
        time=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
        data=event,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        causation_id="cause",
    )


def _message() -> Message:
    return to_message(_envelope(), topic_prefix="winnow.")


def _with_header(name: str, value: bytes | None) -> Message:
    headers = {key: raw for key, raw in _message().headers.items() if key != name}
    return replace(_message(), headers=headers if value is None else {**headers, name: value})


def test_a_message_is_a_cloud_event_in_binary_mode() -> None:
    message = _message()
    assert (message.topic, message.key) == ("winnow.round.halted.v1", "r1")
    assert dict(message.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"00000000-0000-0000-0000-000000000007",
        "ce_source": b"qa",
        "ce_type": b"round.halted.v1",
        "ce_time": b"2026-05-04T03:02:01.000000Z",
        "ce_subject": b"r1",
        "content-type": b"application/protobuf",
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "correlationid": b"r1",
        "causationid": b"cause",
    }


def test_what_has_no_value_has_no_header() -> None:
    event = FramesEmbedded(ShardId("s1"), "mini", 3, (("dark", 1),), BLOB)
    message = to_message(
        replace(_envelope(event), traceparent="", causation_id=""), topic_prefix=""
    )
    assert not {"traceparent", "causationid", "correlationid"} & set(message.headers)
    assert from_message(message).round_id == ""


def test_times_of_other_zones_are_sent_in_utc() -> None:
    east = datetime(2026, 5, 4, 5, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    message = to_message(replace(_envelope(), time=east), topic_prefix="")
    assert message.headers["ce_time"] == b"2026-05-04T03:02:01.000000Z"
    assert from_message(message).time == east


def test_fields_of_a_newer_sender_are_passed_over() -> None:
    newer = replace(_message(), value=_message().value + b"\xc2\x3e\x03new")
    assert from_message(newer) == _envelope()


def _with_stage(number: int) -> Message:
    proto = events_pb2.RoundHalted.FromString(_message().value)
    proto.stage = number  # type: ignore[assignment]
    return replace(_message(), value=proto.SerializeToString())


REFUSED: dict[str, tuple[Callable[[], Message], str]] = {
    "no type": (lambda: _with_header("ce_type", None), "header ce_type: expected a value"),
    "unknown type": (
        lambda: _with_header("ce_type", b"round.closed.v1"),
        r"header ce_type: expected one of frames.ingested.v1, .*found 'round.closed.v1'",
    ),
    "wrong type": (
        lambda: _with_header("ce_type", b"task.closed.v1"),
        r"TaskClosed\.\w+: expected",
    ),
    "no id": (lambda: _with_header("ce_id", None), "header ce_id: expected a value"),
    "id": (lambda: _with_header("ce_id", b"12"), "header ce_id: expected a UUID, found '12'"),
    "source": (lambda: _with_header("ce_source", b""), "header ce_source: expected a value"),
    "time": (lambda: _with_header("ce_time", b"noon"), "header ce_time: .*found 'noon'"),
    "zone": (
        lambda: _with_header("ce_time", b"2026-01-01T00:00:00"),
        "header ce_time: expected a time with its zone",
    ),
    "version": (
        lambda: _with_header("ce_specversion", b"0.3"),
        r"header ce_specversion: expected '1\.0', found '0\.3'",
    ),
    "media type": (
        lambda: _with_header("content-type", b"application/json"),
        "header content-type: expected 'application/protobuf', found 'application/json'",
    ),
    "not text": (
        lambda: _with_header("traceparent", b"\xff"),
        "header traceparent: expected UTF-8",
    ),
    "unspecified": (
        lambda: _with_stage(0),
        r"RoundHalted\.stage: expected one of scoring, .*, found UNSPECIFIED",
    ),
    "unknown value": (lambda: _with_stage(99), r"RoundHalted\.stage: .*, found 99"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_field_expected_and_found(name: str) -> None:
    make, text = REFUSED[name]
    with pytest.raises(SchemaMismatch, match=text):
        from_message(make())


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (replace(HALTED, reason=None), r"RoundHalted\.reason: expected string, found None"),  # type: ignore[arg-type]
        (replace(HALTED, stage="lunch"), r"RoundHalted\.stage: expected enum, found 'lunch'"),  # type: ignore[arg-type]
        (replace(HALTED, round_id=RoundId("")), r"RoundHalted\.round_id: expected a key"),
        (replace(REVIEWED, attempt=2**31), r"LabelReviewed\.attempt: expected int32"),
        (
            BatchSelected(RoundId("r1"), BatchId("b"), 1, "ref"),  # type: ignore[arg-type]
            r"BatchSelected\.manifest: expected winnow\.events\.v1\.BlobRef, found 'ref'",
        ),
    ],
)
def test_what_does_not_fit_is_never_sent(event: Event, text: str) -> None:
    with pytest.raises(SchemaMismatch, match=text):
        to_message(_envelope(event), topic_prefix="")


def test_a_payload_in_a_fact_is_refused() -> None:
    with pytest.raises(MessageTooLarge, match=r"expected at most 16384 bytes"):
        to_message(_envelope(replace(HALTED, kept="x" * 20_000)), topic_prefix="")

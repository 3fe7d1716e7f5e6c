"""Facts survive the way over the bus, and nothing else passes for a fact."""

import dataclasses
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies_of_events import envelopes_of, events_of
from winnow.contracts.generated.winnow.events.v1 import events_pb2
from winnow.contracts.mapping import from_message, to_message
from winnow.domain.errors import SchemaMismatch
from winnow.domain.events import EVENT_TYPES, Event
from winnow.ports.bus import Message

KINDS = pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@KINDS
@FEW
@given(data=st.data())
def test_an_envelope_comes_back_as_it_went(kind: type[Event], data: st.DataObject) -> None:
    envelope = data.draw(envelopes_of(kind))
    message = to_message(envelope, topic_prefix="winnow.")
    assert from_message(message) == envelope
    assert message.topic == f"winnow.{kind.type}"


@KINDS
@FEW
@given(data=st.data())
def test_a_message_comes_back_byte_for_byte(kind: type[Event], data: st.DataObject) -> None:
    message = to_message(data.draw(envelopes_of(kind)), topic_prefix="p.")
    again = to_message(from_message(message), topic_prefix="p.")
    assert again == message


@KINDS
@FEW
@given(data=st.data())
def test_a_field_that_was_not_sent_is_named(kind: type[Event], data: st.DataObject) -> None:
    message = to_message(data.draw(envelopes_of(kind)), topic_prefix="")
    proto = getattr(events_pb2, kind.__name__)()
    proto.ParseFromString(message.value)
    required = [
        field.name
        for field in dataclasses.fields(kind)
        if proto.DESCRIPTOR.fields_by_name[field.name].has_presence
        and "None" not in str(field.type)
    ]
    name = data.draw(st.sampled_from(required))
    proto.ClearField(name)
    cut = replace(message, value=proto.SerializeToString())
    with pytest.raises(SchemaMismatch, match=rf"{kind.__name__}\.{name}: expected .*found none"):
        from_message(cut)


@FEW
@given(value=st.binary(max_size=200), kind=st.sampled_from(EVENT_TYPES))
def test_random_bytes_are_refused_and_never_crash(value: bytes, kind: type[Event]) -> None:
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": str(UUID(int=1)).encode(),
        "ce_source": b"anybody",
        "ce_type": kind.type.encode(),
        "ce_time": b"2026-01-01T00:00:00Z",
        "content-type": b"application/protobuf",
    }
    with pytest.raises(SchemaMismatch):
        from_message(Message(kind.type, "k", headers, value))


@KINDS
@FEW
@given(data=st.data())
def test_both_sides_have_the_same_fields(kind: type[Event], data: st.DataObject) -> None:
    proto = getattr(events_pb2, kind.__name__)
    names = [field.name for field in dataclasses.fields(data.draw(events_of(kind)))]
    assert names == [field.name for field in proto.DESCRIPTOR.fields]

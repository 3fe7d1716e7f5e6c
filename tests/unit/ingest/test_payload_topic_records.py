"""Records of a topic as events, whatever their headers hold."""

from __future__ import annotations

from types import SimpleNamespace

from winnow.adapters.frame_sources.payload_topic import _entry_of
from winnow.domain.errors import BadInput


def test_a_header_without_a_value_is_an_empty_attribute() -> None:
    headers = [("ce_type", b"x"), ("ce_id", b"1"), ("traceparent", None)]
    event = _entry_of(SimpleNamespace(value=b"{}", headers=headers))
    assert event == {"ce_type": "x", "ce_id": "1", "traceparent": "", "data": b"{}"}


def test_a_record_without_a_value_is_told_as_no_event() -> None:
    assert isinstance(_entry_of(SimpleNamespace(value=None, headers=[])), BadInput)

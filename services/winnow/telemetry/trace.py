"""W3C trace context: one trace follows a frame from upload to the committee it trained."""

from __future__ import annotations

import re
from uuid import UUID

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$")
_NO_TRACE = "0" * 32


def trace_id_of(traceparent: str) -> str:
    """Give the trace id, or an empty text if there is no valid one.

    >>> trace_id_of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    '4bf92f3577b34da6a3ce929d0e0e4736'
    """
    match = _TRACEPARENT.match(traceparent)
    return match[1] if match and match[1] != _NO_TRACE else ""


def traceparent_of(event_id: UUID, *, cause: str = "") -> str:
    """Give the trace context of a new event: the trace of its cause, or a new one.

    Span and trace ids derive from the event's id, so that stating a fact again after a crash
    gives the same bytes.
    """
    trace_id = trace_id_of(cause) or event_id.hex
    flags = cause[-2:] if trace_id_of(cause) else "01"
    return f"00-{trace_id}-{event_id.hex[16:]}-{flags}"

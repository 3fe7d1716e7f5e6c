"""From facts to messages: derived ids, trace and causation.

Ids never come from chance. Whoever handles the same message again states the same facts under
the same ids, and their receivers' inboxes drop what they already know.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from winnow.contracts.mapping import to_message
from winnow.contracts.topics import TOPIC_BY_EVENT
from winnow.domain.events import Envelope, Event
from winnow.domain.ids import derived_uuid
from winnow.ports.bus import Message
from winnow.ports.ledger import Transaction
from winnow.telemetry.trace import traceparent_of


def messages_of(
    events: Sequence[Event],
    *,
    service: str,
    at: datetime,
    topic_prefix: str,
    cause: Envelope | None = None,
) -> list[Message]:
    """Give the messages that state these facts, in order.

    With a cause (an event handler) ids derive from it; without one (ticks, commands, ingest,
    pipeline steps) they derive from the content, so that equal facts are one fact.
    """
    return [
        to_message(_envelope(event, pos, service, at, cause), topic_prefix=topic_prefix)
        for pos, event in enumerate(events)
    ]


def state_facts(
    tx: Transaction,
    events: Sequence[Event],
    *,
    service: str,
    at: datetime,
    topic_prefix: str,
    cause: Envelope | None = None,
) -> None:
    """Leave facts in the outbox of `service`, inside this transaction."""
    messages = messages_of(events, service=service, at=at, topic_prefix=topic_prefix, cause=cause)
    if messages:
        tx.boxes.send(service, messages, at)


def _envelope(
    event: Event, pos: int, service: str, at: datetime, cause: Envelope | None
) -> Envelope:
    event_id = _event_id(event, pos, service, cause)
    return Envelope(
        event_id=event_id,
        source=service,
        time=at,
        data=event,
        traceparent=traceparent_of(event_id, cause=cause.traceparent if cause else ""),
        causation_id=str(cause.event_id) if cause else "",
    )


def _event_id(event: Event, pos: int, service: str, cause: Envelope | None) -> UUID:
    if cause is None:
        content = json.dumps(asdict(event), sort_keys=True, default=str)
        return derived_uuid(service, event.type, content)
    key = getattr(event, TOPIC_BY_EVENT[type(event)].key)
    return derived_uuid(service, cause.event_id, event.type, key, pos)

"""Inbox and outbox: what makes redelivery a no-op and publishing part of the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from winnow.adapters.sql.codec import headers_of, headers_text, time_text
from winnow.adapters.sql.driver import Session, ignoring_duplicates, inserting, limited
from winnow.adapters.sql.schema import INBOX, OUTBOX
from winnow.ports.bus import Message
from winnow.ports.ledger import OutboxRow

_SEEN = sa.select(INBOX.c.at).where(
    INBOX.c.consumer == sa.bindparam("consumer"),
    INBOX.c.source == sa.bindparam("source"),
    INBOX.c.message_id == sa.bindparam("message_id"),
)
_RECEIVE = ignoring_duplicates(INBOX)
_SEND = inserting(OUTBOX, "service", "topic", "message_key", "headers", "value", "at", "sent")
_WAITING = sa.select(sa.func.count()).where(OUTBOX.c.sent == sa.literal_column("0"))
_WAITING_OF = _WAITING.where(OUTBOX.c.service == sa.bindparam("service"))
_UNSENT = limited(
    sa.select(OUTBOX.c.seq, OUTBOX.c.topic, OUTBOX.c.message_key, OUTBOX.c.headers, OUTBOX.c.value)
    .where(
        OUTBOX.c.sent == sa.literal_column("0"),
        OUTBOX.c.service == sa.bindparam("service"),
        OUTBOX.c.seq > sa.bindparam("after"),
    )
    .order_by(OUTBOX.c.seq)
)
_SENT = (
    sa.update(OUTBOX)
    .where(OUTBOX.c.seq == sa.bindparam("sent_seq"))
    .values(sent=sa.literal_column("1"))
)


class SqlBoxes:
    """Port `Boxes` inside one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def seen(self, consumer: str, source: str, message_id: str) -> bool:
        """Tell whether the consumer already handled this message."""
        params = {"consumer": consumer, "source": source, "message_id": message_id}
        return self._session.row(_SEEN, params) is not None

    def receive(self, consumer: str, source: str, message_id: str, at: datetime) -> bool:
        """Record a message as handled; False if it already was."""
        params = {
            "consumer": consumer,
            "source": source,
            "message_id": message_id,
            "at": time_text(at),
        }
        return self._session.run(_RECEIVE, params) == 1

    def send(self, service: str, messages: Sequence[Message], at: datetime) -> None:
        """Leave messages for the relay, in order."""
        when = time_text(at)
        self._session.run_many(_SEND, [_outgoing(service, one, when) for one in messages])

    def unsent(self, service: str, limit: int, *, after: int = 0) -> Sequence[OutboxRow]:
        """Give the oldest waiting messages of a service, of those with a number above `after`."""
        params = {"service": service, "after": after, "row_limit": limit}
        rows = self._session.rows(_UNSENT, params)
        return [
            OutboxRow(seq, service, Message(topic, key, headers_of(headers), bytes(value)))
            for seq, topic, key, headers, value in rows
        ]

    def sent(self, rows: Sequence[OutboxRow]) -> None:
        """Mark rows as published."""
        self._session.run_many(_SENT, [{"sent_seq": row.seq} for row in rows])

    def backlog(self, service: str | None = None) -> int:
        """Give the number of waiting messages."""
        if service is None:
            return int(self._session.row(_WAITING)[0])
        return int(self._session.row(_WAITING_OF, {"service": service})[0])


def _outgoing(service: str, message: Message, when: str) -> dict[str, object]:
    return {
        "service": service,
        "topic": message.topic,
        "message_key": message.key,
        "headers": headers_text(message.headers),
        "value": message.value,
        "at": when,
        "sent": 0,
    }

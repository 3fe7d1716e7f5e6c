"""Outbox to bus: in order, as often as needed. What is published twice, inboxes drop."""

from __future__ import annotations

from collections.abc import Sequence

from winnow.ports.bus import DeferringPublisher, Publisher
from winnow.ports.ledger import Ledger, OutboxRow

BATCH = 500
SHOWN_MAX = 64
"""So many facts share one wait for the disk, and come twice after a crash."""


class Relay:
    """Publishes the outbox rows of some producers, and marks them once they are durable.

    A log that can defer shows facts at once, and is settled when enough of them are out or when
    none came for two steps. Until then the outbox keeps them unmarked: whatever a power cut takes
    from the log is published again.
    """

    def __init__(self, ledger: Ledger, bus: Publisher, producers: Sequence[str]) -> None:
        self._ledger = ledger
        self._bus = bus
        self._deferring = bus if isinstance(bus, DeferringPublisher) else None
        self._producers = tuple(dict.fromkeys(producers))
        self._shown: list[OutboxRow] = []
        """Published and not marked yet."""
        self._n_quiet = 0

    def step(self) -> bool:
        """Publish all that waits; tell whether there was any.

        Publish first, mark after: a crash in between publishes again.
        """
        waiting = self._waiting()
        if waiting:
            self._publish(waiting)
        self._n_quiet = 0 if waiting else self._n_quiet + 1
        if self._deferring is None or len(self._shown) >= SHOWN_MAX or self._n_quiet > 1:
            self.settle()
        return bool(waiting)

    def settle(self) -> None:
        """Mark what is published, once it is durable."""
        if not self._shown:
            return
        if self._deferring is not None:
            self._deferring.settle()
        with self._ledger.transaction() as tx:
            tx.boxes.sent(self._shown)
        self._shown = []

    def backlog(self) -> dict[str, int]:
        """Give the number of waiting messages for each producer."""
        with self._ledger.snapshot() as view:
            return {name: view.boxes.backlog(name) for name in self._producers}

    def _waiting(self) -> list[OutboxRow]:
        # A row that is committed late with an early number is found once the others are marked.
        after = max((row.seq for row in self._shown), default=0)
        with self._ledger.snapshot() as view:
            return [
                row
                for name in self._producers
                for row in view.boxes.unsent(name, BATCH, after=after)
            ]

    def _publish(self, rows: Sequence[OutboxRow]) -> None:
        messages = [row.message for row in rows]
        if self._deferring is None:
            self._bus.publish(messages)
        else:
            self._deferring.publish_deferred(messages)
        self._shown += rows

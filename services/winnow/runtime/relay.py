"""Outbox to bus: in order, as often as needed. What is published twice, inboxes drop."""

from __future__ import annotations

from collections.abc import Sequence

from winnow.ports.bus import Publisher
from winnow.ports.ledger import Ledger, OutboxRow

BATCH = 500


class Relay:
    """Publishes the outbox rows of some producers."""

    def __init__(self, ledger: Ledger, bus: Publisher, producers: Sequence[str]) -> None:
        self._ledger = ledger
        self._bus = bus
        self._producers = tuple(dict.fromkeys(producers))

    def step(self) -> bool:
        """Publish all that waits; tell whether there was any.

        Publish first, mark after: a crash in between publishes again.
        """
        with self._ledger.snapshot() as view:
            waiting = [row for name in self._producers for row in view.boxes.unsent(name, BATCH)]
        if waiting:
            self._publish(waiting)
        return bool(waiting)

    def backlog(self) -> dict[str, int]:
        """Give the number of waiting messages for each producer."""
        with self._ledger.snapshot() as view:
            return {name: view.boxes.backlog(name) for name in self._producers}

    def _publish(self, rows: Sequence[OutboxRow]) -> None:
        self._bus.publish([row.message for row in rows])
        with self._ledger.transaction() as tx:
            tx.boxes.sent(rows)

"""Deliveries in hand, partition by partition: one that backs off holds up only its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from winnow.ports.bus import Delivery

Place = tuple[str, int]


def place_of(delivery: Delivery) -> Place:
    """Give (topic, partition)."""
    return delivery.message.topic, delivery.partition


class PartitionQueues:
    """A queue for each partition, its pause, and the tries of its head."""

    def __init__(self) -> None:
        self._queues: dict[Place, deque[Delivery]] = {}
        self._not_before: dict[Place, datetime] = {}
        self._attempts: dict[Place, int] = {}

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._queues.values())

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Put deliveries behind those of their partition."""
        for delivery in deliveries:
            self._queues.setdefault(place_of(delivery), deque()).append(delivery)

    def due(self, now: datetime) -> Delivery | None:
        """Give the head of the first partition that does not back off."""
        for place, waiting in self._queues.items():
            if waiting and not self._pauses(place, now):
                return waiting[0]
        return None

    def try_again(self, delivery: Delivery) -> int:
        """Count a try; give how many there were with this one."""
        place = place_of(delivery)
        self._attempts[place] = self._attempts.get(place, 0) + 1
        return self._attempts[place]

    def defer(self, delivery: Delivery, until: datetime) -> None:
        """Let the delivery's partition pause."""
        self._not_before[place_of(delivery)] = until

    def done(self, delivery: Delivery) -> None:
        """Take the head off; its partition goes behind the others."""
        place = place_of(delivery)
        waiting = self._queues.pop(place)
        waiting.popleft()
        if waiting:
            self._queues[place] = waiting
        self._not_before.pop(place, None)
        self._attempts.pop(place, None)

    def _pauses(self, place: Place, now: datetime) -> bool:
        return place in self._not_before and now < self._not_before[place]

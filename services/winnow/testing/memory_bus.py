"""The bus as lists in memory: for tests, with everything a real log does but its durability."""

from __future__ import annotations

import threading
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from winnow.domain.errors import Retryable
from winnow.ports.bus import Delivery, Message

Place = tuple[str, int]
"""(topic, partition)"""


@dataclass
class _Group:
    committed: dict[Place, int] = field(default_factory=dict)
    members: list[MemoryConsumer] = field(default_factory=list)


class MemoryBus:
    """Topics of `n_partitions` lists each; consumer groups share them out."""

    def __init__(self, *, n_partitions: int = 3) -> None:
        self._n_partitions = n_partitions
        self._logs: dict[Place, list[Message]] = {}
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._lock = threading.RLock()

    def publish(self, messages: Sequence[Message]) -> None:
        """Append in order; all or none."""
        with self._lock:
            places = [self._place(message) for message in messages]
            for place, message in zip(places, messages, strict=True):
                self._logs[place].append(message)

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create the topics that do not exist yet."""
        with self._lock:
            for topic in topics:
                for partition in range(self._n_partitions):
                    self._logs.setdefault((topic, partition), [])

    def subscribe(self, group: str, topics: Sequence[str]) -> MemoryConsumer:
        """Join a group; its partitions are shared out anew."""
        with self._lock:
            self.ensure_topics(topics)
            consumer = MemoryConsumer(self, self._groups[group], tuple(topics))
            self._groups[group].members.append(consumer)
            self._share_out(self._groups[group])
            return consumer

    def read(self, topic: str, *, limit: int | None = None) -> Sequence[Delivery]:
        """Read a topic from its beginning, partition by partition."""
        with self._lock:
            found = [
                Delivery(message, partition, offset)
                for (name, partition), log in sorted(self._logs.items())
                if name == topic
                for offset, message in enumerate(log)
            ]
        return found[:limit]

    def topics(self) -> Sequence[str]:
        """Give the names of the topics that exist, sorted."""
        with self._lock:
            return sorted({topic for topic, _ in self._logs})

    def vanish(self, consumer: MemoryConsumer) -> None:
        """Drop a member as if it was killed: what it did not acknowledge goes to others."""
        with self._lock:
            group = consumer._group
            if consumer in group.members:
                group.members.remove(consumer)
            consumer._take([])
            self._share_out(group)

    def close(self) -> None:
        """Keep everything: other services may use the same object."""

    def _place(self, message: Message) -> Place:
        place = (message.topic, zlib.crc32(message.key.encode()) % self._n_partitions)
        if place not in self._logs:
            msg = f"topic {message.topic}: expected it to exist, found none (ensure_topics)"
            raise Retryable(msg)
        return place

    def _share_out(self, group: _Group) -> None:
        for pos, member in enumerate(group.members):
            member._take(
                [
                    (topic, partition)
                    for topic in member._topics
                    for partition in range(self._n_partitions)
                    if partition % len(group.members) == pos
                ]
            )


class MemoryConsumer:
    """One member of a group."""

    def __init__(self, bus: MemoryBus, group: _Group, topics: tuple[str, ...]) -> None:
        self._bus = bus
        self._group = group
        self._topics = topics
        self._positions: dict[Place, int] = {}

    def poll(self, timeout_seconds: float) -> Sequence[Delivery]:
        """Give everything new at once; never waits."""
        found: list[Delivery] = []
        with self._bus._lock:
            for place, position in self._positions.items():
                news = self._bus._logs[place][position:]
                found += [
                    Delivery(message, place[1], position + pos) for pos, message in enumerate(news)
                ]
                self._positions[place] = position + len(news)
        return found

    def ack(self, delivery: Delivery) -> None:
        """Commit the offset, unless the partition has gone to another member."""
        place = (delivery.message.topic, delivery.partition)
        with self._bus._lock:
            if place in self._positions:
                committed = self._group.committed.get(place, 0)
                self._group.committed[place] = max(committed, delivery.offset + 1)

    def rewind(self, delivery: Delivery) -> None:
        """Go back to this delivery."""
        place = (delivery.message.topic, delivery.partition)
        with self._bus._lock:
            if place in self._positions:
                self._positions[place] = min(self._positions[place], delivery.offset)

    def keep_alive(self) -> None:
        """Need nothing: members die only by `vanish`."""

    def lag(self) -> Mapping[str, int]:
        """Give unread messages for each topic, as committed."""
        unread = dict.fromkeys(self._topics, 0)
        with self._bus._lock:
            for place in self._positions:
                unread[place[0]] += len(self._bus._logs[place]) - self._committed(place)
        return unread

    def close(self) -> None:
        """Leave the group."""
        self._bus.vanish(self)

    def _committed(self, place: Place) -> int:
        return self._group.committed.get(place, 0)

    def _take(self, places: Sequence[Place]) -> None:
        self._positions = {
            place: self._positions.get(place, self._committed(place)) for place in places
        }

"""A member of a consumer group on the SQLite log: shares, leases, offsets."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from winnow.adapters.sqlite_log import connect, to_delivery, writing
from winnow.ports.bus import Delivery

LEASE_SECONDS = 10.0
"""How long a member may be silent before the others take its partitions."""
BEAT_SECONDS = 1.0
FETCH_MAX = 256
NAP_SECONDS = 0.01

Place = tuple[str, int]
"""(topic, partition)"""


class SqliteConsumer:
    """Takes its share of the partitions and reads them.

    A share is every n-th partition by the member's place among the n living members. A partition
    changes hands only when its holder gave it up or is dead, so two never read it at once.
    """

    def __init__(
        self,
        path: Path,
        group: str,
        topics: Sequence[str],
        *,
        now: Callable[[], float],
    ) -> None:
        self._connection = connect(path, durable=False)
        self._group = group
        self._topics = tuple(topics)
        self._now = now
        self._member = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"
        self._positions: dict[Place, int] = {}
        self._next_beat = 0.0
        self._seen_version = -1
        self._closed = False

    def poll(self, timeout_seconds: float) -> Sequence[Delivery]:
        """Give the next deliveries of this member's partitions, waiting for the first."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._beat(rebalance=True)
            found = self._fetch()
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            time.sleep(min(NAP_SECONDS, left))

    def ack(self, delivery: Delivery) -> None:
        """Commit the offset, unless the partition has gone to another member."""
        place = (delivery.message.topic, delivery.partition)
        with writing(self._connection) as connection:
            connection.execute(
                "INSERT INTO offsets SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM leases "
                "WHERE consumer_group = ?1 AND topic = ?2 AND partition = ?3 AND member = ?5) "
                "ON CONFLICT DO UPDATE SET next = max(next, excluded.next)",
                (self._group, *place, delivery.offset + 1, self._member),
            )

    def rewind(self, delivery: Delivery) -> None:
        """Go back to this delivery."""
        place = (delivery.message.topic, delivery.partition)
        if place in self._positions:
            self._positions[place] = min(self._positions[place], delivery.offset)
            self._seen_version = -1

    def keep_alive(self) -> None:
        """Renew the membership; partitions stay where they are."""
        self._beat(rebalance=False)

    def lag(self) -> Mapping[str, int]:
        """Give unread messages for each topic, over this member's partitions, as committed."""
        unread = dict.fromkeys(self._topics, 0)
        for place in self._positions:
            unread[place[0]] += self._end(place) - self._committed(place)
        return unread

    def close(self) -> None:
        """Leave the group."""
        if self._closed:
            return
        self._closed = True
        with writing(self._connection):
            self._forget([self._member])
        self._connection.close()

    def _fetch(self) -> list[Delivery]:
        # One cheap pragma instead of a query per partition: it changes with every foreign commit.
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._seen_version:
            return []
        found: list[Delivery] = []
        for place, position in self._positions.items():
            rows = self._rows(place, position)
            found += [to_delivery(row) for row in rows]
            if rows:
                self._positions[place] = rows[-1][2] + 1
        if not found:
            self._seen_version = version
        return found

    def _rows(self, place: Place, position: int) -> list[tuple[str, int, int, str, str, bytes]]:
        query = (
            "SELECT topic, partition, offset, key, headers, value FROM log "
            "WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?"
        )
        return self._connection.execute(query, (*place, position, FETCH_MAX)).fetchall()

    def _beat(self, *, rebalance: bool) -> None:
        if self._now() < self._next_beat:
            return
        with writing(self._connection) as connection:
            connection.execute(
                "INSERT INTO members VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET until = excluded.until",
                (self._group, self._member, json.dumps(self._topics), self._now() + LEASE_SECONDS),
            )
            if rebalance:
                self._rebalance()
            places = self._leased()
        self._take(places)
        self._next_beat = self._now() + BEAT_SECONDS

    def _rebalance(self) -> None:
        rows = self._connection.execute(
            "SELECT member, topics, until FROM members WHERE consumer_group = ? ORDER BY member",
            (self._group,),
        ).fetchall()
        dead = [member for member, _, until in rows if until <= self._now() or _is_gone(member)]
        self._forget(dead)
        share = self._share({m: json.loads(topics) for m, topics, _ in rows if m not in dead})
        mine = (self._group, self._member)
        for topic, partition in set(self._leased()) - share:
            self._connection.execute(
                "DELETE FROM leases WHERE consumer_group = ? AND member = ? "
                "AND topic = ? AND partition = ?",
                (*mine, topic, partition),
            )
        self._connection.executemany(
            "INSERT OR IGNORE INTO leases VALUES (?, ?, ?, ?)",
            [(self._group, topic, partition, self._member) for topic, partition in share],
        )

    def _share(self, topics_by_member: Mapping[str, Sequence[str]]) -> set[Place]:
        share: set[Place] = set()
        for topic in self._topics:
            readers = [m for m, topics in topics_by_member.items() if topic in topics]
            pos = readers.index(self._member)
            share |= {(topic, p) for p in range(pos, self._n_partitions(topic), len(readers))}
        return share

    def _n_partitions(self, topic: str) -> int:
        query = "SELECT n_partitions FROM topics WHERE topic = ?"
        return int(self._connection.execute(query, (topic,)).fetchone()[0])

    def _leased(self) -> list[Place]:
        query = (
            "SELECT topic, partition FROM leases WHERE consumer_group = ? AND member = ? "
            "ORDER BY topic, partition"
        )
        return self._connection.execute(query, (self._group, self._member)).fetchall()

    def _take(self, places: Sequence[Place]) -> None:
        if set(places) == set(self._positions):
            return
        self._positions = {
            place: self._positions.get(place, self._committed(place)) for place in places
        }
        self._seen_version = -1

    def _forget(self, members: Sequence[str]) -> None:
        for table in ("members", "leases"):
            self._connection.executemany(
                f"DELETE FROM {table} WHERE consumer_group = ? AND member = ?",
                [(self._group, member) for member in members],
            )

    def _committed(self, place: Place) -> int:
        query = "SELECT next FROM offsets WHERE consumer_group = ? AND topic = ? AND partition = ?"
        return self._one(query, (self._group, *place))

    def _end(self, place: Place) -> int:
        return self._one("SELECT max(offset) + 1 FROM log WHERE topic = ? AND partition = ?", place)

    def _one(self, query: str, arguments: tuple[object, ...]) -> int:
        row: tuple[int | None] | None
        row = self._connection.execute(query, arguments).fetchone()
        return (row[0] or 0) if row else 0


def _is_gone(member: str) -> bool:
    """Tell whether a member's process is known to be dead: no need to wait for its lease."""
    host, pid, _ = member.split("/")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False

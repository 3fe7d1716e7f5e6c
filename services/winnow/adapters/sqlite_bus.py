"""The bus as a SQLite file: for one process or several on one machine."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from winnow.adapters.sqlite_consumer import LEASE_SECONDS, SqliteConsumer
from winnow.adapters.sqlite_log import connect, to_delivery, to_text, writing
from winnow.domain.errors import Retryable
from winnow.ports.bus import Delivery, Message

PARTITIONS = 4
"""As many processes as can share one service's work on one machine."""


class SqliteBus:
    """A log file; `now` gives the seconds by which leases run out."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._connection = connect(path, durable=True)
        self._n_partitions: dict[str, int] = {}

    def publish(self, messages: Sequence[Message]) -> None:
        """Append in order, in one transaction: all or none."""
        with self._lock:
            self._append_all(messages)

    def publish_deferred(self, messages: Sequence[Message]) -> None:
        """Append as `publish` does, without waiting for the disk."""
        with self._lock:
            self._connection.execute("PRAGMA synchronous=NORMAL")
            try:
                self._append_all(messages)
            finally:
                self._connection.execute("PRAGMA synchronous=FULL")

    def settle(self) -> None:
        """Commit one durable write: syncing the log syncs all that was written before it."""
        with self._lock, writing(self._connection) as connection:
            connection.execute(
                "INSERT INTO settled VALUES (1, 1) ON CONFLICT DO UPDATE SET times = times + 1"
            )

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create the topics that do not exist yet."""
        with self._lock, writing(self._connection) as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO topics VALUES (?, ?)",
                [(topic, PARTITIONS) for topic in topics],
            )

    def subscribe(self, group: str, topics: Sequence[str]) -> SqliteConsumer:
        """Join a group; partitions come at the first poll."""
        self.ensure_topics(topics)
        return SqliteConsumer(self._path, group, topics, now=self._now)

    def read(self, topic: str, *, limit: int | None = None) -> Sequence[Delivery]:
        """Read a topic from its beginning, partition by partition."""
        query = (
            "SELECT topic, partition, offset, key, headers, value FROM log "
            "WHERE topic = ? ORDER BY partition, offset LIMIT ?"
        )
        with closing(connect(self._path, durable=False)) as connection:
            rows = connection.execute(query, (topic, -1 if limit is None else limit))
            return [to_delivery(row) for row in rows]

    def topics(self) -> Sequence[str]:
        """Give the names of the topics that exist, sorted."""
        with closing(connect(self._path, durable=False)) as connection:
            rows = connection.execute("SELECT topic FROM topics ORDER BY topic")
            return [topic for (topic,) in rows]

    def unread(self, group: str, topic: str) -> int:
        """Give the messages of a topic that a group has not acknowledged, joined or not."""
        query = (
            "SELECT coalesce(sum(ends.next - coalesce(offsets.next, 0)), 0) FROM "
            "(SELECT topic, partition, max(offset) + 1 AS next FROM log WHERE topic = ?2 "
            "GROUP BY partition) AS ends LEFT JOIN offsets ON consumer_group = ?1 "
            "AND offsets.topic = ends.topic AND offsets.partition = ends.partition"
        )
        with self._lock:
            return int(self._connection.execute(query, (group, topic)).fetchone()[0])

    def has_member(self, group: str, *, since: float) -> bool:
        """Tell whether any member of a group was heard of at or after this time of `now`."""
        query = "SELECT count(*) FROM members WHERE consumer_group = ? AND until >= ?"
        with self._lock:
            row = self._connection.execute(query, (group, since + LEASE_SECONDS)).fetchone()
        return bool(row[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _append_all(self, messages: Sequence[Message]) -> None:
        if messages:
            with writing(self._connection):
                for message in messages:
                    self._append(message)

    def _append(self, message: Message) -> None:
        partition = zlib.crc32(message.key.encode()) % self._partitions_of(message.topic)
        self._connection.execute(
            "INSERT INTO log SELECT ?1, ?2, coalesce(max(offset) + 1, 0), ?3, ?4, ?5 "
            "FROM log WHERE topic = ?1 AND partition = ?2",
            (message.topic, partition, message.key, to_text(message.headers), message.value),
        )

    def _partitions_of(self, topic: str) -> int:
        if topic not in self._n_partitions:
            query = "SELECT n_partitions FROM topics WHERE topic = ?"
            row = self._connection.execute(query, (topic,)).fetchone()
            if row is None:
                msg = f"topic {topic}: expected it to exist, found none (ensure_topics)"
                raise Retryable(msg)
            self._n_partitions[topic] = row[0]
        return self._n_partitions[topic]

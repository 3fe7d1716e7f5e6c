"""The tables of ring 1's message log and how to open them.

Publishing waits for the disk (`synchronous=FULL`) or for a `settle` that does; offsets and leases
do not, because losing them in a power cut only brings messages again, which inboxes drop. A power
cut takes the newest commits of this one file and no others: no offset outlives its message.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from winnow.adapters.disk_errors import is_broken, told
from winnow.domain.errors import IntegrityError, Retryable
from winnow.ports.bus import Delivery, received

SCHEMA = """
CREATE TABLE IF NOT EXISTS topics (topic TEXT PRIMARY KEY, n_partitions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS log (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    key TEXT NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offsets (
    consumer_group TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    next INTEGER NOT NULL, PRIMARY KEY (consumer_group, topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    consumer_group TEXT NOT NULL, member TEXT NOT NULL, topics TEXT NOT NULL,
    until REAL NOT NULL, PRIMARY KEY (consumer_group, member)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    consumer_group TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    member TEXT NOT NULL, PRIMARY KEY (consumer_group, topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settled (one INTEGER PRIMARY KEY, times INTEGER NOT NULL);
"""
BUSY_SECONDS = 30.0


def connect(path: Path, *, durable: bool) -> sqlite3.Connection:
    """Open the log, creating it if need be; `durable` writes wait for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except sqlite3.OperationalError as error:
        raise _retryable(path, error) from error
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        if not _has_schema(connection):
            connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}COMMIT;")
    except sqlite3.OperationalError as error:
        connection.close()
        raise _retryable(path, error) from error
    except sqlite3.DatabaseError as error:
        connection.close()
        if not is_broken(error):
            raise
        msg = f"message log {path}: expected a file that Winnow wrote, found: {error}"
        raise IntegrityError(msg) from error
    return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hold the one write lock; commit at the end, roll back on a raise.

    Raises
    ------
    Retryable
        The disk is full or the lock could not be had: nothing was written.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            raise _retryable("message log", error) from error
        raise


def to_text(headers: Mapping[str, bytes]) -> str:
    """Give headers as JSON: readable where they are UTF-8, base64 (in a list) where not."""
    return json.dumps({name: _text_or_base64(value) for name, value in headers.items()})


def to_delivery(row: tuple[str, int, int, str, str, bytes]) -> Delivery:
    """Give the delivery of a row (topic, partition, offset, key, headers, value)."""
    topic, partition, offset, key, headers, value = row
    decoded = {
        name: b64decode(text[0]) if isinstance(text, list) else text.encode()
        for name, text in json.loads(headers).items()
    }
    return Delivery(received(topic, key, decoded, value), partition, offset)


def _text_or_base64(value: bytes) -> str | list[str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return [b64encode(value).decode()]


def _has_schema(connection: sqlite3.Connection) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = 'settled'"
    return bool(connection.execute(query).fetchone()[0])


def _retryable(what: object, error: sqlite3.Error) -> Retryable:
    return Retryable(f"{what}: expected to write, found: {told(error)}")

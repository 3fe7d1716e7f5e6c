"""From a URL in the settings to an adapter. Clients are imported only where they are chosen."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from winnow.domain.errors import BadInput
from winnow.ports.blobs import Blobs
from winnow.ports.bus import Bus
from winnow.ports.ledger import Ledger


def connect_ledger(url: str) -> Ledger:
    """Open `sqlite:///path` or `postgresql+psycopg://user:password@host/database`."""
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        from winnow.adapters.sqlite_ledger import SqliteLedger

        return SqliteLedger(_path(url))
    if scheme.startswith("postgresql"):
        from winnow.adapters.postgres_ledger import PostgresLedger

        return PostgresLedger(url)
    raise _unknown("ledger", scheme, "sqlite, postgresql+psycopg")


def connect_bus(url: str) -> Bus:
    """Open `sqlite:///path` or `kafka://user:password@host:port,host:port?tls_ca=/path`."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        from winnow.adapters.sqlite_bus import SqliteBus

        return SqliteBus(_path(url))
    if parts.scheme == "kafka":
        from winnow.adapters.kafka_bus import KafkaBus
        from winnow.adapters.kafka_settings import kafka_settings

        return KafkaBus(kafka_settings(url))
    raise _unknown("bus", parts.scheme, "sqlite, kafka")


def connect_blobs(url: str) -> Blobs:
    """Open `file:///path` or `s3://key:secret@host:port/bucket?secure=false&region=…`."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        from winnow.adapters.file_blobs import FileBlobs

        return FileBlobs(_path(url))
    if parts.scheme == "s3":
        from winnow.adapters.s3_blobs import S3Blobs

        query = parse_qs(parts.query)
        return S3Blobs(
            endpoint=f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname),
            bucket=parts.path.strip("/"),
            access_key=unquote(parts.username or ""),
            secret_key=unquote(parts.password or ""),
            secure=query.get("secure", ["true"])[0] != "false",
            region=query.get("region", [None])[0],
        )
    raise _unknown("blobs", parts.scheme, "file, s3")


def _path(url: str) -> Path:
    # `sqlite:////tmp/x` and `sqlite:///tmp/x` are the same absolute path.
    return Path("/", unquote(urlsplit(url).path).lstrip("/"))


def _unknown(what: str, scheme: str, known: str) -> BadInput:
    return BadInput(f"{what} URL: expected one of {known}, found scheme {scheme!r}")

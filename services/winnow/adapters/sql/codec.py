"""How values lie in columns: text that sorts and reads the same in both databases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from winnow.domain.errors import BadInput


def time_text(at: datetime) -> str:
    """Give UTC ISO 8601 with microseconds: fixed width, so that text order is time order."""
    if at.tzinfo is None:
        msg = f"time: expected one with a time zone, found {at.isoformat()}"
        raise BadInput(msg)
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def optional_time_text(at: datetime | None) -> str | None:
    """Give `time_text`, or None for None."""
    return None if at is None else time_text(at)


def time_of(text: str) -> datetime:
    """Give back the time."""
    return datetime.fromisoformat(text)


def optional_time_of(text: str | None) -> datetime | None:
    """Give back the time, or None for None."""
    return None if text is None else datetime.fromisoformat(text)


def headers_text(headers: Mapping[str, bytes]) -> str:
    """Give JSON; Latin-1 maps every byte to one character and back."""
    return json.dumps({name: value.decode("latin-1") for name, value in headers.items()})


def headers_of(text: str) -> dict[str, bytes]:
    """Give back the headers."""
    return {name: value.encode("latin-1") for name, value in json.loads(text).items()}

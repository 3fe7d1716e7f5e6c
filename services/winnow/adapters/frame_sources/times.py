"""Times as sources write them."""

from __future__ import annotations

from datetime import UTC, datetime

from winnow.domain.errors import BadInput


def time_of(text: object) -> datetime:
    """Read a time in ISO 8601; without a zone it is UTC.

    Raises
    ------
    BadInput
        It is none.
    """
    try:
        found = datetime.fromisoformat(str(text))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = f"expected a time such as 2026-03-01T08:30:00Z, found {text!r}"
        raise BadInput(msg) from error

"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """UTC time of this machine."""

    def now(self) -> datetime:
        """Give the current UTC time."""
        return datetime.now(UTC)

"""A clock that tests turn by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until told otherwise."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Give the time it was turned to."""
        return self._now

    def advance(self, **duration: float) -> None:
        """Turn it forward; keywords as for `timedelta`."""
        self._now += timedelta(**duration)

"""Time and identity as a port, so that tests drive them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Gives the current time. The only one that services may ask."""

    def now(self) -> datetime:
        """Give the current UTC time (aware)."""
        ...

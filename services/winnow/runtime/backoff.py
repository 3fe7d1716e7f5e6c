"""How long to wait before the next try."""

from __future__ import annotations

import zlib
from datetime import timedelta

FIRST_SECONDS = 0.2


def backoff(attempt: int, *, seconds_max: float, salt: str) -> timedelta:
    """Give the pause after a failed try: doubled each time, with half of it as jitter.

    Parameters
    ----------
    attempt
        Number of tries so far, from 1.
    salt
        Identity of what is tried: jitter derives from it, so that many who fail together spread
        out, and a test sees the same pauses each time.
    """
    ceiling = min(seconds_max, FIRST_SECONDS * 2 ** min(attempt - 1, 32))
    spread = zlib.crc32(f"{salt}/{attempt}".encode()) / 0xFFFFFFFF
    return timedelta(seconds=ceiling * (0.5 + 0.5 * spread))

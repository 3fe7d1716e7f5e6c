"""What a vehicle can send and keep, and what that means for each of its segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from winnow.strategies.protocol import Flags
from winnow.strategies.segments import Segment

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LastChance = Literal["first", "alike"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """What the vehicle can send and keep."""

    budget_bytes: int
    """Bandwidth of this upload window."""
    storage_bytes: int | None = None
    """What it keeps until the next window: all it chose, and the newest of the rest."""
    now_us: int
    """Microseconds since 1970. Segments whose deadline has passed are gone."""
    next_window_us: int | None = None
    """When it can upload again: what it keeps no longer than that has its last chance now."""
    last_chance: LastChance = "first"
    """`first`: segments with a last chance go before all others; `alike`: by worth alone."""

    @property
    def capacity_bytes(self) -> int:
        """Give what may be chosen: what is sent must be kept until it has arrived."""
        if self.storage_bytes is None:
            return self.budget_bytes
        return min(self.budget_bytes, self.storage_bytes)


@dataclass(frozen=True, slots=True)
class Chance:
    """Which segments may be chosen, and which of them only now."""

    open_G: Flags
    last_G: Flags
    gone_G: Flags
    capacity_bytes: int

    @classmethod
    def of(
        cls, segments: Sequence[Segment], sizes_G: npt.NDArray[np.int64], limits: UploadLimits
    ) -> Chance:
        """Read it from deadlines, sizes and what the storage holds."""
        deadlines = [segment.deadline_us for segment in segments]
        gone_G = np.array([one is not None and one < limits.now_us for one in deadlines])
        last_G = ~held(segments, sizes_G, limits.storage_bytes, ~gone_G)
        if limits.next_window_us is not None:
            end = limits.next_window_us
            last_G |= np.array([one is not None and one < end for one in deadlines])
        open_G = ~gone_G & (sizes_G <= limits.capacity_bytes)
        return cls(open_G, last_G & ~gone_G, gone_G, limits.capacity_bytes)


def held(
    segments: Sequence[Segment],
    sizes_G: npt.NDArray[np.int64],
    storage_bytes: int | None,
    present_G: Flags,
) -> Flags:
    """Tell what a store of this size holds when the oldest segments are overwritten first."""
    if storage_bytes is None:
        return present_G
    newest = sorted(
        np.flatnonzero(present_G).tolist(),
        key=lambda group: (-segments[group].captured_until_us, segments[group].name),
    )
    fits = np.cumsum(sizes_G[newest]) <= storage_bytes
    held_G = np.zeros(len(segments), dtype=np.bool_)
    held_G[np.asarray(newest, dtype=np.intp)[fits]] = True
    return held_G


def told(moment_us: int) -> str:
    """Give a moment as people read it."""
    return (EPOCH + timedelta(microseconds=moment_us)).isoformat()

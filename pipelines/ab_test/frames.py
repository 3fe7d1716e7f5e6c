"""The frames of a comparison: what is known of each, decoded once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.domain.boxes import Box

Positions = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame with its true boxes, as somebody who looks at it would label it."""

    frame_id: str
    session: str
    captured_us: int
    """Microseconds since 1970, or the place in the source where it tells no times."""
    tags: Mapping[str, str]
    """With `site`."""
    size: tuple[int, int]
    """Width and height in pixels."""
    boxes: tuple[Box, ...]

    def n_objects(self, classes: Collection[str]) -> int:
        """Give how many of its objects are of these classes."""
        return sum(box.class_name in classes for box in self.boxes)

    def has(self, wanted: Mapping[str, Collection[str]]) -> bool:
        """Tell whether each named tag has one of its wanted values."""
        return all(self.tags.get(name, "") in values for name, values in wanted.items())


def in_time(frames: Sequence[Frame], positions: Positions) -> list[Positions]:
    """Give the positions session by session, each in the order in which it was recorded."""
    sessions: dict[str, list[int]] = {}
    for pos in positions.tolist():
        sessions.setdefault(frames[pos].session, []).append(pos)
    return [
        np.array(sorted(run, key=lambda pos: (frames[pos].captured_us, frames[pos].frame_id)))
        for _, run in sorted(sessions.items())
    ]

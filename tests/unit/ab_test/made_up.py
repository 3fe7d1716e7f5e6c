"""Frames made for the tests of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from ab_test.frames import Frame
from winnow.domain.boxes import Box


def recording(
    session: str, persons: Sequence[int], *, time_of_day: str = "night", first_us: int = 0
) -> list[Frame]:
    """Give a session whose frames show so many persons, one each second."""
    return [
        Frame(
            frame_id=f"{session}-{place:03d}",
            session=session,
            captured_us=first_us + place * 1_000_000,
            tags={"time_of_day": time_of_day, "site": "depot"},
            size=(64, 48),
            boxes=tuple(Box("person", 2 * k, 0, 2, 4) for k in range(n)),
        )
        for place, n in enumerate(persons)
    ]

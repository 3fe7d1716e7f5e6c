"""The curator takes the densest stretches of frames with the wanted tags, up to the count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab_test.curation import Curation
from ab_test.frames import Frame
from tests.unit.ab_test.made_up import recording
from winnow.domain.errors import BadInput

NIGHT = {"time_of_day": frozenset({"night"})}


def curated(frames: list[Frame], n: int, segment_frames: int = 3) -> list[str]:
    curation = Curation(("person",), NIGHT, segment_frames)
    chosen = curation.choose(frames, np.arange(len(frames)), n)
    return [frames[pos].frame_id for pos in chosen.tolist()]


def test_the_densest_stretch_comes_first_and_the_last_is_cut_to_its_best_part() -> None:
    frames = recording("a", [0, 0, 4, 4, 4, 0]) + recording("b", [0, 3, 3, 0, 2])
    assert curated(frames, 5) == ["a-002", "a-003", "a-004", "b-001", "b-002"]


def test_what_a_stretch_leaves_of_a_recording_is_taken_before_emptier_ones() -> None:
    frames = recording("a", [5, 5, 5, 4, 4]) + recording("b", [0, 1, 0])
    assert curated(frames, 5) == [f"a-{place:03d}" for place in range(5)]
    # Longer leftovers are cut into stretches as any recording is.
    frames = recording("a", [3, 3, 9, 9, 9, 2, 2, 2, 1]) + recording("b", [1, 1, 2])
    assert curated(frames, 11) == [
        *("a-002", "a-003", "a-004", "a-000", "a-001", "a-005", "a-006", "a-007"),
        *("b-000", "b-001", "b-002"),
    ]


def test_daytime_is_not_looked_at() -> None:
    frames = recording("day", [9, 9, 9], time_of_day="day") + recording("night", [0, 1, 0])
    assert curated(frames, 3) == ["night-000", "night-001", "night-002"]


def test_stretches_follow_the_time_of_capture_not_the_order_of_the_pool() -> None:
    frames = recording("a", [0, 0, 5, 5, 5, 0])[::-1]
    assert curated(frames, 3) == ["a-002", "a-003", "a-004"]


def test_too_few_frames_are_refused_with_what_was_wanted() -> None:
    with pytest.raises(
        BadInput, match=r"expected 4 frames with time_of_day in \['night'\], found 3"
    ):
        curated(recording("a", [1, 1, 1]), 4)


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=12), min_size=1, max_size=5),
    st.integers(1, 5),
    st.data(),
)
def test_exactly_n_different_frames_whatever_the_recordings(
    sessions: list[list[int]], segment_frames: int, data: st.DataObject
) -> None:
    frames = [f for number, run in enumerate(sessions) for f in recording(f"s{number}", run)]
    n = data.draw(st.integers(0, len(frames)))
    found = curated(frames, n, segment_frames)
    assert len(found) == len(set(found)) == n

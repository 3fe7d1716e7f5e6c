"""What may not come into a batch together, each constraint against brute force."""

from __future__ import annotations

import copy
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints.caps import AtMost
from winnow.constraints.money import WithinMoney
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.constraints.quotas import AtLeast, Minimums
from winnow.constraints.temporal_gap import TemporalGap
from winnow.constraints.timeline import UNKNOWN_TIME
from winnow.domain.errors import BadInput
from winnow.strategies.protocol import Constraint

SECOND = 1_000_000
SESSIONS = st.sampled_from(["a", "b", "c", ""])
TIMES = st.one_of(st.integers(0, 12), st.sampled_from([UNKNOWN_TIME, UNKNOWN_TIME + 1, 2**63 - 1]))
FRAMES = st.lists(st.tuples(SESSIONS, TIMES), max_size=12)


def columns(frames: list[tuple[str, int]]) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    sessions = np.array([session for session, _ in frames], dtype="U4")
    return sessions, np.array([us for _, us in frames], dtype=np.int64)


def near(one: tuple[str, int], other: tuple[str, int], gap: int) -> bool:
    known = one[0] and UNKNOWN_TIME not in (one[1], other[1])
    return bool(known) and one[0] == other[0] and abs(one[1] - other[1]) < gap


def walk(constraint: Constraint, n: int, order: list[int]) -> tuple[list[int], list[set[int]]]:
    """Take frames in this order where they are open; give them and what was closed by then."""
    closed = set(constraint.closes(None).tolist())
    taken, states = list[int](), [set(closed)]
    for pos in order:
        if pos in closed or pos in taken or pos >= n:
            continue
        taken.append(pos)
        closed |= set(constraint.closes(pos).tolist())
        states.append(closed - set(taken))
    return taken, states


@given(frames=FRAMES, labeled=FRAMES, gap=st.sampled_from([0, 1, 2, 5, 2**62]), data=st.data())
def test_frames_closer_than_the_gap_to_a_chosen_or_labeled_one_are_closed(
    frames: list[tuple[str, int]], labeled: list[tuple[str, int]], gap: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(frames))))
    constraint = TemporalGap(*columns(frames), gap, *columns(labeled))
    taken, states = walk(constraint, len(frames), order)
    for step, closed in enumerate(states):
        chosen = [frames[pos] for pos in taken[:step]]
        expected = {
            pos
            for pos, frame in enumerate(frames)
            if pos not in taken[:step]
            and any(near(frame, other, gap) for other in chosen + labeled)
        }
        assert closed == expected
    for pos in states[-1]:
        assert "s from a" in constraint.reason(pos)


@given(frames=FRAMES, gap=st.sampled_from([0, 1, 2, 5]), enough=st.integers(0, 12))
def test_the_most_frames_with_a_gap_between_them(
    frames: list[tuple[str, int]], gap: int, enough: int
) -> None:
    frames = frames[:8]
    best = max(
        size
        for size in range(len(frames) + 1)
        for chosen in combinations(frames, size)
        if not any(near(*pair, gap) for pair in combinations(chosen, 2))
    )
    found = TemporalGap(*columns(frames), gap).most_of(np.arange(len(frames)), enough)
    assert found == min(best, enough)


def test_reasons_of_the_gap_name_the_distance() -> None:
    sessions, times = columns([("a", 0), ("a", SECOND // 2), ("a", 3 * SECOND), ("b", 0)])
    gap = TemporalGap(sessions, times, 2 * SECOND, np.array(["b"]), np.array([SECOND]))
    assert gap.closes(None).tolist() == [3]
    assert gap.closes(0).tolist() == [0, 1]
    assert gap.reason(1) == (
        "temporal_gap: 0.5 s from a chosen frame of its session, at least 2 s are asked"
    )
    assert gap.reason(3).startswith("temporal_gap: 1 s from a labeled or held frame")


def test_a_million_sessions_of_one_frame_are_nothing_special() -> None:
    n = 1_000_000
    sessions = np.arange(n).astype("U7")
    gap = TemporalGap(sessions, np.zeros(n, dtype=np.int64), SECOND)
    cap = AtMost(sessions, 1, "session")
    assert not len(gap.closes(None))
    assert not len(cap.closes(None))
    for pos in (0, 7, n - 1):
        assert gap.closes(pos).tolist() == cap.closes(pos).tolist() == [pos]
    assert gap.most_of(np.arange(n), 100) == cap.most_of(np.arange(n), 100) == 100


def test_a_negative_gap_and_missing_times_are_refused() -> None:
    with pytest.raises(BadInput, match="found -1 microseconds"):
        TemporalGap(*columns([("a", 0)]), -1)
    with pytest.raises(BadInput, match="one time for each session of the frames, found 0 for 1"):
        TemporalGap(np.array(["a"]), np.empty(0, dtype=np.int64), 1)
    with pytest.raises(BadInput, match="of the labeled frames, found 2 for 1"):
        TemporalGap(*columns([("a", 0)]), 1, np.array(["a"]), np.array([1, 2]))


@given(
    groups=st.lists(SESSIONS, max_size=14),
    labeled=st.lists(st.sampled_from(["a", "b", "z", ""]), max_size=5),
    most=st.one_of(
        st.integers(0, 4), st.dictionaries(st.sampled_from(["a", "b", "z"]), st.integers(0, 4))
    ),
    data=st.data(),
)
def test_caps_count_chosen_and_labeled_frames_of_a_group(
    groups: list[str], labeled: list[str], most: int | dict[str, int], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(groups))))
    cap = AtMost(np.array(groups, dtype="U2"), most, "session", np.array(labeled, dtype="U3"))

    def full(group: str, taken: list[int]) -> bool:
        limit = most.get(group) if isinstance(most, dict) else most
        count = [groups[pos] for pos in taken].count(group) + labeled.count(group)
        return bool(group) and limit is not None and count >= limit

    bound = cap.most_of(np.arange(len(groups)), 99)
    taken, states = walk(cap, len(groups), order)
    for step, closed in enumerate(states):
        done = taken[:step]
        assert closed == {p for p, g in enumerate(groups) if full(g, done) and p not in done}
    assert len(taken) == bound  # caps of one column: any greedy choice is a largest one
    assert all(cap.reason(pos).startswith("at_most_per_session: ") for pos in states[-1])


def test_caps_of_numbers_and_what_they_say() -> None:
    cap = AtMost(np.array([3, 3, 4]), {3: 1}, "robot", np.array([4]))
    assert cap.closes(None).tolist() == []
    assert cap.closes(0).tolist() == [0, 1]
    assert cap.reason(1) == "at_most_per_robot: 1 frames of robot 3 are in, at most 1 may be"
    assert cap.cap_of(3) == 0
    assert cap.cap_of(4) is None
    with pytest.raises(BadInput, match="caps of 0 or more"):
        AtMost(np.array(["a"]), -1, "site")
    with pytest.raises(BadInput, match="'a': -2"):
        AtMost(np.array(["a"]), {"a": -2}, "site")


def test_a_cluster_of_a_labeled_frame_is_closed_and_a_frame_without_cluster_never() -> None:
    one = OnePerCluster(np.array(["x", "", "y", "y", ""]), np.array(["x"]))
    assert one.closes(None).tolist() == [0]
    assert one.reason(0) == "one_per_cluster: a frame of cluster x is labeled"
    assert one.closes(1).tolist() == []
    assert one.closes(2).tolist() == [2, 3]
    assert one.reason(3) == "one_per_cluster: a frame of cluster y is chosen"


@given(
    prices=st.lists(st.integers(0, 9), max_size=12),
    money=st.integers(-1, 60),
    data=st.data(),
)
def test_what_costs_more_than_is_left_is_closed(
    prices: list[int], money: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(prices))))
    within = WithinMoney(np.array(prices, dtype=np.int64), money)
    best = max(
        [
            size
            for size in range(len(prices) + 1)
            if size == 0 or sum(sorted(prices)[:size]) <= money
        ]
    )
    assert within.most_of(np.arange(len(prices)), 99) == best
    taken, states = walk(within, len(prices), order)
    for step, closed in enumerate(states):
        left = money - sum(prices[pos] for pos in taken[:step])
        done = taken[:step]
        assert closed == {p for p, price in enumerate(prices) if price > left and p not in done}
    assert within.left_micros == money - sum(prices[pos] for pos in taken)
    assert sum(prices[pos] for pos in taken) <= max(money, 0)


def test_a_negative_price_is_refused() -> None:
    with pytest.raises(BadInput, match="row 1 has -4"):
        WithinMoney(np.array([1, -4]), 10)


def test_prices_in_dollars_are_refused_instead_of_costing_nothing() -> None:
    prices: Any = [0.08, 0.9, 1.2]
    with pytest.raises(BadInput, match="price_micros_N: expected whole numbers of micros, found f"):
        WithinMoney(prices, 1)
    with pytest.raises(BadInput, match="price_micros_N: expected whole numbers of micros, found f"):
        AtLeast([Minimums(np.array(["fog"] * 3), {"fog": 1}, "weather")], prices, 1)


def test_columns_may_be_lists_and_times_those_of_a_table() -> None:
    sessions: Any = np.array(["a", "a", "b", ""], dtype=object)  # as a table of pandas holds them
    times: Any = np.array(["2026-03-01T00:00:00.5", "2026-03-01T00:00:01", "2026-03-01", "NaT"])
    times = times.astype("datetime64[ns]")
    gap = TemporalGap(sessions, times, SECOND, sessions[1:2].tolist(), times[1:2])
    assert gap.closes(None).tolist() == [0, 1]
    assert TemporalGap(sessions.tolist(), times, SECOND).closes(0).tolist() == [0, 1]
    prices: Any = [3, 1, 2]
    assert WithinMoney(prices, 2).closes(None).tolist() == [0]
    for cap in (AtMost(sessions, 1, "session"), AtMost(sessions.tolist(), 1, "session")):
        assert cap.closes(1).tolist() == [0, 1]
    assert AtMost(sessions, 1, "session", ["b"]).closes(None).tolist() == [2]  # type: ignore[arg-type]


@pytest.mark.parametrize("times", [[0.0, 1.5], ["0", "1"]])
def test_times_whose_unit_nobody_can_tell_are_refused(times: Any) -> None:
    with pytest.raises(BadInput, match="captured_us_N: expected whole numbers of microseconds"):
        TemporalGap(np.array(["a", "a"]), times, SECOND)
    with pytest.raises(BadInput, match="labeled_captured_us_L: expected whole numbers of micro"):
        TemporalGap(np.array(["a"]), np.array([0]), SECOND, np.array(["a", "a"]), times)


def test_money_larger_than_any_sum_of_floats_is_counted_exactly() -> None:
    within = WithinMoney(np.array([2**62, 2**62, 1]), 2**63)
    assert [within.closes(pos).tolist() for pos in (None, 0)] == [[], []]
    assert within.closes(1).tolist() == [2, 0, 1]
    assert within.left_micros == 0


def test_a_copy_of_a_constraint_goes_its_own_way() -> None:
    sessions, times = columns([("a", 0), ("a", 1), ("b", 0)])
    originals: list[Constraint] = [
        AtMost(sessions, 1, "session"),
        TemporalGap(sessions, times, 5),
        WithinMoney(np.array([3, 3, 3]), 5),
    ]
    for original in originals:
        copied = copy.deepcopy(original)
        copied.closes(None)
        copied.closes(0)
        assert original.closes(None).tolist() == []
        assert 1 in original.closes(0).tolist()

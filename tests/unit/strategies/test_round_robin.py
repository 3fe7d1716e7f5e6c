"""Classes take turns: against a loop of ten lines, with probabilities and with columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints.caps import AtMost
from winnow.domain.errors import BadInput
from winnow.strategies import descending
from winnow.strategies.descending import Descending
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import Candidates
from winnow.strategies.round_robin import RoundRobin
from winnow.strategies.top_k import by_score


def ids(n: int) -> npt.NDArray[np.str_]:
    return np.array([f"{i:032x}" for i in range(n)], dtype=np.str_)


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20),
    share=st.floats(0, 1),
)
def test_turns_are_those_of_a_plain_loop(rows: list[tuple[int, int]], share: float) -> None:
    n = round(len(rows) * share)
    columns = {f"mi_{c}": np.array([float(row[c]) for row in rows]) for c in (0, 1)}
    picks = RoundRobin(columns=("mi_1", "mi_0")).choose(
        Candidates(ids(len(rows)), columns=columns), n, seed=0
    )
    left, expected = list(range(len(rows))), []
    for turn in range(n):
        best = max(left, key=lambda pos: (rows[pos][1 - turn % 2], -pos))
        expected.append(best)
        left.remove(best)
    assert [pick.pos for pick in picks] == expected


def test_a_class_of_the_committee_counts_by_probability_times_score() -> None:
    probs = np.array([[[0.9, 0.1]], [[0.5, 0.5]], [[0.2, 0.8]], [[0.6, 0.4]]], dtype=np.float32)
    pool = Candidates(ids(4), scores_N=np.array([0.1, 1.0, 0.5, 1.0]), probs_NMC=probs)
    picks = RoundRobin().choose(pool, 4, seed=0)
    assert [pick.pos for pick in picks] == [3, 1, 2, 0]
    assert [pick.reason for pick in picks[:2]] == [
        "class 0: score 0.6, turn 1",
        "class 1: score 0.5, turn 1",
    ]
    only = RoundRobin(classes=(1,)).choose(pool, 2, seed=0)
    assert [pick.pos for pick in only] == [1, 2]


def test_a_class_whose_best_is_closed_takes_its_next() -> None:
    columns = {"a": np.array([3.0, 2.0, 1.0, 0.0]), "b": np.array([3.0, 2.0, 0.0, 1.0])}
    cap = AtMost(np.array(["s", "s", "t", "u"]), 1, "session")
    picks = RoundRobin(columns=("a", "b")).choose(
        Candidates(ids(4), columns=columns), 3, seed=0, constraints=[cap]
    )
    assert [pick.pos for pick in picks] == [0, 3, 2]


def test_what_a_class_is_must_be_clear() -> None:
    pool = Candidates(
        ids(1),
        scores_N=np.ones(1),
        probs_NMC=np.ones((1, 1, 1), dtype=np.float32),
        columns={"a": np.array([np.nan]), "t": np.array(["x"])},
    )
    with pytest.raises(BadInput, match="found both"):
        RoundRobin(columns=("a",), classes=(1,))
    with pytest.raises(BadInput, match="each class once"):
        RoundRobin(columns=("a", "a"))
    with pytest.raises(BadInput, match="below 1, found 3"):
        RoundRobin(classes=(3,)).choose(pool, 1, seed=0)
    with pytest.raises(BadInput, match=r"row 0 .* has nan"):
        RoundRobin(columns=("a",)).choose(pool, 1, seed=0)
    with pytest.raises(BadInput, match="expected numbers in 't'"):
        RoundRobin(columns=("t",)).choose(pool, 1, seed=0)
    with pytest.raises(BadInput, match=r"expected 'z' of 1 frames, found none \(a, t\)"):
        RoundRobin(columns=("z",)).choose(pool, 1, seed=0)


@given(
    scores=st.lists(st.integers(0, 3), max_size=60),
    first=st.integers(1, 4),
    closed=st.sets(st.integers(0, 59)),
)
def test_an_order_sorted_in_parts_is_the_whole_order(
    scores: list[int], first: int, closed: set[int]
) -> None:
    column = np.array(scores, dtype=np.float64)
    rank = np.arange(len(scores))[::-1].copy()
    expected = by_score(column, rank).tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descending, "FIRST", first)
        order = Descending(column, rank)
        assert order.head(3).tolist()[:3] == expected[:3]
        feasible = Feasible(len(scores), [], len(scores))
        for pos in closed & set(expected):
            feasible.take(pos)
        walked = []
        for pos in order.open_frames(feasible):
            walked.append(pos)
            feasible.take(pos)
    assert walked == [pos for pos in expected if pos not in closed]

"""Mining by example: against a naive version, and known near-duplicates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints.caps import AtMost
from winnow.domain.errors import BadInput
from winnow.strategies import mining
from winnow.strategies.mining import Mining
from winnow.strategies.protocol import Candidates

POINTS = st.tuples(st.integers(0, 6), st.integers(0, 2))
SOME = st.lists(POINTS, min_size=1, max_size=4)


def pool(
    points: list[tuple[int, int]],
    examples: list[tuple[int, int]],
    labeled: list[tuple[int, int]] | None = None,
) -> Candidates:
    return Candidates(
        frame_ids=np.array([f"{i:032x}" for i in range(len(points))]),
        embeddings_ND=np.array(points, dtype=np.float32).reshape(-1, 2),
        centers_LD=np.array(labeled or [], dtype=np.float32).reshape(-1, 2),
        examples_ED=np.array(examples, dtype=np.float32).reshape(-1, 2),
    )


@given(
    points=st.lists(POINTS, min_size=1, max_size=16),
    examples=SOME,
    labeled=st.one_of(st.just([]), SOME),
    share=st.floats(0, 1),
    apart=st.sampled_from([0.0, 1.0, 1.5, 3.0]),
    weight=st.sampled_from([0.0, 0.5]),
    cap=st.integers(1, 6),
    block=st.sampled_from([1, 3, 128]),
)
def test_picks_are_those_of_a_naive_version(
    points: list[tuple[int, int]],
    examples: list[tuple[int, int]],
    labeled: list[tuple[int, int]],
    share: float,
    apart: float,
    weight: float,
    cap: int,
    block: int,
) -> None:
    n = round(len(points) * share)
    rows = np.array([str(point[1]) for point in points])

    def worth(pos: int) -> float:
        away = min(math.dist(points[pos], example) for example in examples)
        known = min((math.dist(points[pos], one) for one in labeled), default=0.0)
        return weight * known - away

    expected: list[int] = []
    while len(expected) < n:
        may = [
            pos
            for pos in range(len(points))
            if pos not in expected and list(rows[expected]).count(rows[pos]) < cap
        ]
        free = [
            pos
            for pos in may
            if all(math.dist(points[pos], points[one]) >= apart for one in expected)
        ]
        if not may:
            break
        expected.append(max(free or may, key=lambda pos: (worth(pos), -pos)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mining, "LOOKED_AT_ONCE", block)
        picks = Mining(min_distance=apart, labeled_weight=weight).choose(
            pool(points, examples, labeled), n, seed=0, constraints=[AtMost(rows, cap, "row")]
        )
    assert [pick.pos for pick in picks] == expected
    assert [pick.utility for pick in picks] == pytest.approx([worth(pos) for pos in expected])


def test_near_duplicates_of_a_hit_wait_until_no_others_are_left() -> None:
    points = [(0, 0), (0, 0), (0, 0), (5, 0), (6, 0)]
    picks = Mining(min_distance=2.0).choose(pool(points, [(0, 1)], [(1, 0)]), 4, seed=0)
    assert [pick.pos for pick in picks] == [0, 3, 1, 2]
    assert picks[0].reason == "1.00 away from the nearest example"
    assert picks[2].reason == (
        "1.00 away from the nearest example, nearer than 2 to a chosen frame"
    )
    told = Mining(labeled_weight=1.0).choose(pool(points, [(0, 1)], [(1, 0)]), 1, seed=0)
    assert told[0].reason == (
        "1.00 away from the nearest example, 1.00 from the nearest labeled frame"
    )


def test_examples_that_are_none_are_refused() -> None:
    for examples, message in (
        (None, "found none"),
        (np.empty((0, 2), dtype=np.float32), r"found \(0, 2\)"),
        (np.ones((1, 3), dtype=np.float32), r"found \(1, 3\)"),
        (np.array([[0, 0], [0, np.nan]], dtype=np.float32), "row 1 has others"),
    ):
        base = pool([(0, 0)], [(0, 0)])
        candidates = Candidates(
            base.frame_ids, embeddings_ND=base.embeddings_ND, examples_ED=examples
        )
        with pytest.raises(BadInput, match=message):
            Mining().choose(candidates, 1, seed=0)

"""Operational risk: weights of values, tags and numbers, and what they say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.strategies.protocol import Candidates
from winnow.strategies.top_k import TopK
from winnow.strategies.weights import SlopeWeight, ValueWeight, weighted_scores

SITE = ValueWeight("site", {"depot": 1.5, "school": 3.0})
SPEED = SlopeWeight("speed", ((0.0, 1.0), (10.0, 1.0), (20.0, 2.0)))
TAGS = ValueWeight("tags", {"pedestrian": 2.0, "child": 2.0, "night": 1.5}, separator=";")


def pool() -> Candidates:
    return Candidates(
        frame_ids=np.array([f"{i:032x}" for i in range(4)]),
        scores_N=np.array([1.0, 0.5, 0.5, 0.25]),
        columns={
            "site": np.array(["yard", "depot", "school", ""]),
            "speed": np.array([30.0, 15.0, math.nan, 5.0]),
            "tags": np.array(["", "night; pedestrian", "child;child", "rain"]),
            "robot": np.array([1, 2, 2, 3]),
        },
    )


def test_factors_multiply_and_say_what_they_did() -> None:
    weighted = weighted_scores(pool(), [SITE, SPEED, TAGS])
    assert weighted.scores_N.tolist() == [2.0, 0.5 * 1.5 * 1.5 * 3.0, 0.5 * 3.0 * 2.0, 0.25]
    assert [weighted.told(pos) for pos in range(4)] == [
        "speed=30 x2",
        "site=depot x1.5, speed=15 x1.5, tags=night; pedestrian x3",
        "site=school x3, tags=child;child x2",
        "",
    ]
    picks = TopK().choose(replace(pool(), scores_N=weighted.scores_N), 2, seed=0)
    assert [pick.pos for pick in picks] == [1, 2]


@pytest.mark.parametrize("number", [3, 3.0, 1_234_567.0, 0.123_456_78])
def test_values_of_a_column_of_numbers_are_named_by_their_numbers(number: float) -> None:
    column = np.array([1.0, number, math.nan, 2.0])
    frames = replace(pool(), columns={"site": column})
    weighted = weighted_scores(frames, [ValueWeight("site", {f"{number}": 5.0})])
    assert weighted.weight_N.tolist() == [1.0, 5.0, 1.0, 1.0]


def test_amounts_add_in_the_unit_of_the_scores() -> None:
    weights: list[ValueWeight | SlopeWeight] = [
        ValueWeight("robot", {"2": 0.25}, otherwise=-0.5),
        SlopeWeight("speed", ((10.0, 0.5),), unknown=1.0),
        ValueWeight("tags", {"night": 1.0, "pedestrian": 2.0}, separator=";"),
    ]
    weighted = weighted_scores(pool(), weights, mode="add")
    assert weighted.scores_N.tolist() == [1.0, 4.25, 1.75, 0.25]
    assert weighted.weight_N.tolist() == [0.0, 3.75, 1.25, 0.0]
    assert weighted.told(2) == "robot=2 +0.25, speed=unknown +1"


@given(
    points=st.dictionaries(
        st.integers(-20, 20).map(float), st.floats(0, 100), min_size=1, max_size=5
    ),
    numbers=st.lists(st.floats(-40, 40), min_size=1, max_size=10),
)
def test_slopes_are_those_of_linear_interpolation_and_exact_at_their_points(
    points: dict[float, float], numbers: list[float]
) -> None:
    rising = tuple(sorted(points.items()))
    numbers = [*numbers, *points]
    candidates = Candidates(
        frame_ids=np.array([f"{i:032x}" for i in range(len(numbers))]),
        scores_N=np.ones(len(numbers)),
        columns={"speed": np.array(numbers)},
    )
    found = weighted_scores(candidates, [SlopeWeight("speed", rising)]).scores_N
    expected = np.interp(numbers, [x for x, _ in rising], [y for _, y in rising])
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert found[-len(points) :].tolist() == pytest.approx([*points.values()], rel=1e-15)


def test_no_weight_leaves_scores_alone() -> None:
    candidates = replace(pool(), scores_N=np.array([-1.0, 0.0, 2.0, 3.0]))
    assert weighted_scores(candidates, []).scores_N.tolist() == [-1.0, 0.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("weight", "mode", "message"),
    [
        (ValueWeight("site", {"depot": -1.0}), "multiply", "expected 0 to 1e"),
        (ValueWeight("site", {"depot": math.nan}), "add", "found nan"),
        (ValueWeight("site", {}, otherwise=math.inf), "multiply", "found inf"),
        (SlopeWeight("speed", ()), "multiply", "rising numbers"),
        (SlopeWeight("speed", ((1.0, 1.0), (1.0, 2.0))), "multiply", "rising numbers"),
        (SlopeWeight("speed", ((math.nan, 1.0),)), "add", "rising numbers"),
        (SlopeWeight("site", ((1.0, 1.0),)), "add", "expected numbers in 'site'"),
        (ValueWeight("weather", {}), "add", "expected 'weather'"),
    ],
)
def test_nonsense_is_refused(weight: ValueWeight | SlopeWeight, mode: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        weighted_scores(pool(), [weight], mode=mode)  # type: ignore[arg-type]


def test_a_negative_score_cannot_be_multiplied() -> None:
    candidates = replace(pool(), scores_N=np.array([1.0, -0.5, 0.0, 0.0]))
    with pytest.raises(BadInput, match=r"row 1 has -0\.5: use mode add"):
        weighted_scores(candidates, [SITE])

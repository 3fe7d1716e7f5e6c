"""The knee of a learning curve."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.stopping import Knee, Progress, knee_of


def test_the_known_curve_has_its_knee_at_one() -> None:
    found = knee_of([0, 1, 2, 3, 4], [0, 0.6, 0.8, 0.9, 0.95])
    assert found is not None
    assert found.pos == 1
    assert found.height == pytest.approx(0.3816, abs=5e-5)


@pytest.mark.parametrize("y", [[0.1, 0.2, 0.3, 0.4], [0.5] * 4, [0.0, 0.01, 0.1, 0.5]])
def test_a_line_a_flat_and_a_bend_upwards_have_none(y: list[float]) -> None:
    assert knee_of([1, 2, 3, 4], y) is None


def test_a_dent_in_a_line_is_none() -> None:
    assert knee_of([0, 1, 2, 3, 4], [0, 0.26, 0.5, 0.76, 1.0]) is None
    assert knee_of([0, 1, 2, 3, 4], [0, 0.26, 0.5, 0.76, 1.0], sensitivity=0) is not None


@given(
    st.lists(st.integers(1, 50), min_size=3, max_size=12),
    st.floats(0.5, 100),
    st.floats(-5, 5),
)
def test_units_and_origin_change_no_knee(steps: list[int], scale: float, origin: float) -> None:
    x = [float(pos) for pos in range(len(steps))]
    falling = sorted(steps, reverse=True)  # a concave curve
    y = [float(sum(falling[:pos])) for pos in range(len(steps))]
    first = knee_of(x, y, sensitivity=0)
    other = knee_of([v * 100 + 7 for v in x], [v * scale + origin for v in y], sensitivity=0)
    assert (first is None) == (other is None) or abs((first or other).height) < 1e-9  # type: ignore[union-attr]
    if first is not None and other is not None:
        assert other.height == pytest.approx(first.height, abs=1e-9)
        heights = [b / y[-1] - a / x[-1] for a, b in zip(x, y, strict=True)]
        assert first.height == pytest.approx(max(heights), abs=1e-9)


def test_a_knee_is_believed_once_it_stays_behind() -> None:
    curve = (0.5, 0.8, 0.85, 0.87, 0.88)
    assert not Knee(rounds_after=2).decide(Progress(3, curve[:3])).stop
    verdict = Knee(rounds_after=2).decide(Progress(5, curve, n_labels=(10, 20, 30, 40, 50)))
    assert verdict.stop
    assert verdict.reason == "knee at 20 labels, 3 rounds ago"
    assert dict(verdict.numbers)["knee_accuracy"] == 0.8


def test_a_curve_that_still_rises_goes_on() -> None:
    verdict = Knee().decide(Progress(5, (0.1, 0.25, 0.4, 0.55, 0.7)))
    assert (verdict.stop, verdict.reason) == (False, "no knee yet")


def test_too_few_rounds_and_labels_that_shrink_are_not_measurable() -> None:
    assert "not measurable" in Knee().decide(Progress(2, (0.5, 0.6))).reason
    shrinking = Progress(3, (0.5, 0.6, 0.7), n_labels=(10, 20, 15))
    assert "not measurable" in Knee().decide(shrinking).reason


def test_curves_that_are_none_are_refused() -> None:
    for x, y in (([1, 2], [1.0]), ([1, 1, 2], [0.0, 1.0, 2.0]), ([1, 2, 3], [0, float("nan"), 1])):
        with pytest.raises(BadInput, match="curve: expected"):
            knee_of(x, y)

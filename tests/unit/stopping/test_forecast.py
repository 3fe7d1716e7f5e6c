"""Forecasts of the next gain: the textbook's numbers, and what bends a line that is not robust."""

from __future__ import annotations

import itertools
import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.stopping import GainForecast, Progress, SeedNoise, next_gain_forecast

GAINS = [0.18, 0.10, 0.06, 0.04, 0.02]


def curve(gains: list[float], start: float = 0.5) -> tuple[float, ...]:
    return tuple(np.cumsum([start, *gains]).tolist())


def test_least_squares_gives_the_known_numbers() -> None:
    five = next_gain_forecast(GAINS, fit="least_squares")
    six = next_gain_forecast([*GAINS, 0.005], fit="least_squares")
    assert (five.next_gain, five.slope) == pytest.approx((0.0125, -0.531), abs=5e-4)
    assert (six.next_gain, six.slope) == pytest.approx((0.0040, -0.661), abs=5e-4)


@pytest.mark.parametrize("fit", ["median", "least_squares"])
def test_both_fits_go_on_after_five_gains_and_stop_after_the_sixth(fit: str) -> None:
    """Accounts that stop this series at the fifth round contradict their own formula."""
    rule = GainForecast(0.01, fit=fit)  # type: ignore[arg-type]
    assert not rule.decide(Progress(6, curve(GAINS))).stop
    assert rule.decide(Progress(7, curve([*GAINS, 0.005]))).stop


def test_one_clipped_loss_bends_least_squares_and_not_the_medians() -> None:
    clipped = [*GAINS, 1e-6]
    bent = next_gain_forecast(clipped, fit="least_squares")
    assert (bent.next_gain, bent.slope) == pytest.approx((1.4e-5, -1.88), rel=0.03)
    steady = next_gain_forecast(clipped)
    assert steady.slope == pytest.approx(-0.549, abs=1e-3)
    assert steady.next_gain == pytest.approx(0.0067, abs=1e-4)


@pytest.mark.parametrize("fit", ["median", "least_squares"])
def test_a_loss_is_no_point_of_the_line_but_takes_its_place(fit: str) -> None:
    before = next_gain_forecast(GAINS, fit=fit)  # type: ignore[arg-type]
    after = next_gain_forecast([*GAINS, -0.01], fit=fit)  # type: ignore[arg-type]
    assert after.slope == before.slope
    assert before.next_gain is not None
    assert before.slope is not None
    assert after.next_gain == pytest.approx(before.next_gain * math.exp(before.slope))
    assert (after.n_fitted, after.n_zero) == (5, 1)


def test_gains_within_seed_noise_are_no_evidence() -> None:
    """A tiny gain by chance would be evidence of a steep fall."""
    assert next_gain_forecast([*GAINS, 1e-6], noise=0.003) == next_gain_forecast([*GAINS, -0.002])
    errors = (0.001,) * 7
    verdict = GainForecast(0.001).decide(Progress(7, curve([*GAINS, 1e-6]), accuracy_errors=errors))
    assert dict(verdict.numbers)["n_zero"] == 1
    assert not verdict.stop


def test_a_curve_that_only_trembles_is_expected_to_bring_nothing() -> None:
    trembling = Progress(6, (0.8, 0.81, 0.8, 0.805, 0.8, 0.806))
    verdict = GainForecast(0.001, noise=SeedNoise(floor=0.02)).decide(trembling)
    assert verdict.stop
    assert verdict.reason == "the newest gains are within noise"
    assert dict(verdict.numbers)["slope"] is None


def test_one_leap_and_two_small_steps_say_nothing_yet() -> None:
    verdict = GainForecast(0.01, noise=SeedNoise(floor=0.02)).decide(
        Progress(4, (0.5, 0.9, 0.915, 0.93))
    )
    assert not verdict.stop
    assert verdict.reason == "not measurable: fewer than 3 gains are more than noise"


def test_two_gains_are_too_few() -> None:
    assert next_gain_forecast([0.1, 0.05]).next_gain is None
    assert "not measurable" in GainForecast(0.01).decide(Progress(3, (0.5, 0.6, 0.65))).reason


def test_gains_that_grow_are_taken_as_level() -> None:
    found = next_gain_forecast([0.01, 0.02, 0.04])
    assert found.slope == 0.0
    assert found.next_gain == pytest.approx(0.02)


@given(
    st.lists(st.floats(-0.1, 0.3), min_size=3, max_size=8),
    st.floats(0, 0.05),
)
def test_the_median_fit_equals_its_definition(gains: list[float], noise: float) -> None:
    points = [(i + 0.5, math.log(g)) for i, g in enumerate(gains) if g > noise]
    found = next_gain_forecast(gains, noise=noise)
    if len(points) < 3:
        assert found.next_gain == (0.0 if all(gain <= noise for gain in gains[-3:]) else None)
        return
    pairs = itertools.combinations(points, 2)
    slope = min(0.0, median((d - b) / (c - a) for (a, b), (c, d) in pairs))
    height = median(y - slope * x for x, y in points)
    expected = math.exp(height + slope * (len(gains) + 0.5))
    assert found.next_gain == pytest.approx(expected, rel=1e-9)


def test_rounds_of_unequal_size_are_compared_by_the_label() -> None:
    """A smaller batch brings less: that is no decay."""
    decay = 0.002
    labels = [0, 400, 600, 700, 750]

    def accuracy(n: int) -> float:
        return 0.9 - 0.6 * math.exp(-decay * n)

    so_far = Progress(5, tuple(map(accuracy, labels)), n_labels=tuple(labels))
    expected = accuracy(800) - accuracy(750)
    by_label = dict(GainForecast(0.0).decide(so_far).numbers)["next_gain"]
    assert by_label == pytest.approx(expected, rel=0.1)
    by_round = dict(GainForecast(0.0).decide(Progress(5, so_far.accuracies)).numbers)["next_gain"]
    assert by_round is not None
    assert by_round < 0.8 * expected


def test_a_round_that_nobody_measured_leaves_a_gap_and_not_a_loss() -> None:
    whole = curve([0.16, 0.08, 0.04, 0.02, 0.01])
    gap = (*whole[:2], None, *whole[3:])
    found = dict(GainForecast(0.0).decide(Progress(6, gap)).numbers)["next_gain"]
    assert found == pytest.approx(0.005, rel=0.1)


def test_numbers_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(BadInput, match="as many sizes"):
        next_gain_forecast(GAINS, sizes=[1, 2])
    with pytest.raises(BadInput, match="positive sizes"):
        next_gain_forecast(GAINS, sizes=[1, 2, 3, 4, 0])
    with pytest.raises(BadInput, match="finite"):
        next_gain_forecast([0.1, math.nan, 0.1])

"""What 100 labels brought, and money: left, and against labeling everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from winnow.domain.errors import BadInput
from winnow.stopping import (
    BreakEvenRule,
    BudgetLeft,
    Costs,
    Progress,
    ReturnOnLabels,
    break_even,
    gain_per_100_labels,
)
from winnow.stopping.returns import _t_975


def test_return_is_gain_over_labels_and_the_interval_that_of_a_ratio() -> None:
    labels, accuracies = [100, 200, 400, 500, 700], [0.5, 0.62, 0.7, 0.76, 0.8]
    found = gain_per_100_labels(labels, accuracies)
    counts, gains = np.diff(labels), np.diff(accuracies)
    rate = gains.sum() / counts.sum()
    assert found.mean == pytest.approx(100 * rate)
    left = gains - rate * counts
    error = 100 * np.sqrt(4 * (left @ left) / 3) / counts.sum()
    assert found.high == pytest.approx(100 * rate + t.ppf(0.975, 3) * error, abs=1e-5)
    assert found.low == pytest.approx(100 * rate - t.ppf(0.975, 3) * error, abs=1e-5)


def test_the_interval_covers_a_constant_return_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered, n_trials = 0, 400
    for _ in range(n_trials):
        gains = 0.01 + 0.004 * rng.standard_normal(6)
        found = gain_per_100_labels(list(range(100, 800, 100)), [0.5, *(0.5 + np.cumsum(gains))])
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.01 <= found.high
    assert 0.92 < covered / n_trials < 0.98


def test_quantiles_are_students() -> None:
    assert all(abs(_t_975(df) - t.ppf(0.975, df)) < 1e-3 for df in range(1, 200))


def test_the_return_is_reported_and_stops_only_below_a_floor() -> None:
    so_far = Progress(3, (0.5, 0.6, 0.605), n_labels=(100, 200, 300))
    report = ReturnOnLabels().decide(so_far)
    assert not report.stop
    assert dict(report.numbers)["gain_per_100_labels"] == pytest.approx(0.0525)
    assert ReturnOnLabels(gain_min=0.01, window=1).decide(so_far).stop
    assert not ReturnOnLabels(gain_min=0.01, window=2).decide(so_far).stop
    assert ReturnOnLabels(window=1).decide(so_far).reason == "100 labels brought +0.0050 (one gain)"


def test_a_return_without_new_labels_is_not_measurable() -> None:
    for so_far in (
        Progress(2, (0.5, 0.6)),
        Progress(2, (0.5, None), n_labels=(1, 2)),
        Progress(2, (0.5, 0.6), n_labels=(100, 100)),
    ):
        verdict = ReturnOnLabels(gain_min=1.0).decide(so_far)
        assert (verdict.stop, "not measurable" in verdict.reason) == (False, True)
    with pytest.raises(BadInput, match="more labels at the end"):
        gain_per_100_labels([5, 5], [0.1, 0.2])
    with pytest.raises(BadInput, match="at least two pairs"):
        gain_per_100_labels([5], [0.1])


def test_money_that_buys_no_useful_batch_stops() -> None:
    rule = BudgetLeft(frames_min=10)
    assert rule.decide(Progress(1, (), available_micros=999, frame_price_micros=100)).stop
    assert not rule.decide(Progress(1, (), available_micros=1000, frame_price_micros=100)).stop
    assert rule.decide(Progress(1, (), available_micros=-5, frame_price_micros=100)).stop
    assert not rule.decide(Progress(1, (), available_micros=0, frame_price_micros=0)).stop
    assert "not measurable" in rule.decide(Progress(1, (), available_micros=5)).reason


COSTS = st.builds(Costs, st.integers(0, 50), st.integers(0, 300), st.integers(0, 300))


@given(COSTS, st.integers(0, 80), st.integers(1, 20), st.data())
def test_break_even_is_the_last_count_that_costs_no_more_than_everything(
    costs: Costs, n_pool: int, batch_size: int, data: st.DataObject
) -> None:
    n_labels = data.draw(st.integers(0, n_pool))
    found = break_even(costs, n_pool=n_pool, n_labels=n_labels, n_rounds=3, batch_size=batch_size)
    fixed = costs.round_micros + costs.training_micros

    def choosing(n: int) -> int:
        return n * costs.frame_price_micros + -(-n // batch_size) * fixed

    affordable = [n for n in range(n_pool + 1) if choosing(n) <= found.everything_micros]
    assert found.n_labels_even == max(affordable)
    assert found.so_far_micros == n_labels * costs.frame_price_micros + 3 * fixed


def test_choosing_pays_until_rounds_have_eaten_what_it_saves() -> None:
    def verdict(n_rounds: int) -> tuple[bool, str]:
        so_far = Progress(
            n_rounds,
            (),
            n_labels=tuple(100 * (n + 1) for n in range(n_rounds)),
            n_unlabeled=1000 - 100 * n_rounds,
            frame_price_micros=100,
        )
        found = BreakEvenRule(round_micros=4_000, training_micros=1_000).decide(so_far)
        return found.stop, found.reason

    assert verdict(6) == (
        False,
        "choosing pays: even with labeling everything at 700 labels, 600 so far",
    )
    assert verdict(7)[0]
    assert "no longer pays" in verdict(7)[1]


def test_what_was_really_spent_counts() -> None:
    so_far = Progress(
        1, (), n_labels=(100,), n_unlabeled=900, frame_price_micros=100, spent_micros=(99_000,)
    )
    found = BreakEvenRule(round_micros=0, training_micros=0).decide(so_far)
    assert dict(found.numbers)["so_far_micros"] == 99_000
    assert found.stop


def test_a_last_batch_that_is_the_whole_rest_is_no_choice() -> None:
    so_far = Progress(1, (), n_labels=(100,), n_unlabeled=50, frame_price_micros=100)
    found = BreakEvenRule(0, 0).decide(so_far)
    assert (found.stop, "label the rest" in found.reason) == (True, True)


def test_break_even_without_counts_is_not_measurable() -> None:
    assert "not measurable" in BreakEvenRule(0, 0).decide(Progress(1, (0.5,))).reason
    same = Progress(2, (), n_labels=(5, 5), n_unlabeled=9, frame_price_micros=1)
    assert "not measurable" in BreakEvenRule(0, 0).decide(same).reason
    with pytest.raises(BadInput, match="at most 3 labels"):
        break_even(Costs(1, 1, 1), n_pool=3, n_labels=4, n_rounds=1, batch_size=1)

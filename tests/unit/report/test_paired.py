"""Chosen against random: equal labels, paired seeds, an interval and never a bare point."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from winnow.cli.report.paired import Curves, at_labels, paired_difference

CHOSEN = [((10, 20), (0.5, 0.8)), ((10, 20), (0.6, 0.9)), ((10, 20), (0.5, 0.9))]
RANDOM = [((10, 20), (0.5, 0.7)), ((10, 20), (0.6, 0.8)), ((10, 20), (0.5, 0.7))]


def test_the_difference_is_paired_and_has_the_students_interval() -> None:
    found = paired_difference(CHOSEN, RANDOM)
    expected = stats.ttest_rel([0.8, 0.9, 0.9], [0.7, 0.8, 0.7]).confidence_interval(0.95)
    assert found.labels == 20
    assert found.mean == pytest.approx(0.4 / 3)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n_seeds == 3


def test_unequal_label_counts_are_compared_at_the_fewest_labels_that_all_reached() -> None:
    shorter = [((10, 16), (0.5, 0.7)), *RANDOM[1:]]
    found = paired_difference(CHOSEN, shorter)
    assert found.labels == 16
    assert at_labels(CHOSEN[0], 16) == pytest.approx(0.68)


def test_one_seed_has_an_infinite_interval_instead_of_false_certainty() -> None:
    found = paired_difference(CHOSEN[:1], RANDOM[:1])
    assert math.isinf(found.high)
    assert found.interval == "one seed, so no interval"


def test_an_interval_that_holds_zero_says_so() -> None:
    found = paired_difference(CHOSEN, RANDOM)
    assert found.interval == "95 % interval [-1.0, +27.7], which holds zero: no difference is shown"
    worse = [((10, 20), (0.5, 0.6)), ((10, 20), (0.5, 0.7)), ((10, 20), (0.5, 0.6))]
    assert paired_difference(RANDOM, worse).interval == "95 % interval [+10.0, +10.0]"


def test_the_band_is_the_mean_over_seeds() -> None:
    labels, mean, low, high = Curves(tuple(CHOSEN)).band()
    assert labels.tolist() == [10, 20]
    assert mean[1] == pytest.approx((0.8 + 0.9 + 0.9) / 3)
    assert low[1] < mean[1] < high[1]

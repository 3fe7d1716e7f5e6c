"""Agreement of predictions, change of weights, mean uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from winnow.domain.errors import BadInput
from winnow.stopping import (
    Plateau,
    PredictionStability,
    Progress,
    WeightStability,
    cohen_kappa,
    l2_change,
    mean_normalised_entropy,
)

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def labels(values: list[int]) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


@given(PAIRS)
def test_kappa_is_that_of_the_reference(pairs: list[tuple[int, int]]) -> None:
    before, after = (labels(list(side)) for side in zip(*pairs, strict=True))
    found = cohen_kappa(before, after)
    if len({*before.tolist(), *after.tolist()}) == 1:
        assert found == 1.0  # the reference divides nothing by nothing
    else:
        assert found == pytest.approx(cohen_kappa_score(before, after), abs=1e-12)
    assert cohen_kappa(after, before) == found
    assert cohen_kappa(before, before) == 1.0


def test_stop_sets_that_do_not_match_are_refused() -> None:
    with pytest.raises(BadInput, match="two equal lengths"):
        cohen_kappa(labels([0]), labels([0, 1]))
    with pytest.raises(BadInput, match="two equal lengths"):
        cohen_kappa(labels([]), labels([]))
    with pytest.raises(BadInput, match="classes from 0"):
        cohen_kappa(labels([0]), labels([-1]))


@pytest.mark.parametrize("given", [["car", "bus"], [0.0, 1.0], [None, 1]])
def test_predictions_that_are_no_classes_are_refused(given: Any) -> None:
    with pytest.raises(BadInput, match="stop set: expected whole numbers of classes, found"):
        cohen_kappa(given, given)


def test_lists_and_yes_or_no_are_predictions_and_names_of_classes_may_be_large() -> None:
    before: Any = [7, 7, 10**12, 10**12]
    after: Any = [7, 7, 10**12, 7]
    assert cohen_kappa(before, after) == 0.5
    assert cohen_kappa(np.array(before) == 7, np.array(after) == 7) == 0.5


def test_weights_that_are_no_numbers_are_refused_and_lists_are_weights() -> None:
    before: Any = [[3.0], [4.0]]
    after: Any = [[3.0], [4.5]]
    assert l2_change(before, after) == 0.1
    with pytest.raises(BadInput, match="weights: row 1: expected finite numbers, found nan"):
        l2_change(np.array([1.0, 2.0]), np.array([1.0, np.nan]))
    one_model: Any = [[0.5, 0.5]]
    with pytest.raises(BadInput, match="of one model"):
        mean_normalised_entropy(one_model)
    committee: Any = [[[0.5, 0.5]], [[1.0, 0.0]]]
    assert mean_normalised_entropy(committee) == 0.5


def test_series_may_be_lists_or_arrays_where_nan_is_not_measured() -> None:
    arrays: Any = np.array([0.6, np.nan, 0.8, 0.9])
    told = Progress(4, arrays, kappas=list(arrays))  # type: ignore[arg-type]
    assert told == Progress(4, (0.6, None, 0.8, 0.9), kappas=(0.6, None, 0.8, 0.9))
    verdict = Plateau(n_rounds=1, gain_min=0.2).decide(told)
    assert verdict.stop is True  # Python's own, as JSON wants it
    assert verdict.numbers[:2] == (("best_before", 0.8), ("best_recent", 0.9))


def test_the_mean_kappa_of_a_window_decides() -> None:
    rule = PredictionStability(kappa_min=0.99, window=3)
    assert rule.decide(Progress(5, (), kappas=(None, 0.5, 0.986, 0.99, 0.995))).stop
    assert rule.decide(Progress(3, (), kappas=(0.99, 0.99, 0.99))).stop
    assert not rule.decide(Progress(5, (), kappas=(None, 0.5, 0.98, 0.99, 0.995))).stop
    gap = rule.decide(Progress(4, (), kappas=(0.99, 0.99, None, 0.99)))
    assert (gap.stop, "not measurable" in gap.reason) == (False, True)


def test_weights_that_stand_still_stop() -> None:
    rule = WeightStability(change_max=0.01, window=2)
    assert rule.decide(Progress(3, (), weight_changes=(None, 0.01, 0.002))).stop
    assert not rule.decide(Progress(3, (), weight_changes=(None, 0.02, 0.002))).stop
    assert "not measurable" in rule.decide(Progress(2, (), weight_changes=(None, 0.0))).reason


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.floats(0.1, 10))
def test_change_is_relative(values: list[float], factor: float) -> None:
    before = np.array([*values, 1.0])
    after = before + np.linspace(0, 1, len(before))
    found = l2_change(before, after)
    expected = np.linalg.norm(after - before) / np.linalg.norm(before)
    assert found == pytest.approx(expected)
    assert l2_change(before * factor, after * factor) == pytest.approx(found)
    assert l2_change(before, before) == 0.0


def test_weights_of_nothing_are_refused() -> None:
    with pytest.raises(BadInput, match="not 0"):
        l2_change(np.zeros(3), np.ones(3))
    with pytest.raises(BadInput, match="same shape"):
        l2_change(np.ones(3), np.ones(4))


def test_mean_uncertainty_goes_from_none_to_all() -> None:
    assert mean_normalised_entropy(np.full((5, 2, 4), 0.25)) == pytest.approx(1.0)
    assert mean_normalised_entropy(np.eye(3)[:, None, :]) == 0.0
    assert mean_normalised_entropy(np.ones((3, 2, 1))) == 0.0
    probs = np.random.default_rng(0).dirichlet(np.ones(5), (20, 3))
    mean = probs.mean(axis=1)
    expected = (-(mean * np.log(mean)).sum(axis=1) / np.log(5)).mean()
    assert mean_normalised_entropy(probs) == pytest.approx(expected)
    with pytest.raises(BadInput, match="found none"):
        mean_normalised_entropy(np.empty((0, 2, 3)))

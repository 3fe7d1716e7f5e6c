"""LURE weights, by enumeration of all draws; where they are not defined, and why."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.estimation import (
    Sample,
    effective_sample_size,
    hajek,
    horvitz_thompson,
    lure_mean,
    lure_weights,
    training_weights,
    united_weights,
)
from winnow.strategies.protocol import Candidates
from winnow.strategies.registry import strategy_of

LOSSES = np.array([0.1, 0.7, 0.3, 1.2, 0.05])
PROPENSITIES = np.array([1.0, 4.0, 2.0, 5.0, 1.0])


def odds(order: tuple[int, ...], propensities: npt.NDArray[np.float64]) -> list[float]:
    """Probability of each draw among what is left."""
    left, found = list(range(len(propensities))), []
    for pos in order:
        found.append(float(propensities[pos] / propensities[left].sum()))
        left.remove(pos)
    return found


def expectation(
    values: npt.NDArray[np.float64], propensities: npt.NDArray[np.float64], m: int
) -> float:
    n = len(values)
    total = 0.0
    for order in itertools.permutations(range(n), m):
        chances = odds(order, propensities)
        weights = lure_weights(chances, n_population=n, drawn_from=[n - k for k in range(m)])
        total += math.prod(chances) * lure_mean(values[list(order)], weights)
    return total


def test_the_expectation_over_all_ordered_draws_of_3_of_5_is_the_pool_mean() -> None:
    assert expectation(LOSSES, PROPENSITIES, 3) == pytest.approx(0.47, abs=1e-14)
    plain = sum(
        math.prod(odds(order, PROPENSITIES)) * LOSSES[list(order)].mean()
        for order in itertools.permutations(range(5), 3)
    )
    assert abs(plain - 0.47) > 0.1  # what an unweighted mean would have said


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.05, 5)), min_size=2, max_size=5),
    st.data(),
)
def test_it_is_unbiased_for_any_values_and_propensities(
    frames: list[tuple[float, float]], data: st.DataObject
) -> None:
    values, propensities = (np.array(column) for column in zip(*frames, strict=True))
    m = data.draw(st.integers(1, len(frames)))
    expected = pytest.approx(float(values.mean()), abs=1e-9)
    assert expectation(values, propensities, m) == expected


@given(st.integers(1, 200), st.data())
def test_uniform_draws_weigh_one(n: int, data: st.DataObject) -> None:
    m = data.draw(st.integers(0, n))
    weights = lure_weights([1 / (n - k) for k in range(m)], n_population=n)
    np.testing.assert_allclose(weights, 1.0, rtol=1e-12)


def test_a_pool_that_is_drawn_whole_has_its_plain_mean() -> None:
    chances = odds((3, 1, 0, 2, 4), PROPENSITIES)
    weights = lure_weights(chances, n_population=5, drawn_from=[5, 4, 3, 2, 1])
    assert weights.tolist() == [1.0] * 5
    assert lure_mean(LOSSES, weights) == pytest.approx(LOSSES.mean())


@given(st.permutations(range(5)), st.integers(1, 5))
def test_weights_are_never_negative(order: list[int], m: int) -> None:
    chances = odds(tuple(order[:m]), PROPENSITIES)
    assert (lure_weights(chances, n_population=5) >= 0).all()


@pytest.mark.parametrize(
    ("chances", "drawn_from", "why"),
    [
        ([0.2, None], None, "draw 2: its probability is unknown: it was chosen, not drawn"),
        ([0.2, math.nan], None, "draw 2: its probability is unknown"),
        ([1.0, 0.3], None, "draw 1: its probability is 1 while 5 frames were left"),
        ([0.2, 0.0], None, r"draw 2: expected a probability in \(0, 1\], found 0\.0"),
        ([1.5], None, r"draw 1: expected a probability in \(0, 1\], found 1\.5"),
        ([0.2, 0.5], [5, 3], "draw 2 may have brought 3 of the 4 frames left"),
        ([0.2, 0.5], [None, 4], "draw 1 may have brought None of the 5 frames left"),
        ([0.2, 0.5], [5], "expected drawn_from of 2 draws, found 1"),
        ([0.2] * 6, None, "at most 5 draws, found 6"),
    ],
)
def test_where_it_is_not_defined_it_says_why(
    chances: list[float | None], drawn_from: list[int | None] | None, why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        lure_weights(chances, n_population=5, drawn_from=drawn_from)


@pytest.mark.parametrize(("size", "n_random"), [(2, 1), (3, 1), (3, 2), (4, 2), (3, 0), (3, 3)])
def test_the_weighted_loss_of_a_batch_is_that_of_the_pool_over_all_arms_and_draws(
    size: int, n_random: int
) -> None:
    """Arm and draws overlap as they like: every pair of them, by its probability."""
    arms = list(itertools.combinations(range(5), n_random))
    weighted = plain = 0.0
    for order in itertools.permutations(range(5), size):
        chances = odds(order, PROPENSITIES)
        head = size - n_random
        weights_M = lure_weights(chances[:head], n_population=5)
        for arm in arms:
            behind = [pos for pos in order if pos not in arm][:head]
            batch = np.array([*arm, *behind], dtype=np.intp)
            assert len(batch) == size
            weights = united_weights(batch, np.array(arm, dtype=np.intp), order[:head], weights_M)
            chance = math.prod(chances) / len(arms)
            weighted += chance * float((weights * LOSSES[batch]).mean())
            plain += chance * LOSSES[batch].mean()
    assert weighted == pytest.approx(LOSSES.mean(), abs=1e-14)
    assert n_random == size or abs(plain - LOSSES.mean()) > 0.05


def test_a_mean_needs_a_weight_for_each_value() -> None:
    with pytest.raises(BadInput, match="a weight for each value"):
        lure_mean(np.ones(2), np.ones(3))
    with pytest.raises(BadInput, match="a weight for each value"):
        lure_mean(np.empty(0), np.empty(0))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30).filter(lambda w: max(w) > 1e-3))
def test_effective_size_is_between_one_and_all(weights: list[float]) -> None:
    found = effective_sample_size(np.array(weights))
    assert 1.0 - 1e-9 <= found <= len(weights) * (1 + 1e-9)
    assert found == pytest.approx(effective_sample_size(np.array(weights) * 4.0))


def test_effective_size_of_nothing_and_of_what_are_no_weights() -> None:
    assert effective_sample_size(np.empty(0)) == effective_sample_size(np.zeros(3)) == 0.0
    with pytest.raises(BadInput, match="at least 0"):
        effective_sample_size(np.array([1.0, -1.0]))


def test_training_weights_are_cut_only_when_asked() -> None:
    weights = np.array([0.2, 3.0, 9.0])
    assert training_weights(weights).tolist() == weights.tolist()
    cut = training_weights(weights, weight_max=3.0)
    assert cut.tolist() == [0.2, 3.0, 3.0]
    assert effective_sample_size(cut) > effective_sample_size(weights)
    assert weights.tolist() == [0.2, 3.0, 9.0]
    with pytest.raises(BadInput, match="positive"):
        training_weights(weights, weight_max=0.0)


def test_given_its_picks_a_drawn_batch_is_a_stratum_like_a_chosen_one() -> None:
    """The arm is drawn whatever was picked: given the picks, the estimates stay unbiased.

    Picks that come in only because the arm overlaps others do not belong to the stratum: the arm
    decides about them.
    """
    rng = np.random.default_rng(0)
    values = rng.gamma(2.0, 1.0, 60)
    n_random, n_certain = 8, 10
    means: dict[str, list[float]] = {"stratum": [], "arm alone": [], "picks": []}
    for _ in range(3000):
        picks = np.argsort(-(np.log(values**2) + rng.gumbel(size=60)))[:n_certain]
        arm = rng.choice(60, n_random, replace=False)
        known = np.union1d(picks, arm)
        certain, drawn = np.isin(known, picks), np.isin(known, arm)
        sample = Sample(values[known], certain, drawn, 60, n_random)
        means["stratum"].append(hajek(sample).mean)
        assert math.isfinite(horvitz_thompson(sample).mean)
        alone = Sample(values[known], np.zeros_like(certain), drawn, 60, n_random)
        means["arm alone"].append(hajek(alone).mean)
        means["picks"].append(float(values[picks].mean()))
    for kind in ("stratum", "arm alone"):
        error = np.std(means[kind]) / math.sqrt(3000)
        assert abs(np.mean(means[kind]) - values.mean()) < 4 * error
    assert np.std(means["stratum"]) < 0.9 * np.std(means["arm alone"])
    assert np.mean(means["picks"]) > 1.3 * values.mean()


def test_draws_of_the_strategy_itself_give_the_pool_mean() -> None:
    """From picks to estimate, as a report would do it."""
    ids = np.array([f"{pos:032x}" for pos in range(30)], dtype=np.str_)
    rng = np.random.default_rng(1)
    scores = rng.gamma(2.0, 1.0, 30)
    losses = scores * rng.random(30)
    pool = Candidates(frame_ids=ids, scores_N=scores)
    found = []
    for seed in range(400):
        picks = strategy_of("power").choose(pool, 10, seed=seed)
        weights = lure_weights(
            [pick.draw_probability for pick in picks],
            n_population=30,
            drawn_from=[pick.drawn_from for pick in picks],
        )
        found.append(lure_mean(losses[[pick.pos for pick in picks]], weights))
    assert abs(np.mean(found) - losses.mean()) < 4 * np.std(found) / math.sqrt(400)

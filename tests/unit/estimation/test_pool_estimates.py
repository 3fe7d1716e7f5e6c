"""Inclusion probabilities and pool estimates, by enumeration and by simulation of real batches."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.estimation.horvitz_thompson import Sample, hajek, horvitz_thompson
from winnow.estimation.inclusion import inclusion_of_choices

SIZES = st.tuples(st.integers(1, 7), st.integers(0, 7), st.integers(0, 7)).filter(
    lambda s: s[2] <= s[1] <= s[0]
)


@given(SIZES)
def test_inclusion_equals_the_count_over_all_possible_draws(sizes: tuple[int, int, int]) -> None:
    n_population, batch_size, n_random = sizes
    found = inclusion_of_choices(
        n_choices=batch_size,
        n_population=n_population,
        n_random=n_random,
        batch_size=batch_size,
    )
    draws = list(itertools.combinations(range(n_population), n_random))
    counts = np.zeros(n_population)
    for draw in draws:
        batch = set(draw)
        for frame in range(batch_size):  # the sequence of choices is 0, 1, 2, …
            if len(batch) == batch_size:
                break
            batch.add(frame)
        counts[list(batch)] += 1
    np.testing.assert_allclose(found, counts[:batch_size] / len(draws), atol=1e-12)
    np.testing.assert_allclose(counts[batch_size:] / len(draws), n_random / n_population)
    rest = (n_population - batch_size) * n_random / n_population
    assert math.isclose(found.sum() + rest, batch_size)  # sizes are fixed, so they add up


def test_contradicting_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match="n_random <= batch_size"):
        inclusion_of_choices(n_choices=1, n_population=3, n_random=2, batch_size=1)


def test_of_a_batch_as_large_as_its_pool_every_frame_is_in_whatever_is_drawn() -> None:
    found = inclusion_of_choices(
        n_choices=10**6, n_population=10**6, n_random=10**5, batch_size=10**6
    )
    assert (found == 1.0).all()


def test_a_fleet_sized_batch_takes_no_time_to_speak_of() -> None:
    found = inclusion_of_choices(
        n_choices=2_000, n_population=100_000, n_random=200, batch_size=2_000
    )
    assert found[1_799] == 1.0
    assert found[1_999] == pytest.approx(0.002, abs=1e-3)
    assert (np.diff(found) <= 1e-12).all()


def pool(seed: int) -> tuple[npt.NDArray[np.float64], int, int]:
    """Values that the choice is keen on: the certain ones are far above the others."""
    values = np.random.default_rng(seed).gamma(2.0, 1.0, 200)
    return np.sort(values)[::-1], 30, 24


def test_estimates_are_unbiased_and_intervals_cover_in_simulated_batches() -> None:
    values, n_certain, n_random = pool(0)
    rng = np.random.default_rng(1)
    truth, kinds = values.mean(), (horvitz_thompson, hajek)
    means = {kind: [] for kind in kinds}  # type: ignore[var-annotated]
    variances = {kind: [] for kind in kinds}  # type: ignore[var-annotated]
    covered = dict.fromkeys(kinds, 0)
    for _ in range(4_000):
        drawn = np.zeros(200, dtype=np.bool_)
        drawn[rng.choice(200, n_random, replace=False)] = True
        known = drawn | (np.arange(200) < n_certain)
        sample = Sample(
            values[known], (np.arange(200) < n_certain)[known], drawn[known], 200, n_random
        )
        for kind in kinds:
            estimate = kind(sample)
            low, high = estimate.interval()
            means[kind].append(estimate.mean)
            variances[kind].append(estimate.variance)
            covered[kind] += low <= truth <= high
    for kind in kinds:
        spread = np.std(means[kind])
        assert abs(np.mean(means[kind]) - truth) < 4 * spread / math.sqrt(4_000)
        assert np.mean(variances[kind]) == pytest.approx(spread**2, rel=0.1)
        assert 0.92 < covered[kind] / 4_000 < 0.97
    assert np.std(means[hajek]) < np.std(means[horvitz_thompson])


def test_the_plain_mean_of_chosen_frames_would_have_lied() -> None:
    values, n_certain, _ = pool(0)
    assert values[:n_certain].mean() > 2 * values.mean()


def test_a_pool_that_is_all_known_has_no_variance() -> None:
    everything = Sample(
        np.array([1.0, 0.0, 1.0, 0.0]), np.ones(4, np.bool_), np.zeros(4, np.bool_), 4, 0
    )
    for kind in (horvitz_thompson, hajek):
        assert (kind(everything).mean, kind(everything).variance) == (0.5, 0.0)


def test_too_few_draws_say_that_they_are_too_few() -> None:
    one = Sample(np.array([1.0]), np.zeros(1, np.bool_), np.ones(1, np.bool_), 10, 1)
    assert math.isnan(horvitz_thompson(one).variance)
    assert math.isnan(hajek(one).variance)
    none = Sample(np.array([1.0]), np.ones(1, np.bool_), np.zeros(1, np.bool_), 10, 0)
    assert math.isnan(hajek(none).mean)
    assert math.isnan(horvitz_thompson(none).mean)


def test_contradicting_samples_are_refused() -> None:
    two = np.ones(2, np.bool_)
    with pytest.raises(BadInput, match="at most n_random"):
        hajek(Sample(np.ones(2), ~two, two, 10, 1))
    with pytest.raises(BadInput, match="one length"):
        horvitz_thompson(Sample(np.ones(3), ~two, two, 10, 2))

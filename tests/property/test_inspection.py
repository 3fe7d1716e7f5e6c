"""Inclusion probabilities keep their promises, and estimates from them cover the truth."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from winnow.agreement.inspection import (
    Risk,
    Weights,
    drawn,
    inclusion_probabilities,
    rare_labels,
)
from winnow.domain.errors import BadInput
from winnow.estimation.poisson_sampling import Floats, horvitz_thompson_rate


@st.composite
def risks(draw: st.DrawFn) -> Risk:
    n = draw(st.integers(1, 60))
    flags = arrays(np.bool_, n)
    return Risk(draw(flags), draw(flags), draw(flags))


WEIGHTS = st.builds(
    Weights, st.floats(1.0, 10.0), st.floats(1.0, 10.0), st.floats(0.001, 1.0)
)  # fmt: skip


@given(risks(), WEIGHTS, st.floats(0.0, 1.0))
def test_inclusion_keeps_floor_ceiling_and_size(risk: Risk, weights: Weights, share: float) -> None:
    n = len(risk.certain_N)
    inclusion_N = inclusion_probabilities(risk, weights, expected_size=share * n)
    assert (inclusion_N >= weights.floor).all()
    assert (inclusion_N <= 1.0).all()
    assert (inclusion_N[risk.certain_N] == 1.0).all()
    n_certain = int(risk.certain_N.sum())
    least = n_certain + weights.floor * (n - n_certain)
    assert inclusion_N.sum() == pytest.approx(max(share * n, least), rel=1e-9)


@given(risks(), WEIGHTS, st.floats(0.0, 1.0))
def test_more_risk_never_means_less_inspection(risk: Risk, weights: Weights, share: float) -> None:
    inclusion_N = inclusion_probabilities(risk, weights, expected_size=share * len(risk.certain_N))
    rank_N = np.where(risk.differs_N, weights.disagreement, 1.0) * np.where(
        risk.rare_N, weights.rare_class, 1.0
    )
    order = np.argsort(rank_N[~risk.certain_N], kind="stable")
    assert (np.diff(inclusion_N[~risk.certain_N][order]) >= 0).all()


def test_a_floor_of_zero_is_refused_because_no_estimate_could_stand_on_it() -> None:
    risk = Risk(*(np.zeros(3, dtype=np.bool_) for _ in range(3)))
    with pytest.raises(BadInput):
        inclusion_probabilities(risk, Weights(1.0, 1.0, 0.0), expected_size=1.0)


def test_a_draw_belongs_to_the_frame_and_the_seed() -> None:
    frame_ids = [f"{number:032x}" for number in range(500)]
    half_N = np.full(500, 0.5)
    chosen_N = drawn(frame_ids, half_N, seed=9)
    assert (drawn(frame_ids[::-1], half_N, seed=9)[::-1] == chosen_N).all()
    assert (drawn(frame_ids, np.full(500, 0.7), seed=9) >= chosen_N).all()
    assert (drawn(frame_ids, half_N, seed=10) != chosen_N).any()
    assert drawn(frame_ids, np.ones(500), seed=9).all()
    assert 200 < chosen_N.sum() < 300


def test_classes_below_half_of_an_even_share_are_rare() -> None:
    assert rare_labels(["a"] * 8 + ["b"] * 2, 2).tolist() == [False] * 8 + [True] * 2
    assert not rare_labels(["a", "b"], 2).any()


# Ten thousand labels in four strata of risk, as in the sheet of facts: 3.2 % defects, about 600
# inspected, the rare stratum twelve times as often as the common one.
SIZES = (8500, 1000, 400, 100)
RATES = (0.02, 0.06, 0.15, 0.30)
N_RUNS = 1000


def population() -> tuple[Floats, Floats]:
    rng = np.random.Generator(np.random.Philox(11))
    defects_N = rng.random(sum(SIZES)) < np.repeat(RATES, SIZES)
    stratum_N = np.repeat(np.arange(4), SIZES)
    risk = Risk(stratum_N >= 1, stratum_N >= 2, np.zeros(sum(SIZES), dtype=np.bool_))
    inclusion_N = inclusion_probabilities(risk, Weights(4.0, 3.0, 0.02), expected_size=600)
    return defects_N.astype(np.float64), inclusion_N


def test_the_interval_covers_the_true_defect_rate_in_93_to_97_of_100_runs() -> None:
    defects_N, inclusion_N = population()
    truth = float(defects_N.mean())
    rng = np.random.Generator(np.random.Philox(12))
    covered, means = 0, []
    for _ in range(N_RUNS):
        chosen_N = rng.random(len(defects_N)) < inclusion_N
        estimate = horvitz_thompson_rate(
            defects_N[chosen_N], inclusion_N[chosen_N], population_size=len(defects_N)
        )
        covered += estimate.lower <= truth <= estimate.upper
        means.append(estimate.mean)
    assert 0.93 <= covered / N_RUNS <= 0.97
    assert np.mean(means) == pytest.approx(truth, rel=0.03), "unbiased"


def test_the_draw_of_a_round_gives_the_probabilities_it_says() -> None:
    _, inclusion_N = population()
    inclusion_N = inclusion_N[-600:]
    frame_ids = [hashlib.md5(str(n).encode()).hexdigest() for n in range(len(inclusion_N))]
    often_N = np.mean([drawn(frame_ids, inclusion_N, seed=seed) for seed in range(400)], axis=0)
    error_N = np.sqrt(inclusion_N * (1 - inclusion_N) / 400) + 1e-9
    assert (np.abs(often_N - inclusion_N) / error_N).max() < 5


def test_without_a_defect_the_bound_is_that_of_none_of_n() -> None:
    estimate = horvitz_thompson_rate(np.zeros(58), np.full(58, 0.5), population_size=100)
    assert (estimate.mean, estimate.lower) == (0.0, 0.0)
    assert estimate.upper == pytest.approx(1 - 0.025 ** (1 / 58))


def test_a_lot_that_was_inspected_whole_is_known_exactly() -> None:
    estimate = horvitz_thompson_rate(np.array([1.0, 0, 0, 0]), np.ones(4), population_size=4)
    assert (estimate.mean, estimate.lower, estimate.upper) == (0.25, 0.25, 0.25)


def test_without_inspection_nothing_is_known() -> None:
    estimate = horvitz_thompson_rate(np.empty(0), np.empty(0), population_size=10)
    assert estimate.n == 0
    assert np.isnan(estimate.upper)


@pytest.mark.parametrize("inclusion", [0.0, -0.1, 1.5])
def test_a_probability_out_of_range_is_refused(inclusion: float) -> None:
    with pytest.raises(BadInput):
        horvitz_thompson_rate(np.ones(1), np.array([inclusion]), population_size=10)

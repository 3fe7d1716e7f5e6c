"""Regression and evidential predictions: references, bounds and the split of the uncertainty."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

from winnow.acquisition import (
    bald,
    dirichlet_parts,
    evidential_epistemic,
    heteroscedastic_variance,
    predictive_variance,
    vacuity,
    variance_parts,
)
from winnow.acquisition.digamma import digamma_of, surplus_of
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
MEANS = arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(-1e6, 1e6)
)
ALPHAS = arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(1e-3, 1e9)
)


@given(MEANS)
def test_variance_is_numpys(means: Floats) -> None:
    scale = max(1.0, float(np.abs(means).max())) ** 2
    np.testing.assert_allclose(predictive_variance(means), means.var(axis=1), atol=1e-12 * scale)


@given(MEANS)
def test_variances_add_up_and_are_those_of_the_mixture(means: Floats) -> None:
    variances = np.abs(means)[:, ::-1]
    parts = variance_parts(means, variances)
    second_moments = (variances + means**2).mean(axis=1)
    expected = second_moments - means.mean(axis=1) ** 2
    scale = max(1.0, float(np.abs(means).max())) ** 2
    np.testing.assert_allclose(parts.total_N, expected, atol=1e-12 * scale)
    np.testing.assert_array_equal(parts.total_N, parts.aleatoric_N + parts.epistemic_N)
    np.testing.assert_array_equal(parts.epistemic_N, predictive_variance(means))
    np.testing.assert_array_equal(heteroscedastic_variance(means, variances), parts.total_N)


def test_members_that_agree_have_no_variance_however_large_the_number() -> None:
    np.testing.assert_array_equal(predictive_variance(np.full((3, 7), 0.1)), np.zeros(3))
    np.testing.assert_array_equal(predictive_variance(np.full((3, 3), 1e149)), np.zeros(3))
    np.testing.assert_array_equal(predictive_variance(np.array([[5.0], [-2.0]])), np.zeros(2))
    assert predictive_variance(np.array([[1e9, 1e9 + 2]]))[0] == 1.0


def test_frames_of_a_regression_permute_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    means, order = rng.normal(size=(70, 5)), rng.permutation(70)
    whole = predictive_variance(means)
    np.testing.assert_array_equal(predictive_variance(means[order]), whole[order])
    np.testing.assert_allclose(predictive_variance(means[:, ::-1]), whole, rtol=1e-12)
    monkeypatch.setattr("winnow.acquisition.checked.BLOCK_VALUES", 7)
    np.testing.assert_array_equal(predictive_variance(means), whole)
    assert predictive_variance(np.empty((0, 3))).shape == (0,)


def test_bad_regressions_are_refused() -> None:
    good = np.ones((3, 2))
    for number, found in ((np.nan, "nan"), (np.inf, "inf"), (1e200, "1e\\+200")):
        bad = good.copy()
        bad[1, 1] = number
        with pytest.raises(BadInput, match=f"means_NM: row 1: expected finite.*{found}"):
            predictive_variance(bad)
    with pytest.raises(BadInput, match=r"variances_NM: row 2, member 0: .*at least 0, found -1.0"):
        variance_parts(good, np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, 1.0]]))
    with pytest.raises(BadInput, match=r"variances_NM: expected shape \(3, 2\), found \(3, 1\)"):
        variance_parts(good, np.ones((3, 1)))
    with pytest.raises(BadInput, match="expected at least one member"):
        predictive_variance(np.ones((3, 0)))
    with pytest.raises(BadInput, match=r"expected shape \[frames, members\], found \(3,\)"):
        predictive_variance(np.ones(3))


@given(arrays(np.float64, 20, elements=st.floats(1e-300, 1e300)))
def test_digamma_is_scipys(values: Floats) -> None:
    expected = special.digamma(values)
    off = np.abs(digamma_of(values) - expected)
    assert (off <= 1e-14 * np.maximum(1.0, np.abs(expected))).all()


def test_digamma_surplus_keeps_its_relative_precision() -> None:
    large: Floats = np.array([10.0**k for k in range(2, 16)])
    inverse = 1 / large
    series = inverse / 2 - inverse**2 / 12 + inverse**4 / 120
    np.testing.assert_allclose(surplus_of(large), series, rtol=1e-12)
    small: Floats = np.linspace(0.01, 30, 500, dtype=np.float64)
    expected = special.digamma(small + 1) - np.log(small)
    np.testing.assert_allclose(surplus_of(small), expected, rtol=1e-12)


@given(ALPHAS)
def test_dirichlet_parts_are_those_of_scipy(alphas: Floats) -> None:
    parts, strength = dirichlet_parts(alphas), alphas.sum(axis=1, keepdims=True)
    probs = alphas / strength
    total = special.entr(probs).sum(axis=1)
    aleatoric = (probs * (special.digamma(strength + 1) - special.digamma(alphas + 1))).sum(axis=1)
    np.testing.assert_allclose(parts.total_N, total, atol=1e-12)
    np.testing.assert_allclose(parts.aleatoric_N, aleatoric, atol=1e-12)
    np.testing.assert_allclose(parts.epistemic_N, total - aleatoric, atol=1e-12)
    np.testing.assert_allclose(parts.vacuity_N, alphas.shape[1] / strength[:, 0], rtol=1e-14)
    assert (parts.epistemic_N >= 0).all()
    assert (parts.aleatoric_N >= 0).all()
    assert (parts.total_N <= math.log(alphas.shape[1]) + 1e-12).all()
    np.testing.assert_array_equal(evidential_epistemic(alphas), parts.epistemic_N)
    np.testing.assert_array_equal(vacuity(alphas), parts.vacuity_N)


def test_epistemic_uncertainty_is_the_disagreement_of_members_drawn_from_the_dirichlet() -> None:
    alphas = np.array([[2.0, 1.0, 0.5], [20.0, 10.0, 5.0]])
    rng = np.random.default_rng(0)
    members = np.stack([rng.dirichlet(alpha, 40_000) for alpha in alphas])
    np.testing.assert_allclose(dirichlet_parts(alphas).epistemic_N, bald(members), atol=2e-3)


def test_evidence_leaves_only_noise() -> None:
    much = dirichlet_parts(np.full((1, 4), 1e12))
    assert much.epistemic_N[0] == pytest.approx(3 / (2 * 4e12), rel=1e-9)
    assert much.aleatoric_N[0] == pytest.approx(math.log(4))
    none = dirichlet_parts(np.ones((1, 4)))
    assert none.vacuity_N.tolist() == [1.0]
    one_class = dirichlet_parts(np.array([[3.0], [1e-3]]))
    assert one_class.total_N.tolist() == one_class.epistemic_N.tolist() == [0.0, 0.0]
    hardly = dirichlet_parts(np.full((1, 2), 1e-300))
    assert hardly.epistemic_N[0] == pytest.approx(math.log(2))
    assert hardly.aleatoric_N[0] == pytest.approx(0.0, abs=1e-12)


def test_dirichlets_permute_bit_by_bit_and_not_with_classes() -> None:
    rng = np.random.default_rng(1)
    alphas, order = rng.gamma(1.0, 5.0, size=(60, 5)) + 1e-3, rng.permutation(60)
    whole = dirichlet_parts(alphas)
    np.testing.assert_array_equal(
        dirichlet_parts(alphas[order]).epistemic_N, whole.epistemic_N[order]
    )
    np.testing.assert_allclose(dirichlet_parts(alphas[:, ::-1]).aleatoric_N, whole.aleatoric_N)
    one_by_one = [dirichlet_parts(alphas[i : i + 1]).epistemic_N[0] for i in range(60)]
    np.testing.assert_array_equal(one_by_one, whole.epistemic_N)
    assert dirichlet_parts(np.empty((0, 3))).total_N.shape == (0,)


@pytest.mark.parametrize(("alpha", "found"), [(0.0, "0.0"), (-1.0, "-1.0")])
def test_a_concentration_that_is_not_positive_is_refused(alpha: float, found: str) -> None:
    alphas = np.ones((4, 3))
    alphas[3, 1] = alpha
    with pytest.raises(BadInput, match=f"alpha_NC: row 3, class 1: .*positive.*found {found}"):
        dirichlet_parts(alphas)


@pytest.mark.parametrize("alpha", [np.nan, np.inf])
def test_a_concentration_that_is_no_number_is_refused(alpha: float) -> None:
    with pytest.raises(BadInput, match="alpha_NC: row 0: expected finite numbers"):
        dirichlet_parts(np.array([[1.0, alpha]]))
    with pytest.raises(BadInput, match="expected at least one class"):
        dirichlet_parts(np.ones((2, 0)))

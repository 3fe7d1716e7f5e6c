"""Posteriors that stand for many: what is concave in them grows, and nothing gets lost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.kernels.merged_posteriors import merged

Floats = npt.NDArray[np.float64]


def posteriors_of(seed: int, n: int, n_members: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_members, 0.3), n), rng.random(n) + 1e-6


def entropy(posterior_SM: Floats) -> Floats:
    floor: Floats = np.maximum(posterior_SM, 1e-300)
    found: Floats = -(posterior_SM * np.log(floor)).sum(axis=1)
    return found


@given(st.integers(1, 60), st.integers(1, 6), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_merged_ones_weigh_the_same_and_bound_a_concave_sum(
    n: int, n_members: int, n_max: int, seed: int
) -> None:
    posterior_SM, weight_S = posteriors_of(seed, n, n_members)
    means_KM, weight_K = merged(posterior_SM, weight_S, n_max)
    assert len(means_KM) == len(weight_K) <= n_max
    assert weight_K.sum() == pytest.approx(weight_S.sum())
    np.testing.assert_allclose(weight_K @ means_KM, weight_S @ posterior_SM)
    assert weight_K @ entropy(means_KM) >= weight_S @ entropy(posterior_SM) - 1e-9


def test_more_groups_come_closer() -> None:
    posterior_SM, weight_S = posteriors_of(1, 2000, 5)
    exact = weight_S @ entropy(posterior_SM)
    gaps = []
    for n_max in (1, 8, 64, 512):
        means_KM, weight_K = merged(posterior_SM, weight_S, n_max)
        gaps.append(weight_K @ entropy(means_KM) / exact - 1.0)
    assert (np.diff(gaps) < 0).all()
    assert gaps[-1] < 0.05


def test_rows_that_are_all_alike_are_one() -> None:
    means_KM, weight_K = merged(np.tile([[0.25, 0.75]], (9, 1)), np.ones(9), 4)
    assert means_KM.tolist() == [[0.25, 0.75]]
    assert weight_K.tolist() == [9.0]

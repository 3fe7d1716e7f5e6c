"""k-means: as good as scikit-learn's, the steps of a ten-line Lloyd, and hard pools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans as PeerKMeans

from winnow.kernels import kmeans, nearest
from winnow.kernels.kmeans import d2_seeds, k_means, weighted_sums
from winnow.kernels.nearest import lower_to_nearest, nearest_center
from winnow.kernels.protocol import Floats, Rows


def blobs(n: int, k: int, *, spread: float, dimension: int = 8, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((k, dimension)) * spread
    return (centers[rng.integers(0, k, n)] + rng.standard_normal((n, dimension))).astype(np.float32)


def inertia(rows: Rows, centers: Rows) -> float:
    squared = np.full(len(rows), np.inf)
    lower_to_nearest(squared, rows, centers)
    return float(squared.sum())


def lloyd(rows: Rows, centers: Rows, weights: Floats, turns: int) -> Rows:
    """The method as it is told; assumes that no cluster runs empty."""
    for _ in range(turns):
        squared = ((rows[:, None].astype(np.float64) - centers[None]) ** 2).sum(axis=2)
        which = squared.argmin(axis=1)
        means = [np.average(rows[which == k], axis=0, weights=weights[which == k])
                 for k in range(len(centers))]  # fmt: skip
        centers = np.array(means).astype(np.float32)
    return centers


@pytest.mark.parametrize(("k", "spread"), [(5, 6.0), (20, 3.0), (40, 1.5)])
def test_the_sum_of_squares_is_that_of_a_peer(k: int, spread: float) -> None:
    rows = blobs(1500, k, spread=spread)
    ours = np.mean([inertia(rows, k_means(rows, k, seed=i, step=0)) for i in range(4)])
    peers = [PeerKMeans(k, n_init=1, random_state=i).fit(rows).inertia_ for i in range(4)]
    assert ours <= 1.03 * np.mean(peers)


@pytest.mark.parametrize("turns", [1, 2, 7])
def test_its_turns_are_lloyds(turns: int) -> None:
    rows = blobs(300, 6, spread=3.0)
    weights = np.random.default_rng(1).random(300)
    seeds = d2_seeds(rows, 6, seed=4, step=0, weights_S=weights)
    found = k_means(rows, 6, seed=4, step=0, weights_S=weights, iterations_max=turns)
    np.testing.assert_allclose(found, lloyd(rows, rows[seeds], weights, turns), rtol=1e-6)


def test_it_stops_where_nothing_moves_any_more() -> None:
    rows = blobs(300, 4, spread=8.0)
    found = k_means(rows, 4, seed=0, step=0, iterations_max=100)
    assert found.tobytes() == k_means(rows, 4, seed=0, step=0, iterations_max=1000).tobytes()
    assert found.tobytes() == lloyd(rows, found, np.ones(300), 1).tobytes()


def test_a_weight_of_two_counts_as_two_rows() -> None:
    rows = np.array([[0.0], [1.0], [4.0]], dtype=np.float32)
    assert k_means(rows, 1, seed=0, step=0, weights_S=np.array([1.0, 2.0, 1.0])).tolist() == [[1.5]]
    far_away = k_means(rows, 1, seed=0, step=0, weights_S=np.array([0.0, 0.0, 3.0]))
    assert far_away.tolist() == [[4.0]]


def test_no_weight_at_all_is_equal_weights() -> None:
    rows = blobs(40, 3, spread=5.0)
    weightless = k_means(rows, 3, seed=0, step=0, weights_S=np.zeros(40))
    assert weightless.tobytes() == k_means(rows, 3, seed=0, step=0).tobytes()


@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 9))
def test_there_are_at_most_as_many_centers_as_distinct_rows(n: int, k: int, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 3, (n, 2)).astype(np.float32)
    distinct = len(np.unique(rows, axis=0))
    centers = k_means(rows, k, seed=seed, step=0)
    assert len(centers) <= min(k, distinct)
    if k >= distinct:
        assert sorted(centers.tolist()) == sorted(np.unique(rows, axis=0).tolist())


def test_equal_rows_make_one_cluster_and_no_row_none() -> None:
    assert k_means(np.ones((50, 3), dtype=np.float32), 7, seed=0, step=0).tolist() == [[1.0] * 3]
    assert k_means(np.empty((0, 3), dtype=np.float32), 7, seed=0, step=0).shape == (0, 3)


def test_a_cluster_that_runs_empty_goes_to_the_farthest_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = np.array([[0.0], [0.1], [0.2], [5.0], [9.0]], dtype=np.float32)
    monkeypatch.setattr(kmeans, "d2_seeds", lambda *_, **__: np.array([0, 0, 4]))
    found = k_means(rows, 3, seed=0, step=0)  # two seeds on one row: the second gets nobody
    np.testing.assert_allclose(np.sort(found.ravel()), [0.1, 5.0, 9.0], rtol=1e-6)


def test_the_seed_decides_and_an_outlier_does_not_blind_it() -> None:
    rows = blobs(500, 10, spread=1.0)
    assert (
        k_means(rows, 10, seed=1, step=0).tobytes() == k_means(rows, 10, seed=1, step=0).tobytes()
    )
    assert (
        k_means(rows, 10, seed=1, step=0).tobytes() != k_means(rows, 10, seed=2, step=0).tobytes()
    )
    apart = blobs(500, 4, spread=20.0)
    apart[17] = 1e12
    centers = k_means(apart, 5, seed=0, step=0)
    assert np.bincount(nearest_center(apart, centers), minlength=5).min() == 1
    assert inertia(np.delete(apart, 17, axis=0), centers) < 500 * 8 * 1.5


def test_seeds_are_drawn_in_proportion_to_squared_distance() -> None:
    # From one row at 0, the others at 1, 2 and 3: the best of several draws is taken, so look at
    # the first draw alone, which is by weight.
    rows = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    first = [int(d2_seeds(rows, 1, seed=seed, step=0, weights_S=weights)[0]) for seed in range(600)]
    expected = 600 * weights / 10
    assert ((np.bincount(first, minlength=4) - expected) ** 2 / expected).sum() < 16.3  # p = .001


def test_blocks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = blobs(700, 9, spread=2.0)
    whole = k_means(rows, 12, seed=3, step=0)
    monkeypatch.setattr(nearest, "BLOCK_VALUES", 999)
    assert k_means(rows, 12, seed=3, step=0).tobytes() == whole.tobytes()


def test_sums_go_by_group_in_the_order_of_the_rows() -> None:
    rows = np.random.default_rng(0).standard_normal((400, 3)).astype(np.float32)
    which, weights = np.arange(400) % 7, np.random.default_rng(1).random(400)
    expected = np.zeros((7, 3))
    for row, group, weight in zip(rows, which, weights, strict=True):
        expected[group] += row * weight
    assert weighted_sums(rows, which, weights, 7).tolist() == expected.tolist()

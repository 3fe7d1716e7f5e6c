"""Average linkage against SciPy's, from single vectors and from groups of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from winnow.kernels.linkage import average_linkage, unit_rows
from winnow.kernels.protocol import Floats, Rows
from winnow.kernels.sieve import Positions


def rows_of(n: int, seed: int = 0) -> Rows:
    return np.random.default_rng(seed).standard_normal((n, 5)).astype(np.float32)


def singles(rows: Rows) -> tuple[Floats, Positions]:
    return unit_rows(rows), np.ones(len(rows), dtype=np.intp)


def as_partition(labels: Positions) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("n", [2, 3, 17, 120])
def test_heights_and_clusters_are_scipys(n: int) -> None:
    rows = rows_of(n)
    merges = average_linkage(*singles(rows))
    expected = linkage(pdist(rows.astype(np.float64), "cosine"), "average")
    np.testing.assert_allclose(1.0 - merges.similarity_J, expected[:, 2], atol=1e-6)
    for distance in (0.2, 0.6, 1.0):
        ours = merges.cut(int((merges.similarity_J >= 1.0 - distance).sum()))
        assert as_partition(ours) == as_partition(fcluster(expected, distance, "distance"))


def test_groups_merge_as_their_members_would() -> None:
    rows = np.repeat(rows_of(12), 4, axis=0)  # four alike in a row: they merge first, at 0
    rows = rows + np.random.default_rng(1).standard_normal(rows.shape).astype(np.float32) * 1e-3
    whole = average_linkage(*singles(rows))
    units = unit_rows(rows)
    means = units.reshape(12, 4, 5).mean(axis=1)
    grouped = average_linkage(means, np.full(12, 4))
    np.testing.assert_allclose(grouped.similarity_J, whole.similarity_J[36:], atol=1e-6)
    for n_merges in (0, 3, 8, 11):
        together = np.repeat(grouped.cut(n_merges), 4)
        assert as_partition(together) == as_partition(whole.cut(36 + n_merges))


def test_sizes_weigh_the_means() -> None:
    means = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    merges = average_linkage(means, np.array([3, 1, 1]))
    assert merges.pairs_JM.tolist() == [[0, 1], [0, 2]]
    np.testing.assert_allclose(merges.similarity_J, [0.8, (3 * 0.0 + 1 * 0.6) / 4], atol=1e-7)


def test_equal_vectors_and_zeros_end_and_heights_never_rise() -> None:
    for rows in (np.ones((40, 3)), np.zeros((40, 3)), np.tile(np.eye(4), (10, 1))):
        merges = average_linkage(*singles(rows.astype(np.float32)))
        assert len(merges.pairs_JM) == 39
        assert (np.diff(merges.similarity_J) <= 0).all()
        assert set(merges.cut(39).tolist()) == {0}
    few = average_linkage(*singles(np.tile(np.eye(4), (10, 1)).astype(np.float32)))
    assert len(set(few.cut(36).tolist())) == 4


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_merge(n: int) -> None:
    merges = average_linkage(*singles(rows_of(n)))
    assert len(merges.pairs_JM) == 0
    assert merges.cut(0).tolist() == [0]

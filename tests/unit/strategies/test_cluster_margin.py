"""Cluster-Margin against SciPy's clusters and a ten-line round robin."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from tests.unit.strategies.test_clusters import ids_of
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.kernels.philox import draws_of
from winnow.strategies.cluster_margin import STEP, ClusterMargin
from winnow.strategies.protocol import Candidates, Positions, tie_ranks


def pool_of(n: int, seed: int = 0, n_groups: int = 12) -> Candidates:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_groups, 6))[rng.integers(0, n_groups, n)]
    rows = rows + 0.2 * rng.standard_normal((n, 6))
    return Candidates(
        ids_of(n, seed), scores_N=rng.random(n), embeddings_ND=rows.astype(np.float32)
    )


def scipys(pool: Candidates, **cut: float) -> Positions:
    rows = pool.embeddings_ND
    assert rows is not None
    tree = linkage(pdist(rows.astype(np.float64), "cosine"), "average")
    if "distance" in cut:
        return np.asarray(fcluster(tree, cut["distance"], "distance"))
    return np.asarray(fcluster(tree, cut["n_clusters"], "maxclust"))


def partition(labels: Positions) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("distance", [0.05, 0.3, 0.8])
def test_clusters_are_those_of_average_linkage(distance: float) -> None:
    pool = pool_of(150)
    chooser = ClusterMargin(cosine_distance_max=distance)
    found = chooser.clusters(pool, tie_ranks(pool.frame_ids), seed=0)
    assert partition(found) == partition(scipys(pool, distance=distance))


def test_without_a_distance_clusters_have_so_many_frames_on_average() -> None:
    pool = pool_of(150)
    found = ClusterMargin().clusters(pool, tie_ranks(pool.frame_ids), seed=0)
    assert partition(found) == partition(scipys(pool, n_clusters=15))
    few = ClusterMargin(frames_per_cluster=1000).clusters(pool, tie_ranks(pool.frame_ids), seed=0)
    assert len(set(few.tolist())) == 1


@pytest.mark.parametrize("seed", range(4))
def test_one_is_drawn_from_each_cluster_of_the_shortlist_the_fewest_first(seed: int) -> None:
    pool = pool_of(200, seed)
    scores, rank = pool.scores_N, tie_ranks(pool.frame_ids)
    assert scores is not None
    cluster = ClusterMargin().clusters(pool, rank, seed=seed)
    draws = draws_of(pool.frame_ids, seed=seed, step=STEP)
    shortlist = np.argsort(-scores)[:25].tolist()
    groups: dict[int, list[int]] = {}
    for pos in sorted(shortlist, key=draws.__getitem__):
        groups.setdefault(int(cluster[pos]), []).append(pos)
    queues = sorted(groups.values(), key=lambda each: (len(each), cluster[each[0]]))
    expected: list[int] = []
    while len(expected) < 20:
        expected += [queue.pop(0) for queue in queues if queue]
    picks = ClusterMargin().choose(pool, 20, seed=seed)
    assert [pick.pos for pick in picks] == expected[:20]
    assert [pick.utility for pick in picks] == scores[expected[:20]].tolist()


def test_every_shortlisted_frame_of_a_cluster_is_as_likely() -> None:
    rows = np.ones((8, 2), dtype=np.float32)
    pool = Candidates(ids_of(8), scores_N=np.ones(8), embeddings_ND=rows)
    chooser = ClusterMargin(shortlist_factor=8.0)
    first = [chooser.choose(pool, 1, seed=seed)[0].pos for seed in range(400)]
    assert ((np.bincount(first, minlength=8) - 50) ** 2 / 50).sum() < 24.3  # p = .001


def test_groups_by_k_means_stand_for_the_frames_of_a_large_pool() -> None:
    pool = pool_of(600, n_groups=9)
    rank = tie_ranks(pool.frame_ids)
    exact = ClusterMargin(cosine_distance_max=0.5).clusters(pool, rank, seed=0)
    grouped = ClusterMargin(cosine_distance_max=0.5, leaves_max=60).clusters(pool, rank, seed=0)
    assert partition(grouped) == partition(exact)
    assert len(set(ClusterMargin(leaves_max=5).clusters(pool, rank, seed=0).tolist())) == 5


def test_length_of_a_row_is_nothing_and_a_zero_row_is_like_no_other() -> None:
    rows = np.array([[1, 0], [9, 0], [0, 2], [0, 0], [0, 7], [0, 0]], dtype=np.float32)
    pool = Candidates(np.sort(ids_of(6)), scores_N=np.ones(6), embeddings_ND=rows)
    chooser = ClusterMargin(cosine_distance_max=0.1)
    found = chooser.clusters(pool, tie_ranks(pool.frame_ids), seed=0)
    assert partition(found) == {frozenset(each) for each in ((0, 1), (2, 4), (3,), (5,))}


def test_the_next_shortlist_follows_where_constraints_close_the_first() -> None:
    pool = pool_of(100)
    scores = pool.scores_N
    assert scores is not None
    names = np.where(scores > np.sort(scores)[-30], "alike", [f"c{i}" for i in range(100)])
    constraints = [OnePerCluster(names.astype(np.str_))]
    picks = ClusterMargin().choose(pool, 10, seed=0, constraints=constraints)
    assert len({names[pick.pos] for pick in picks}) == 10
    texts = ClusterMargin().passed_over(pool, picks, 10)
    assert sum(text.startswith("shortlisted") for text in texts) == 13

"""TypiClust against a reference that holds all distances, and the known mistakes of peers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.unit.strategies.test_clusters import ids_of
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.strategies import clusters, typiclust
from winnow.strategies.clusters import Clusters, clusters_of, in_order
from winnow.strategies.protocol import Candidates, Rows, tie_ranks
from winnow.strategies.typiclust import TypiClust, mean_distances


def clustered(seed: int, sizes: Sequence[int]) -> Rows:
    rng = np.random.default_rng(seed)
    centers = np.repeat(rng.standard_normal((len(sizes), 4)) * 30, sizes, axis=0)
    return (centers + rng.standard_normal(centers.shape)).astype(np.float32)


def reference(pool: Candidates, found: Clusters, n: int) -> list[int]:
    """The authors' rule with all distances; a visited cluster's typicality is measured once."""
    rows, rank = pool.embeddings_ND, tie_ranks(pool.frame_ids)
    assert rows is not None
    k = len(found.centers_KD)
    labeled = np.bincount(found.of_L, minlength=k)
    size = np.bincount(found.of_N, minlength=k) + labeled
    order = sorted(range(k), key=lambda c: (size[c] <= 5, labeled[c], -size[c], c))
    queues: dict[int, list[int]] = {}
    for cluster in order:
        members = np.flatnonzero(found.of_N == cluster)
        distances = np.sqrt(((rows[members, None].astype(np.float64) - rows[members]) ** 2).sum(2))
        near = np.sort(distances, axis=1)[:, 1 : 1 + max(1, min(20, len(members) // 2))]
        mean = near.mean(axis=1) if len(members) > 1 else np.zeros(len(members))
        queues[cluster] = [int(members[i]) for i in np.lexsort((rank[members], mean.round(9)))]
    chosen: list[int] = []
    for small in (False, True):
        visited = [cluster for cluster in order if (size[cluster] <= 5) == small]
        while len(chosen) < n and any(queues[cluster] for cluster in visited):
            chosen += [queues[cluster].pop(0) for cluster in visited if queues[cluster]]
    return chosen[:n]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("clusters_max", [4, 500])
def test_the_batch_is_that_of_the_reference(seed: int, clusters_max: int) -> None:
    rows = clustered(seed, [40, 25, 12, 7, 3, 2])
    labeled = clustered(seed, [2, 0, 1])
    pool = Candidates(ids_of(len(rows)), embeddings_ND=rows, centers_LD=labeled)
    found = clusters_of(
        pool.frame_ids, rows, in_order(tie_ranks(pool.frame_ids)), min(3 + 9, clusters_max),
        seed=seed, labeled_LD=labeled,
    )  # fmt: skip
    picks = TypiClust(clusters_max=clusters_max).choose(pool, 9, seed=seed)
    assert [pick.pos for pick in picks] == reference(pool, found, 9)


def test_typicality_is_of_distances_not_of_squared_ones() -> None:
    # Neighbours at 1 and 3, or at 2.1 and 2.1: the mean is 2 < 2.1, that of squares is 5 > 4.41.
    points = np.array([[0, 0], [1, 0], [0, 3], [40, 0], [42.1, 0], [40, 2.1]], dtype=np.float32)
    means = [float(mean_distances(points[part], 2)[0]) for part in (slice(3), slice(3, 6))]
    assert means[0] == 1.0  # half of three frames is one neighbour
    points = np.concatenate([points[:3], points[:3] + 500, points[3:], points[3:] + 500])
    wide = [float(mean_distances(points[part], 2)[0]) for part in (slice(6), slice(6, 12))]
    np.testing.assert_allclose(wide, [2.0, 2.1], rtol=1e-6)


def test_clusters_with_labels_come_last_and_small_ones_after_them() -> None:
    rows = clustered(1, [30, 20, 10, 4])
    labeled = rows[:2] + np.float32(0.01)  # two labels in the largest
    pool = Candidates(ids_of(len(rows)), embeddings_ND=rows, centers_LD=labeled)
    of_blob = np.repeat(np.arange(4), [30, 20, 10, 4])
    picks = TypiClust(clusters_max=4).choose(pool, 6, seed=0)
    assert of_blob[[pick.pos for pick in picks]].tolist() == [1, 2, 0, 1, 2, 0]
    assert "has 32 frames, 2 of them labeled" in picks[2].reason
    everything = TypiClust(clusters_max=4).choose(pool, 64, seed=0)
    assert of_blob[[pick.pos for pick in everything]].tolist()[-4:] == [3, 3, 3, 3]


def test_the_number_of_clusters_is_capped_however_many_labels_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def counted(*args: object, **options: object) -> Clusters:
        asked.append(args[3])  # type: ignore[arg-type]
        return clusters_of(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(typiclust, "clusters_of", counted)
    rows = clustered(0, [60])
    pool = Candidates(ids_of(60), embeddings_ND=rows, centers_LD=clustered(1, [70]))
    TypiClust().choose(pool, 5, seed=0)
    TypiClust(clusters_max=20).choose(pool, 5, seed=0)
    assert asked == [75, 20]


def test_the_seed_reaches_the_clusters() -> None:
    rows = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    pool = Candidates(ids_of(200), embeddings_ND=rows)
    batches = [tuple(p.pos for p in TypiClust().choose(pool, 10, seed=s)) for s in (1, 1, 2, 3)]
    assert len(set(batches)) == 3


def test_a_closed_cluster_makes_room_and_the_batch_is_full() -> None:
    rows = clustered(2, [30, 20, 10])
    of_blob = np.repeat(["a", "b", "c"], [30, 20, 10])
    pool = Candidates(ids_of(60), embeddings_ND=rows)
    picks = TypiClust().choose(pool, 3, seed=0, constraints=[OnePerCluster(of_blob)])
    assert sorted(of_blob[[pick.pos for pick in picks]].tolist()) == ["a", "b", "c"]


def test_a_very_large_cluster_is_compared_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typiclust, "COMPARED_MAX", 30)
    rows = clustered(3, [100])
    pool = Candidates(ids_of(100), embeddings_ND=rows)
    picks = TypiClust(clusters_max=1).choose(pool, 100, seed=0)
    assert len({pick.pos for pick in picks}) == 100
    assert [pick.utility is not None for pick in picks] == [True] * 30 + [False] * 70
    assert picks[0].utility == max(pick.utility for pick in picks[:30] if pick.utility is not None)


def test_training_on_a_sample_gives_nearly_the_same_clusters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "n_training_rows", lambda _: 100)
    rows = clustered(4, [300, 200, 100])
    pool = Candidates(ids_of(600), embeddings_ND=rows)
    of_blob = np.repeat(np.arange(3), [300, 200, 100])
    picks = TypiClust().choose(pool, 3, seed=0)
    assert of_blob[[pick.pos for pick in picks]].tolist() == [0, 1, 2]

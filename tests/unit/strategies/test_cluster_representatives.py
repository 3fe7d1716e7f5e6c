"""One frame a cluster."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.strategies.test_clusters import ids_of
from winnow.strategies.cluster_representatives import KMeans
from winnow.strategies.protocol import Candidates, Positions


def three_blobs(*sizes: int) -> tuple[Candidates, Positions]:
    rng = np.random.default_rng(0)
    blob_N = np.repeat(np.arange(len(sizes)), sizes)
    centers = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])[blob_N]
    rows = (centers + rng.standard_normal((len(blob_N), 2))).astype(np.float32)
    return (
        Candidates(ids_of(len(blob_N)), scores_N=rng.random(len(blob_N)), embeddings_ND=rows),
        blob_N,
    )


def test_the_frame_nearest_to_the_center_of_each_cluster_the_largest_first() -> None:
    pool, blob_N = three_blobs(20, 40, 30)
    picks = KMeans().choose(pool, 3, seed=0)
    assert blob_N[[pick.pos for pick in picks]].tolist() == [1, 2, 0]
    rows = pool.embeddings_ND
    assert rows is not None
    for pick in picks:
        members = np.flatnonzero(blob_N == blob_N[pick.pos])
        center = rows[members].mean(axis=0)
        distances = np.linalg.norm(rows[members] - center, axis=1)
        assert pick.pos == members[np.argmin(distances)]
        assert pick.utility == pytest.approx(-distances.min(), rel=1e-4)


def test_or_the_one_with_the_highest_score() -> None:
    pool, blob_N = three_blobs(20, 40, 30)
    picks = KMeans(pick="highest_score").choose(pool, 3, seed=0)
    scores = pool.scores_N
    assert scores is not None
    for pick in picks:
        assert scores[pick.pos] == scores[blob_N == blob_N[pick.pos]].max() == pick.utility


def test_scores_are_needed_only_where_they_are_used() -> None:
    assert KMeans().needs == {"embeddings"}
    assert KMeans(pick="highest_score").needs == {"embeddings", "scores"}
    assert KMeans(weight="score").needs == {"embeddings", "scores"}


def test_weights_draw_clusters_to_high_scores() -> None:
    pool, blob_N = three_blobs(60, 30, 30)
    scores_N = np.where(blob_N == 0, 1.0 + np.arange(120) / 1000, 0.0)
    weighted = KMeans(weight="score").choose(replace(pool, scores_N=scores_N), 3, seed=0)
    assert blob_N[[pick.pos for pick in weighted]].tolist().count(0) >= 2
    plain = KMeans().choose(replace(pool, scores_N=scores_N), 3, seed=0)
    assert sorted(blob_N[[pick.pos for pick in plain]].tolist()) == [0, 1, 2]


def test_more_frames_than_clusters_are_taken_in_turn() -> None:
    pool, blob_N = three_blobs(2, 40, 30)
    picks = KMeans(clusters_max=3).choose(pool, 9, seed=0)
    assert blob_N[[pick.pos for pick in picks]].tolist() == [1, 2, 0, 1, 2, 0, 1, 2, 1]
    rows = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)  # three distinct frames only
    few = Candidates(ids_of(12), embeddings_ND=rows)
    found = [pick.pos for pick in KMeans().choose(few, 7, seed=0)]
    assert len(set(found)) == 7
    assert {pos // 4 for pos in found[:3]} == {0, 1, 2}


def test_the_seed_reaches_the_clusters() -> None:
    rng = np.random.default_rng(1)
    pool = Candidates(ids_of(200), embeddings_ND=rng.standard_normal((200, 8)).astype(np.float32))
    batches = {
        tuple(pick.pos for pick in KMeans().choose(pool, 10, seed=seed)) for seed in (1, 2, 3)
    }
    assert len(batches) == 3

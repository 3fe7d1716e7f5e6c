"""BAIT against brute force, and in what stays bounded."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.domain.errors import BadInput
from winnow.strategies.bait import Bait
from winnow.strategies.last_layer import LastLayer
from winnow.strategies.protocol import Candidates, tie_ranks

Floats = npt.NDArray[np.float64]


def hex_ids(n: int) -> npt.NDArray[np.str_]:
    return np.array([f"{i:032x}" for i in range(n)], dtype=np.str_)


def pool_of(
    seed: int, n: int, dimension: int = 3, n_classes: int = 3, labels: int = 4
) -> Candidates:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(n_classes), (n, 2)).astype(np.float32)
    return Candidates(
        hex_ids(n),
        embeddings_ND=rng.standard_normal((n, dimension)).astype(np.float32),
        probs_NMC=probs,
        centers_LD=rng.standard_normal((labels, dimension)).astype(np.float32),
        center_probs_LMC=rng.dirichlet(np.ones(n_classes), (labels, 2)).astype(np.float32),
    )


def informations(rows: npt.NDArray[np.float32], probs_NMC: npt.NDArray[np.float32]) -> list[Floats]:
    found = []
    for x, members in zip(rows.astype(np.float64), probs_NMC.astype(np.float64), strict=True):
        p = members.mean(axis=0) / members.mean(axis=0).sum()
        found.append(np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x)))
    return found


def brute_force(pool: Candidates, n: int, oversample: int = 2, ridge: float = 1.0) -> list[int]:
    """Algorithm 1 of the paper with dense matrices, inverted every time."""
    assert pool.embeddings_ND is not None
    assert pool.probs_NMC is not None
    parts = informations(pool.embeddings_ND, pool.probs_NMC)
    target: Floats = np.mean(parts, axis=0)
    held = np.eye(len(target)) * ridge * np.trace(target) / len(target)
    if pool.centers_LD is not None and pool.center_probs_LMC is not None:
        held = held + sum(informations(pool.centers_LD, pool.center_probs_LMC))

    def trace(chosen: list[int]) -> float:
        return float(np.trace(np.linalg.solve(held + sum(parts[i] for i in chosen), target)))

    chosen: list[int] = []
    for _ in range(min(oversample * n, len(parts))):
        left = [i for i in range(len(parts)) if i not in chosen]
        chosen.append(min(left, key=lambda i: trace([*chosen, i])))
    while len(chosen) > n:
        chosen.remove(min(chosen, key=lambda i: trace([j for j in chosen if j != i])))
    return chosen


@pytest.mark.parametrize("seed", range(6))
def test_batches_are_those_of_brute_force(seed: int) -> None:
    pool = pool_of(seed, 25)
    picks = Bait().choose(pool, 5, seed=0)
    assert [pick.pos for pick in picks] == brute_force(pool, 5)
    forward = Bait(oversample=1.0).choose(pool, 5, seed=0)
    assert [pick.pos for pick in forward] == brute_force(pool, 5, oversample=1)
    utilities = [pick.utility for pick in forward]
    assert all(utility is not None and utility > 0 for utility in utilities)


def test_without_labels_it_starts_from_the_ridge_alone() -> None:
    pool = replace(pool_of(7, 20), centers_LD=None, center_probs_LMC=None)
    picks = Bait(ridge=0.3).choose(pool, 4, seed=0)
    assert [pick.pos for pick in picks] == brute_force(pool, 4, ridge=0.3)


def test_labeled_frames_that_the_committee_was_not_asked_about_count_with_equal_probabilities() -> (
    None
):
    pool = pool_of(8, 20)
    assert pool.center_probs_LMC is not None
    equal = replace(pool, center_probs_LMC=np.full_like(pool.center_probs_LMC, 1 / 3))
    silent = replace(pool, center_probs_LMC=None)
    assert [p.pos for p in Bait().choose(silent, 5, seed=0)] == [
        p.pos for p in Bait().choose(equal, 5, seed=0)
    ]


def test_what_a_constraint_closes_is_replaced() -> None:
    pool = pool_of(9, 30)
    free = [pick.pos for pick in Bait().choose(pool, 6, seed=0)]
    clusters = np.array([f"c{i}" for i in range(30)], dtype=np.str_)
    clusters[free[:3]] = "same"
    picks = Bait().choose(pool, 6, seed=0, constraints=[OnePerCluster(clusters)])
    chosen = [pick.pos for pick in picks]
    assert len(set(chosen)) == 6
    assert chosen[:4] == [free[0], *free[3:]]
    assert len({clusters[pos] for pos in chosen}) == 6


def test_a_pool_larger_than_the_candidates_still_fills_the_batch() -> None:
    pool = pool_of(10, 60)
    chooser = Bait(candidates_max=7, oversample=1.0)
    first = chooser.choose(pool, 5, seed=0)
    assert len(first) == 5
    assert first == chooser.choose(pool, 5, seed=9)
    clusters = np.full(60, "one", dtype="U20")
    clusters[[pick.pos for pick in first]] = "all candidates"
    clusters[40:] = np.array([f"c{i}" for i in range(20)])
    picks = chooser.choose(pool, 20, seed=0, constraints=[OnePerCluster(clusters)])
    assert len({pick.pos for pick in picks}) == 20


def test_wide_embeddings_keep_their_inner_products_in_the_mean() -> None:
    pool = pool_of(11, 40, dimension=600)
    layer = LastLayer(pool, tie_ranks(pool.frame_ids), 256, 16)
    features = layer.points(np.arange(40)).features_KD
    assert features.shape == (40, 256)
    assert pool.embeddings_ND is not None
    wide = pool.embeddings_ND.astype(np.float64)
    off = (features @ features.T - wide @ wide.T) / 600
    assert np.abs(off).max() < 5 / 16
    assert np.sqrt((off**2).mean()) < 1 / 16 * 1.5
    narrow = LastLayer(pool, tie_ranks(pool.frame_ids), 600, 16).points(np.arange(40))
    np.testing.assert_array_equal(narrow.features_KD, wide)


def test_many_classes_fall_into_groups_of_equal_size() -> None:
    pool = pool_of(12, 10, n_classes=40)
    layer = LastLayer(pool, tie_ranks(pool.frame_ids), 64, 8)
    points = layer.points(np.arange(10))
    assert points.probs_KC.shape == (10, 8)
    np.testing.assert_allclose(points.probs_KC.sum(axis=1), 1.0)
    assert pool.probs_NMC is not None
    one = np.zeros((40, 1, 40), dtype=np.float32)
    one[np.arange(40), 0, np.arange(40)] = 1.0
    every = replace(pool_of(12, 40, n_classes=40), probs_NMC=one)
    found = LastLayer(every, tie_ranks(every.frame_ids), 64, 8).points(np.arange(40))
    assert found.probs_KC.sum(axis=0).tolist() == [5.0] * 8


def test_memory_grows_neither_with_classes_times_width_nor_with_its_square() -> None:
    """The reference builds frames x classes x (classes · width): 1.6 GB here."""
    pool = pool_of(13, 500, dimension=400, n_classes=32, labels=50)
    chooser = Bait(features_max=16, classes_max=8)
    tracemalloc.start()
    assert len(chooser.choose(pool, 5, seed=0)) == 5
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6


def test_probabilities_of_labeled_frames_must_fit() -> None:
    pool = pool_of(14, 10)
    assert pool.center_probs_LMC is not None
    with pytest.raises(BadInput, match=r"center_probs_LMC: expected shape \(4, M, 3\)"):
        Bait().choose(replace(pool, center_probs_LMC=pool.center_probs_LMC[:2]), 2, seed=0)
    wrong = pool.center_probs_LMC.copy()
    wrong[1, 0] = 2.0
    with pytest.raises(BadInput, match="center_probs_LMC"):
        Bait().choose(replace(pool, center_probs_LMC=wrong), 2, seed=0)

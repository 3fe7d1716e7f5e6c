"""ProbCover against one that holds all pairs, its radius, and the known mistakes of peers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.strategies.test_clusters import ids_of
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.kernels import ball_cover, neighbours
from winnow.strategies import probcover
from winnow.strategies.clusters import clusters_of
from winnow.strategies.probcover import ProbCover
from winnow.strategies.protocol import Candidates, Rows, tie_ranks


def positions(pool: Candidates, n: int, **options: object) -> list[int]:
    return [pick.pos for pick in ProbCover(**options).choose(pool, n, seed=0)]  # type: ignore[arg-type]


def reference(
    rows: Rows, labeled: Rows, rank: npt.NDArray[np.int64], n: int, delta: float
) -> list[int]:
    """Greedy cover on the graph of all pairs, then farthest first; ties to the smaller id."""
    wide = rows.astype(np.float64)
    near = ((wide[:, None] - wide[None]) ** 2).sum(2) < delta**2
    to_labeled = ((wide[:, None] - labeled[None]) ** 2).sum(2).min(axis=1, initial=np.inf)
    covered, chosen = to_labeled < delta**2, list[int]()
    for _ in range(n):
        gain = (near & ~covered).sum(axis=1).astype(np.float64)
        gain[chosen] = 0
        if not gain.any():
            known = [((wide - wide[pos]) ** 2).sum(1) for pos in chosen]
            gain = np.min([to_labeled, *known], axis=0)
            gain[chosen] = -1
        chosen.append(min(range(len(rows)), key=lambda pos: (-gain[pos], rank[pos])))
        covered |= near[chosen[-1]]
    return chosen


@given(st.integers(1, 30), st.integers(0, 3), st.sampled_from([1.0, 1.5, 4.0]), st.integers(0, 999))
def test_the_batch_is_that_of_the_reference(
    n: int, n_labeled: int, delta: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-4, 5, (n, 2)).astype(np.float32)
    labeled = rng.integers(-4, 5, (n_labeled, 2)).astype(np.float32)
    pool = Candidates(ids_of(n, seed), embeddings_ND=rows, centers_LD=labeled)
    expected = reference(rows, labeled, tie_ranks(pool.frame_ids), n, delta)
    assert positions(pool, n, delta=delta) == expected


def test_the_last_rows_of_a_pool_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # A peer walks over whole blocks of 500 rows only: what stands behind them is never taken.
    for module in (neighbours, ball_cover):
        monkeypatch.setattr(module, "TILE_ROWS", 50)
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((129, 3)) * 100).astype(np.float32)
    rows[100:] = rng.standard_normal((29, 3)) * 0.01  # the only dense place is the tail
    ids = np.sort(ids_of(129))
    pool = Candidates(ids, embeddings_ND=rows)
    (first,) = ProbCover(delta=1.0).choose(pool, 1, seed=0)
    assert first.pos >= 100
    assert first.utility == 29.0


def test_another_pool_is_another_pool() -> None:
    # A peer keeps distances of the first call and uses them for the next pool.
    rng = np.random.default_rng(0)
    chooser = ProbCover(delta=0.7)
    pools = [
        Candidates(ids_of(40), embeddings_ND=rng.standard_normal((40, 2)).astype(np.float32))
        for _ in range(2)
    ]
    both = [[p.pos for p in chooser.choose(pool, 5, seed=0)] for pool in (*pools, *pools)]
    assert both[:2] == both[2:]
    assert both[0] != both[1]
    assert both[1] == positions(pools[1], 5, delta=0.7)


@pytest.mark.parametrize("delta", [0.5, 1e6])
def test_no_frame_comes_twice_and_none_that_a_label_covers_first(delta: float) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    pool = Candidates(ids_of(50), embeddings_ND=rows, centers_LD=rows[:5])
    picks = ProbCover(delta=delta).choose(pool, 50, seed=0)
    assert sorted(pick.pos for pick in picks) == list(range(50))
    covering = [pick for pick in picks if pick.reason.startswith("covers")]
    assert {pick.pos for pick in covering}.isdisjoint(range(5))
    assert bool(covering) == (delta == 0.5)


@pytest.mark.parametrize("purity", [1.0, 0.95, 0.8, 0.5])
def test_the_radius_is_the_largest_that_is_pure_enough(purity: float) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 30, (120, 2)).astype(np.float32)
    pool = Candidates(np.sort(ids_of(120)), embeddings_ND=rows)
    chooser = ProbCover(purity=purity, n_classes=4)
    squared = chooser.squared_radius(pool, np.arange(120))
    kind = clusters_of(pool.frame_ids, rows, np.arange(120), 4, seed=probcover.SEED).of_N
    exact = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)

    def pure(limit: float) -> float:
        return float(((exact >= limit) | (kind[:, None] == kind)).all(axis=1).mean())

    assert pure(squared) >= purity
    assert pure(squared + 0.5) < purity  # squared distances are whole numbers


def test_classes_are_those_of_the_committee_or_of_the_labels() -> None:
    rows = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
    pool = Candidates(ids_of(60), embeddings_ND=rows)
    order = np.argsort(pool.frame_ids)
    known = replace(pool, probs_NMC=np.full((60, 2, 3), 1 / 3, dtype=np.float32))
    labeled = replace(pool, labels_L=np.array([4, 4, 7]), centers_LD=rows[:3])
    for some, n_classes in ((pool, 10), (known, 3), (labeled, 2)):
        expected = ProbCover(n_classes=n_classes).squared_radius(pool, order)
        assert ProbCover().squared_radius(some, order) == expected


def test_one_class_only_means_that_one_ball_covers_all() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2)).astype(np.float32)
    picks = ProbCover(n_classes=1).choose(Candidates(ids_of(20), embeddings_ND=rows), 3, seed=0)
    assert picks[0].reason == "covers 20 uncovered frames within inf"
    assert all("every ball is covered" in pick.reason for pick in picks[1:])


def test_a_sample_stands_for_a_large_pool_and_the_others_fill_the_batch() -> None:
    rows = np.random.default_rng(0).standard_normal((80, 2)).astype(np.float32)
    pool = Candidates(ids_of(80), embeddings_ND=rows)
    picks = ProbCover(delta=0.5, sample_max=20).choose(pool, 60, seed=0)
    assert len({pick.pos for pick in picks}) == 60
    n_covering = sum(pick.reason.startswith("covers") for pick in picks)
    assert 0 < n_covering <= 20
    assert sum(pick.utility or 0 for pick in picks[:n_covering]) == 20


def test_closed_frames_are_passed_over_and_the_batch_is_full() -> None:
    rows = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
    names = np.array([f"c{i % 6}" for i in range(40)])
    pool = Candidates(ids_of(40), embeddings_ND=rows)
    picks = ProbCover(delta=3.0).choose(pool, 6, seed=0, constraints=[OnePerCluster(names)])
    assert len({names[pick.pos] for pick in picks}) == 6

"""Greedy k-center against oracles, brute force, and backends that round differently."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.numpy_kernel import NumpyHeld
from winnow.kernels.protocol import Centers, Rows, squared_l2_error
from winnow.strategies.k_center import KCenter, ShortlistKCenter
from winnow.strategies.protocol import Candidates, Floats


def hex_ids(n: int) -> npt.NDArray[np.str_]:
    return np.array([f"{i:032x}" for i in range(n)], dtype=np.str_)


def picks_of(rows: Rows, centers: Rows | None, n: int, kernel: object = None) -> list[int]:
    pool = Candidates(hex_ids(len(rows)), embeddings_ND=rows, centers_LD=centers)
    return [p.pos for p in KCenter(kernel=kernel).choose(pool, n, seed=0)]  # type: ignore[arg-type]


def brute_force(rows: Rows, centers: Rows, n: int) -> list[int]:
    """Everything in float64, all distances every time."""
    chosen: list[int] = []
    for _ in range(n):
        known = np.concatenate([centers, rows[chosen]]).astype(np.float64)
        far = [((known - row) ** 2).sum(axis=1).min() if len(known) else np.inf for row in rows]
        chosen.append(max((i for i in range(len(rows)) if i not in chosen), key=far.__getitem__))
    return chosen


def test_the_oracle_of_six_points() -> None:
    points = np.array([[0], [1], [4], [5], [9], [10]], dtype=np.float32)
    pool = Candidates(hex_ids(6), embeddings_ND=points, centers_LD=points[:1])
    picks = KCenter().choose(pool, 3, seed=0)
    assert [pick.pos for pick in picks] == [5, 3, 1]
    assert [pick.utility for pick in picks] == [10.0, 5.0, 1.0]


@given(st.integers(1, 25), st.integers(0, 4), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_picks_are_those_of_brute_force(n: int, n_labeled: int, dimension: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-4, 5, (n, dimension)).astype(np.float32)
    centers = rng.integers(-4, 5, (n_labeled, dimension)).astype(np.float32)
    assert picks_of(rows, centers, n) == brute_force(rows, centers, n)


@given(st.integers(0, 2**32 - 1))
def test_the_radius_is_at_most_twice_the_best(seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((9, 2)).astype(np.float32)
    distances = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2))

    def radius(chosen: tuple[int, ...]) -> float:
        return float(distances[:, chosen].min(axis=1).max())

    best = min(radius(chosen) for chosen in itertools.combinations(range(9), 3))
    assert radius(tuple(picks_of(rows, None, 3))) <= 2 * best + 1e-6


def test_without_labels_the_first_pick_is_the_smallest_frame_id() -> None:
    rows = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
    pool = Candidates(hex_ids(9)[::-1].copy(), embeddings_ND=rows)
    first, second, *_ = KCenter().choose(pool, 3, seed=0)
    assert (first.pos, first.utility) == (8, None)
    assert "nothing is labeled yet" in first.reason
    assert second.utility == pytest.approx(np.linalg.norm(rows - rows[8], axis=1).max())


class SloppyHeld(NumpyHeld):
    """Rows of a backend as bad as the protocol allows: distances are off by nearly the bound."""

    def __init__(self, rows_ND: Rows, rng: np.random.Generator, norm_max: float) -> None:
        super().__init__((rows_ND,))
        self._rows_ND, self._rng, self._norm_max = rows_ND, rng, norm_max

    def take(self, pos_K: npt.NDArray[np.intp]) -> SloppyHeld:
        return SloppyHeld(self._rows_ND[pos_K], self._rng, self._norm_max)

    def distances(self, centers: Centers) -> Rows:
        right_NL = super().distances(centers)
        norms = np.linalg.norm(self._rows_ND.astype(np.float64), axis=1)
        bound_N = squared_l2_error(norms, self._norm_max, self._rows_ND.shape[1])
        off_NL = self._rng.uniform(-0.4, 0.4, right_NL.shape) * bound_N[:, None]
        return right_NL + off_NL.astype(np.float32)

    def nearest(self, centers: Centers) -> Rows:
        nearest_N: Rows = self.distances(centers).min(axis=1)
        return nearest_N


class Sloppy:
    name = "sloppy"

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def hold(self, parts: tuple[Rows, ...]) -> SloppyHeld:
        norm_max = float(np.linalg.norm(parts[0].astype(np.float64), axis=1).max())
        return SloppyHeld(parts[0], self._rng, norm_max)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_a_backend_that_rounds_otherwise_gives_the_same_picks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows: Rows = (rng.standard_normal((60, 8)) + 30).astype(
        np.float32
    )  # far from 0: float32 is coarse
    rows[30:] = rows[:30] + rng.standard_normal((30, 8)).astype(np.float32) * 1e-4
    centers = rows[:1]
    exact = brute_force(rows, centers, 3)
    assert picks_of(rows, centers, 3) == exact
    assert picks_of(rows, centers, 3, Sloppy(seed)) == exact


def test_blocks_frontiers_and_queues_of_any_size_give_the_same_picks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((200, 6)).astype(np.float32)
    rows[150:] = rows[:50]
    centers = rng.standard_normal((70, 6)).astype(np.float32)
    expected = brute_force(rows, centers, 60)
    for name, module, value in (
        ("BLOCK_VALUES", "numpy_kernel", 500),
        ("BLOCK_VALUES", "farthest_first", 500),
        ("BLOCK_VALUES", "exact", 500),
        ("FRONTIER_ROWS", "farthest_first", (8, 8)),
        ("ASKED", "farthest_first", (1, 4)),
        ("GUESS_CENTERS_MIN", "farthest_first", 1),
        ("GUESS_DIMENSIONS", "farthest_first", 2),
        ("MISSED_AT_ONCE", "farthest_first", 2),
        ("COPY_SHARE", "farthest_first", 10**9),
    ):
        monkeypatch.setattr(f"winnow.kernels.{module}.{name}", value)
        assert picks_of(rows, centers, 60) == expected


@pytest.mark.parametrize("kind", ["clusters", "one cloud", "a thin sheet", "equal rows", "grains"])
def test_large_pools_of_any_shape_give_the_picks_of_the_plain_loop(kind: str) -> None:
    rng = np.random.default_rng(8)
    n, dimension = 4000, 24
    rows = rng.standard_normal((n, dimension))
    if kind == "clusters":
        rows += 20 * rng.standard_normal((40, dimension))[rng.integers(0, 40, n)]
    elif kind == "a thin sheet":
        rows[:, 3:] *= 1e-3
    elif kind == "equal rows":
        rows = rows[rng.integers(0, 150, n)]
    elif kind == "grains":  # a hundred places, and what float32 products cannot tell apart
        rows = rows[rng.integers(0, 100, n)] + 1e-5 * rng.standard_normal((n, dimension))
    found = rows.astype(np.float32)
    picks = picks_of(found, found[:5], 300)
    assert picks == plain_loop(found, found[:5], 300)


def plain_loop(rows: Rows, centers: Rows, n: int) -> list[int]:
    """Incremental and in float64; distances by differences, equal ones to the smaller id."""
    wide = rows.astype(np.float64)
    near = np.full(len(rows), np.inf)
    for center in centers.astype(np.float64):
        near = np.minimum(near, sum_last((wide - center) ** 2))
    picks: list[int] = []
    for _ in range(n):
        near[picks] = -1.0
        picks.append(int(near.argmax()))
        near = np.minimum(near, sum_last((wide - wide[picks[-1]]) ** 2))
    return picks


def test_a_shortlist_keeps_to_the_best_scores() -> None:
    rng = np.random.default_rng(2)
    scores: Floats = rng.random(50)
    pool = Candidates(
        hex_ids(50), scores_N=scores, embeddings_ND=rng.standard_normal((50, 3)).astype(np.float32)
    )
    chooser = ShortlistKCenter(shortlist_factor=2.5)
    picks = chooser.choose(pool, 4, seed=0)
    shortlist = np.argsort(-scores)[:10]
    assert {pick.pos for pick in picks} <= set(shortlist.tolist())
    texts = chooser.passed_over(pool, picks, 4)
    worst = int(np.argmin(scores))
    assert texts[worst].startswith("below the shortlist: score ")
    assert sum(text.startswith("shortlisted, but") for text in texts) == 10

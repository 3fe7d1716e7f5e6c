"""Greedy k-center against oracles, brute force, and backends that round differently."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.kernels.numpy_kernel import NumpyNearest
from winnow.kernels.protocol import Rows, squared_l2_error
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


class Sloppy:
    """A backend as bad as the protocol allows: every distance is off by nearly the bound."""

    name = "sloppy"

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def hold(self, rows_ND: Rows) -> NumpyNearest:
        kernel = self

        class Off(NumpyNearest):
            def lower(self, centers_LD: Rows) -> None:
                super().lower(centers_LD)
                norms = np.linalg.norm(rows_ND.astype(np.float64), axis=1)
                bound = squared_l2_error(norms, float(norms.max()), rows_ND.shape[1])
                off = kernel._rng.uniform(-0.4, 0.4, len(rows_ND)) * bound
                self._nearest_N += off.astype(np.float32)

        return Off(rows_ND)


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


def test_many_centers_at_once_are_those_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((200, 6)).astype(np.float32)
    centers = rng.standard_normal((70, 6)).astype(np.float32)
    expected = brute_force(rows, centers, 20)
    for module in ("numpy_kernel", "farthest_first", "exact"):
        monkeypatch.setattr(f"winnow.kernels.{module}.BLOCK_VALUES", 500)
    assert picks_of(rows, centers, 20) == expected


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

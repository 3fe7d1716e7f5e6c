"""Lazy greedy against evaluating everything at every step, bit for bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.kernels.alike import first_alike
from winnow.kernels.lazy_greedy import LazyGreedy, greedy

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]


class Coverage:
    """Weight of what sets cover together; whole numbers, so that ties are ties."""

    def __init__(self, covers: npt.NDArray[np.bool_], weights: Floats) -> None:
        self.covers, self.weights = covers, weights
        self.left = np.ones(covers.shape[1], dtype=np.bool_)
        self.n_evaluated = 0

    def gains(self, pos: Positions) -> Floats:
        self.n_evaluated += len(pos)
        found: Floats = (self.covers[pos] & self.left) @ self.weights
        return found

    def take(self, pos: int) -> None:
        self.left &= ~self.covers[pos]


def coverage(n: int, seed: int, share: float = 0.2) -> Coverage:
    rng = np.random.default_rng(seed)
    return Coverage(rng.random((n, 30)) < share, rng.integers(1, 4, 30).astype(np.float64))


def naive(
    objective: Coverage, order: Positions, open_N: npt.NDArray[np.bool_]
) -> tuple[int, float]:
    gains = objective.gains(np.arange(len(order)))
    return max(
        ((int(pos), float(gains[pos])) for pos in order if open_N[pos]), key=lambda pair: pair[1]
    )


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(0, 2), st.integers(2, 9))
def test_picks_are_those_of_evaluating_everything_while_frames_close_and_come_back(
    n: int, seed: int, n_bounds: int, block: int
) -> None:
    rng = np.random.default_rng(seed)
    lazily, fully = coverage(n, seed), coverage(n, seed)
    order, epoch = rng.permutation(n), 0
    open_N: npt.NDArray[np.bool_] = np.ones(n, dtype=np.bool_)
    taken: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("winnow.kernels.lazy_greedy.BLOCK", block)
        upper = (lambda pos: lazily.gains(pos) + 3 * rng.random(len(pos))) if n_bounds else None
        closer = (lambda pos: lazily.gains(pos) + rng.random(len(pos))) if n_bounds == 2 else None
        lazy = LazyGreedy(np.full(n, np.inf), order, lazily.gains, upper=upper, closer=closer)
        while open_N.any():
            found = lazy.best(open_N, epoch)
            assert found == naive(fully, order, open_N)
            taken.append(found[0])
            for objective in (lazily, fully):
                objective.take(found[0])
            lazy.advance()
            open_N[taken] = False
            open_N[rng.random(n) < 0.1] = False
            if rng.random() < 0.2:
                open_N, epoch = rng.random(n) < 0.7, epoch + 1
                open_N[taken] = False
    assert lazy.best(open_N, epoch) is None


def test_most_elements_are_evaluated_once() -> None:
    objective = coverage(5000, 1, share=0.05)
    picks = greedy(np.full(5000, np.inf), objective.gains, objective.take, 10)
    assert len(picks) == 10
    assert objective.n_evaluated < 3 * 5000  # ties are many; evaluating all takes 10 * 5000


def test_a_gain_that_grows_within_the_slack_is_found() -> None:
    gains = [np.array([1.0, 0.9, 0.5]), np.array([0.0, 0.5, 0.6]), np.array([0.0, 0.4, 0.0])]
    step = [0]
    lazy = LazyGreedy(np.full(3, np.inf), np.arange(3), lambda pos: gains[step[0]][pos], slack=0.11)
    open_N, picks = np.ones(3, dtype=np.bool_), []
    for step[0] in range(3):
        found = lazy.best(open_N)
        assert found is not None
        picks.append(found)
        open_N[found[0]] = False
        lazy.advance()
    assert picks == [(0, 1.0), (2, 0.6), (1, 0.4)]


def test_elements_that_are_alike_are_evaluated_once_and_go_by_their_order() -> None:
    evaluated: list[int] = []

    def gains(pos: Positions) -> Floats:
        evaluated.extend(pos.tolist())
        return np.full(len(pos), 1.0)

    lazy = LazyGreedy(
        np.full(3000, np.inf),
        np.arange(3000)[::-1],
        gains,
        upper=lambda pos: np.full(len(pos), 1.5),
        alike=lambda: np.zeros(3000, dtype=np.intp),
    )
    open_N = np.ones(3000, dtype=np.bool_)
    assert lazy.best(open_N) == (2999, 1.0)
    assert len(evaluated) < 20


def test_no_elements_have_no_best_one() -> None:
    lazy = LazyGreedy(np.empty(0), np.empty(0, dtype=np.intp), lambda pos: np.empty(len(pos)))
    assert lazy.best(np.empty(0, dtype=np.bool_)) is None


@given(st.integers(0, 40), st.sampled_from([np.float32, np.float64]), st.integers(0, 99))
def test_rows_alike_are_those_that_are_equal(n: int, kind: type, seed: int) -> None:
    rows: Floats = np.random.default_rng(seed).integers(1, 3, (n, 3)).astype(kind)
    expected = [next(j for j in range(n) if (rows[j] == rows[i]).all()) for i in range(n)]
    assert first_alike(rows).tolist() == expected


def test_rows_that_only_share_a_hash_are_not_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("winnow.kernels.alike._FACTOR", np.uint64(0))
    assert first_alike(np.array([[1.0], [2.0], [3.0]])).tolist() == [0, 1, 2]

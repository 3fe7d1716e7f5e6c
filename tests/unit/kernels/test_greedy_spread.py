"""Lazy greedy choices are those of a full pass after each one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.kernels import greedy_spread
from winnow.kernels.greedy_spread import GreedySpread, Worth
from winnow.kernels.nearest import lower_to_nearest
from winnow.kernels.protocol import Floats, Rows


def brute_force(rows: Rows, order: list[int], squared: Floats, worth: Worth, n: int) -> list[int]:
    """Everything anew after every choice."""
    known, chosen = squared.copy(), list[int]()
    for _ in range(n):
        value = worth.of(np.arange(len(rows)), known)
        left = [pos for pos in order if pos not in chosen]
        chosen.append(max(left, key=value.__getitem__))
        to_last = ((rows.astype(np.float64) - rows[chosen[-1]]) ** 2).sum(axis=1)
        known = np.minimum(known, to_last)
    return chosen


@given(
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 5.0]),
    st.sampled_from([0.0, 2.0, 9.0]),
)
def test_choices_are_those_of_brute_force(
    n: int, seed: int, slope: float, squared_min: float
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, (n, 2)).astype(np.float32)
    order = rng.permutation(n)
    squared = rng.choice([4.0, 25.0, np.inf], n) if slope else rng.choice([4.0, 25.0], n)
    worth = Worth(rng.integers(0, 4, n).astype(np.float64), slope, squared_min, 100.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greedy_spread, "BLOCK_ROWS", 8)
        patch.setattr(greedy_spread, "AT_ONCE", 3)
        spread = GreedySpread(rows, order, squared.copy(), worth=worth, n_max=n)
        is_open, found = np.ones(n, dtype=np.bool_), list[int]()
        for _ in range(n):
            pos, value, distance = spread.best(is_open, 0)
            assert value == worth.of(np.array([pos]), np.array([distance]))[0]
            found.append(pos)
            is_open[pos] = False
            spread.add(pos)
    assert found == brute_force(rows, order.tolist(), squared, worth, n)


def test_rows_that_are_shut_come_back_with_a_new_epoch() -> None:
    rows = np.array([[0.0], [1.0], [5.0]], dtype=np.float32)
    worth = Worth(np.zeros(3), 1.0)
    spread = GreedySpread(rows, np.arange(3), np.array([1.0, 4.0, 36.0]), worth=worth, n_max=3)
    is_open = np.array([True, True, False])
    assert spread.best(is_open, 0) == (1, 2.0, 4.0)
    is_open[2] = True
    assert spread.best(is_open, 1) == (2, 6.0, 36.0)


def test_few_rows_are_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    whole = lower_to_nearest

    def counted(squared: Floats, rows: Rows, centers: Rows) -> None:
        compared.append(len(rows) * len(centers))
        whole(squared, rows, centers)

    monkeypatch.setattr(greedy_spread, "lower_to_nearest", counted)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20_000, 16)).astype(np.float32)
    worth = Worth(rng.random(20_000), 0.05)
    is_open = np.ones(20_000, dtype=np.bool_)
    spread = GreedySpread(rows, np.arange(20_000), np.full(20_000, 16.0), worth=worth, n_max=50)
    for _ in range(50):
        pos, _, _ = spread.best(is_open, 0)
        is_open[pos] = False
        spread.add(pos)
    assert sum(compared) < 0.1 * 50 * 20_000

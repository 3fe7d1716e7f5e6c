"""Greedy cover against one that holds all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.kernels import ball_cover, neighbours
from winnow.kernels.ball_cover import BallCover


@given(
    st.integers(1, 50),
    st.integers(0, 3),
    st.sampled_from([1.0, 2.0, 5.0, np.inf]),
    st.integers(0, 2**32 - 1),
)
def test_counts_are_those_of_all_pairs(
    n: int, n_labeled: int, squared_max: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-4, 5, (n, 2)).astype(np.float32)
    labeled = rng.integers(-4, 5, (n_labeled, 2)).astype(np.float32)
    near = ((rows[:, None] - rows[None]) ** 2).sum(axis=2) < squared_max
    covered = (((rows[:, None] - labeled[None]) ** 2).sum(axis=2) < squared_max).any(axis=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "TILE_ROWS", 7)
        patch.setattr(ball_cover, "TILE_ROWS", 7)
        cover = BallCover(rows, labeled, squared_max)
        for pos in rng.permutation(n)[:10].tolist():
            assert cover.covered_N.tolist() == covered.tolist()
            assert cover.counts_N.tolist() == (near & ~covered).sum(axis=1).tolist()
            cover.cover(pos)
            covered |= near[pos]

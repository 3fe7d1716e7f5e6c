"""Greedy MAP of a determinantal point process."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.strategies.dpp import GreedyDPP
from winnow.strategies.protocol import Candidates, Pick

Floats = npt.NDArray[np.float64]


def hex_ids(n: int) -> npt.NDArray[np.str_]:
    return np.array([f"{i:032x}" for i in range(n)], dtype=np.str_)


def pool_of(seed: int, n: int, dimension: int) -> Candidates:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dimension)).astype(np.float32)
    return Candidates(hex_ids(n), scores_N=rng.random(n), embeddings_ND=rows)


def log_det_gains(pool: Candidates, picks: list[Pick], theta: float) -> list[float]:
    """What each pick adds to log det L, densely."""
    assert pool.embeddings_ND is not None
    assert pool.scores_N is not None
    rows, scores = pool.embeddings_ND.astype(np.float64), pool.scores_N
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    quality = np.exp(theta * (scores - scores.min()) / (scores.max() - scores.min()) / 2)
    table = quality[:, None] * quality * (1 + rows @ rows.T) / 2
    chosen = [pick.pos for pick in picks]
    sizes = range(1, len(chosen) + 1)
    parts = [table[np.ix_(chosen[:size], chosen[:size])] for size in sizes]
    values = [0.0, *(float(np.linalg.slogdet(part)[1]) for part in parts)]
    return [after - before for before, after in itertools.pairwise(values)]


@settings(max_examples=30)
@given(st.integers(6, 30), st.sampled_from([0.0, 1.0, 3.0]), st.integers(0, 2**32 - 1))
def test_utilities_add_up_to_the_log_determinant_and_each_is_the_largest(
    n: int, theta: float, seed: int
) -> None:
    pool = pool_of(seed, n, 8)
    picks = GreedyDPP(theta=theta).choose(pool, 6, seed=0)
    utilities = [pick.utility for pick in picks]
    assert utilities == pytest.approx(log_det_gains(pool, picks, theta), abs=1e-6)
    for place in range(6):
        for pos in range(n):
            if pos not in {pick.pos for pick in picks[:place]}:
                other = [*picks[:place], replace(picks[place], pos=pos)]
                gain, best = log_det_gains(pool, other, theta)[-1], utilities[place]
                assert best is not None
                assert gain <= best + 1e-9


def test_a_batch_larger_than_the_width_is_made_of_layers() -> None:
    pool = pool_of(0, 60, 3)
    picks = GreedyDPP(theta=0.0).choose(pool, 12, seed=0)
    assert len({pick.pos for pick in picks}) == 12
    assert picks[4].reason == "100% of it is unlike what is chosen of its layer (2)"
    for layer in range(3):
        utilities = [pick.utility for pick in picks[4 * layer : 4 * layer + 4]]
        assert utilities == sorted(utilities, key=lambda u: -(u or 0.0))


def test_the_radial_similarity_spans_on_beyond_the_width() -> None:
    pool = pool_of(0, 60, 3)
    picks = GreedyDPP(similarity="rbf", theta=0.0, length_scale=0.5).choose(pool, 40, seed=0)
    assert not any("layer" in pick.reason for pick in picks)
    utilities = np.array([pick.utility for pick in picks], dtype=np.float64)
    assert (np.diff(utilities) <= 0).all()


def test_what_is_alike_goes_by_score_and_the_batch_is_full() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.7])
    pool = Candidates(hex_ids(4), scores_N=scores, embeddings_ND=np.ones((4, 5), dtype=np.float32))
    for similarity in ("cosine", "rbf"):
        picks = GreedyDPP(similarity=similarity).choose(pool, 4, seed=0)
        assert [pick.pos for pick in picks] == [1, 3, 2, 0]
        assert [pick.utility is None for pick in picks] == [False, True, True, True]


def test_the_score_decides_more_the_larger_theta_is() -> None:
    pool = pool_of(1, 300, 6)
    assert pool.scores_N is not None
    means = [
        pool.scores_N[[p.pos for p in GreedyDPP(theta=theta).choose(pool, 5, seed=0)]].mean()
        for theta in (0.0, 2.0, 20.0)
    ]
    assert means == sorted(means)
    assert means[-1] > 0.95
    assert GreedyDPP(theta=0.0).needs == {"embeddings"}


def test_labeled_frames_count_as_chosen_and_too_many_of_them_leave_a_full_batch() -> None:
    pool = pool_of(2, 50, 4)
    assert pool.embeddings_ND is not None
    first = GreedyDPP(theta=0.0).choose(pool, 2, seed=0)
    labels = pool.embeddings_ND[[pick.pos for pick in first]]
    chooser = GreedyDPP(theta=0.0, labeled_max=5)
    after = chooser.choose(replace(pool, centers_LD=np.repeat(labels, 3, axis=0)), 2, seed=0)
    longer = GreedyDPP(theta=0.0).choose(pool, 4, seed=0)
    assert [pick.pos for pick in after] == [pick.pos for pick in longer[2:]]
    full = chooser.choose(replace(pool, centers_LD=pool.embeddings_ND), 20, seed=0)
    assert len({pick.pos for pick in full}) == 20

"""The hybrid against a loop that measures everything anew after each pick."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.strategies.test_clusters import ids_of
from winnow.strategies.hybrid import Hybrid
from winnow.strategies.k_center import KCenter
from winnow.strategies.protocol import Candidates, tie_ranks
from winnow.strategies.top_k import TopK


def reference(pool: Candidates, n: int, options: Hybrid) -> list[int]:
    rows, scores, labeled = pool.embeddings_ND, pool.scores_N, pool.centers_LD
    assert rows is not None
    assert scores is not None
    assert labeled is not None
    rank, wide = tie_ranks(pool.frame_ids), rows.astype(np.float64)
    span = np.ptp(scores)
    own = options.uncertainty_weight * ((scores - scores.min()) / span if span else 0.0 * scores)
    chosen: list[int] = []
    squared = ((wide[:, None] - labeled[None]) ** 2).sum(axis=2).min(axis=1, initial=np.inf)
    slope = None
    for _ in range(n):
        if np.isfinite(squared).all():
            farthest = np.sqrt(squared.max())
            slope = slope or (options.diversity_weight / farthest if farthest else 0.0)
            value = own + slope * np.sqrt(squared)
        else:
            value = own + options.diversity_weight
        value = value - 9.0 * (squared < options.distance_min**2)
        left = [pos for pos in range(len(rows)) if pos not in chosen]
        chosen.append(min(left, key=lambda pos: (-value[pos], rank[pos])))
        squared = np.minimum(squared, ((wide - wide[chosen[-1]]) ** 2).sum(axis=1))
    return chosen


@given(
    st.integers(1, 30),
    st.integers(0, 3),
    st.sampled_from([(0.7, 0.3), (0.0, 1.0), (1.0, 0.0), (0.2, 2.0)]),
    st.sampled_from([0.0, 1.5]),
    st.integers(0, 2**32 - 1),
)
def test_the_batch_is_that_of_the_reference(
    n: int, n_labeled: int, weights: tuple[float, float], distance_min: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pool = Candidates(
        ids_of(n, seed),
        scores_N=rng.integers(-3, 4, n) / 4,
        embeddings_ND=rng.integers(-3, 4, (n, 2)).astype(np.float32),
        centers_LD=rng.integers(-3, 4, (n_labeled, 2)).astype(np.float32),
    )
    options = Hybrid(*weights, distance_min)
    found = [pick.pos for pick in options.choose(pool, n, seed=0)]
    assert found == reference(pool, n, options)


def pool_of(n: int) -> Candidates:
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((n, 3)).astype(np.float32)
    return Candidates(
        ids_of(n), scores_N=rng.random(n), embeddings_ND=rows, centers_LD=rows[:4] + 1
    )


def test_all_weight_on_one_side_is_top_k_or_k_center() -> None:
    pool = pool_of(200)
    for options, other in ((Hybrid(1.0, 0.0), TopK()), (Hybrid(0.0, 1.0), KCenter())):
        expected = [pick.pos for pick in other.choose(pool, 30, seed=0)]
        assert [pick.pos for pick in options.choose(pool, 30, seed=0)] == expected


def test_frames_alike_do_not_come_together_for_their_scores() -> None:
    # Diversity as a number of each frame by itself (peers: distance to its own cluster's center)
    # gives both copies the same sum, and the batch holds both.
    rows = np.array(
        [[9.0, 0.0], [9.0, 0.0], [9.0, 0.0], [0.0, 9.0], [1.0, 1.0], [1, 1]], dtype=np.float32
    )
    scores = np.array([1.0, 1.0, 1.0, 0.8, 0.75, 0.0])
    pool = Candidates(ids_of(6), scores_N=scores, embeddings_ND=rows)
    found = {pick.pos for pick in Hybrid().choose(pool, 3, seed=0)}
    assert len(found & {0, 1, 2}) == 1
    assert found >= {3, 4}


def test_frames_nearer_than_the_minimum_come_last_and_say_so() -> None:
    rows = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]], dtype=np.float32)
    scores = np.array([1.0, 0.99, 0.9, 0.89, 0.0])
    pool = Candidates(
        ids_of(5), scores_N=scores, embeddings_ND=rows, centers_LD=np.array([[5.05]], np.float32)
    )
    picks = Hybrid(1.0, 0.0, distance_min=0.5).choose(pool, 5, seed=0)
    assert [pick.pos for pick in picks] == [0, 4, 1, 2, 3]
    told = ["no frame at least 0.5 away is left" in pick.reason for pick in picks]
    assert told == [False, False, True, True, True]


def test_a_smaller_batch_is_the_head_of_a_larger_one_without_labels_too() -> None:
    pool = Candidates(
        ids_of(90), scores_N=pool_of(90).scores_N, embeddings_ND=pool_of(90).embeddings_ND
    )
    whole = Hybrid().choose(pool, 40, seed=0)
    assert Hybrid().choose(pool, 7, seed=0) == whole[:7]
    assert "nothing is labeled yet" in whole[0].reason


def test_sums_never_rise() -> None:
    utilities = [pick.utility for pick in Hybrid().choose(pool_of(150), 150, seed=0)]
    assert utilities == sorted(utilities, reverse=True)  # type: ignore[type-var]
    assert utilities[0] is not None
    assert 0.0 <= utilities[0] <= 1.0


def test_negative_scores_and_equal_ones_are_moved_to_the_same_range() -> None:
    pool = pool_of(60)
    scores = pool.scores_N
    assert scores is not None
    expected = [pick.pos for pick in Hybrid().choose(pool, 20, seed=0)]
    moved = Candidates(
        pool.frame_ids, scores_N=scores * 8.0 - 64.0, embeddings_ND=pool.embeddings_ND,
        centers_LD=pool.centers_LD,
    )  # fmt: skip
    assert [pick.pos for pick in Hybrid().choose(moved, 20, seed=0)] == expected
    equal = Candidates(
        pool.frame_ids, scores_N=np.full(60, 7.0), embeddings_ND=pool.embeddings_ND,
        centers_LD=pool.centers_LD,
    )  # fmt: skip
    spread = [pick.pos for pick in KCenter().choose(pool, 20, seed=0)]
    assert [pick.pos for pick in Hybrid().choose(equal, 20, seed=0)] == spread


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_equal_frames_go_by_score_then_by_id(value: float) -> None:
    scores = np.array([0.1, 0.5, 0.5, 0.9])
    ids = ids_of(4)
    pool = Candidates(ids, scores_N=scores, embeddings_ND=np.full((4, 2), value, np.float32))
    second = [1, 2] if ids[1] < ids[2] else [2, 1]
    assert [pick.pos for pick in Hybrid().choose(pool, 4, seed=0)] == [3, *second, 0]

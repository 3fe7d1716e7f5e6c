"""Sessions farthest first, then their best frames: against a naive version of the same words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints.caps import AtMost
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.constraints.quotas import AtLeast, Minimums
from winnow.domain.errors import BadInput
from winnow.kernels import segment_sums as segments_module
from winnow.kernels.segment_sums import segment_sums
from winnow.strategies.protocol import Candidates
from winnow.strategies.trajectory import Trajectory

Frame = tuple[str, int, int]
"""Session, score, place on a line."""
FRAMES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", ""]), st.integers(0, 4), st.integers(0, 9)),
    min_size=1,
    max_size=16,
)


def pool(frames: list[Frame], centers: list[int]) -> Candidates:
    return Candidates(
        frame_ids=np.array([f"{i:032x}" for i in range(len(frames))]),
        scores_N=np.array([float(score) for _, score, _ in frames]),
        embeddings_ND=np.array([[x, 0] for _, _, x in frames], dtype=np.float32),
        centers_LD=np.array([[x, 0] for x in centers], dtype=np.float32).reshape(-1, 2),
        sessions_N=np.array([session for session, _, _ in frames]),
    )


def naive(frames: list[Frame], centers: list[int], n: int, per: int, share: float) -> list[int]:
    members: dict[object, list[int]] = {}
    for pos, (session, _, _) in enumerate(frames):
        members.setdefault(session or pos, []).append(pos)
    for some in members.values():
        some.sort(key=lambda pos: (-frames[pos][1], pos))

    def worth(some: list[int]) -> float:
        top = math.ceil(len(some) * share - 1e-9)
        return sum(frames[pos][1] for pos in some[:top]) / top

    def mean(some: list[int]) -> float:
        return float(np.float32(sum(frames[pos][2] for pos in some) / len(some)))

    ranking = sorted(members.values(), key=lambda some: (-worth(some), min(some)))
    known = [float(x) for x in centers]
    chosen: list[int] = []
    visited: list[list[int]] = []
    while len(chosen) < n and ranking:
        # `max` gives the first of equals, and those stand by worth.
        best = max(ranking, key=lambda s: min([abs(mean(s) - x) for x in known], default=0.0))
        ranking.remove(best)
        known.append(mean(best))
        visited.append(best)
        chosen += best[: min(per, n - len(chosen))]
    depth = per
    while len(chosen) < n:
        for some in visited:
            chosen += some[depth : depth + 1][: n - len(chosen)]
        depth += 1
    return chosen


@given(
    frames=FRAMES,
    centers=st.lists(st.integers(0, 9), max_size=3),
    share=st.floats(0, 1),
    per=st.integers(1, 4),
    top_share=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_visits_are_those_of_a_naive_version(
    frames: list[Frame], centers: list[int], share: float, per: int, top_share: float
) -> None:
    n = round(len(frames) * share)
    strategy = Trajectory(frames_per_session=per, top_share=top_share, shortlist_factor=99.0)
    picks = strategy.choose(pool(frames, centers), n, seed=0)
    assert [pick.pos for pick in picks] == naive(frames, centers, n, per, top_share)


def test_sessions_of_a_shortlist_are_those_worth_most() -> None:
    frames = [("a", 9, 0), ("b", 8, 1), ("c", 1, 9), ("d", 2, 8)]
    near = Trajectory(frames_per_session=1, shortlist_factor=1.0)
    assert [pick.pos for pick in near.choose(pool(frames, []), 2, seed=0)] == [0, 1]
    far = Trajectory(frames_per_session=1, shortlist_factor=2.0)
    assert [pick.pos for pick in far.choose(pool(frames, []), 2, seed=0)] == [0, 2]
    assert [pick.pos for pick in near.choose(pool(frames, []), 4, seed=0)] == [0, 2, 1, 3]


def test_a_session_that_is_closed_is_no_center() -> None:
    frames = [("a", 9, 0), ("b", 8, 9), ("c", 1, 5), ("d", 1, 8)]
    closed = AtMost(np.array(["v", "w", "v2", "v3"]), {"w": 0}, "vehicle")
    strategy = Trajectory(frames_per_session=1, shortlist_factor=9.0)
    picks = strategy.choose(pool(frames, []), 3, seed=0, constraints=[closed])
    assert [pick.pos for pick in picks] == [0, 3, 2]
    assert picks[0].reason == (
        "session a: mean 9, first session, nothing is labeled yet; score 9.000"
    )
    assert "8.00 away from all labeled frames and chosen sessions" in picks[1].reason


def test_sessions_that_a_floor_held_back_come_when_it_gives_up() -> None:
    frames = [("a", 9, 0), ("b", 1, 5), ("b", 1, 5), ("b", 1, 5)]
    weather, clusters = np.array(["sun", "fog", "fog", "fog"]), np.array(["", "c", "c", "c"])
    floor = AtLeast([Minimums(weather, {"fog": 2}, "weather")])
    picks = Trajectory().choose(
        pool(frames, []), 2, seed=0, constraints=[OnePerCluster(clusters)], floors=[floor]
    )
    assert [pick.pos for pick in picks] == [1, 0]
    assert picks[1].reason == "session a: mean 9, held back before; score 9.000"
    assert floor.unmet == {"weather=fog": "1 of at least 2 frames, no other could be taken"}


def test_absent_sessions_are_refused() -> None:
    bare = pool([("a", 1, 1)], [])
    with pytest.raises(BadInput, match="sessions_N: expected shape"):
        Trajectory().choose(
            Candidates(bare.frame_ids, scores_N=bare.scores_N, embeddings_ND=bare.embeddings_ND),
            1,
            seed=0,
        )


@given(
    sizes=st.lists(st.integers(0, 9), max_size=8),
    leaf=st.integers(1, 4),
    values=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_sums_of_segments_are_sums_and_know_nothing_of_their_neighbours(
    sizes: list[int], leaf: int, values: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows, order = rng.standard_normal((sum(sizes), 3)), rng.permutation(sum(sizes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments_module, "LEAF", leaf)
        patch.setattr(segments_module, "BLOCK_VALUES", values)
        found = segment_sums(rows.__getitem__, order, np.array(sizes, dtype=np.intp), 3)
        done = 0
        for segment, size in enumerate(sizes):
            own = rows[order[done : done + size]]
            done += size
            alone = segment_sums(
                own.__getitem__, np.arange(size), np.array([size], dtype=np.intp), 3
            )
            assert np.array_equal(alone[0], found[segment])
            assert np.allclose(own.sum(axis=0), found[segment])

"""The methods that are compared: each gives so many frames of one pool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ab_test.frames import Frame, Positions
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.constraints.temporal_gap import TemporalGap
from winnow.domain.errors import BadInput
from winnow.strategies.protocol import Candidates, Constraint, Strategy
from winnow.strategies.round_robin import RoundRobin
from winnow.strategies.simple_random import Random

COMMITTEE, MANUAL, RANDOM = "committee", "manual", "random"
METHODS = (COMMITTEE, MANUAL, RANDOM)
"""A, B and the third that both must beat."""


def by_committee(
    frames: Sequence[Frame],
    pool: Positions,
    n: int,
    *,
    information_PC: npt.NDArray[np.float32],
    class_names: Sequence[str],
    interest: Sequence[str],
    clusters_N: npt.NDArray[np.int64],
    gap_seconds: float,
    seed: int,
) -> Positions:
    """Give `n` positions of the pool: classes of interest take turns, each by its disagreement.

    One frame of a near-duplicate cluster, and none closer than the gap to a chosen one of its
    session: the same constraints as in a round's policy.

    Parameters
    ----------
    information_PC
        Mutual information of the committee's maps of each pool frame and class, nats.
    interest
        Classes that take turns, in this order.

    Raises
    ------
    BadInput
        The constraints leave fewer than `n` frames.
    """
    columns = {
        f"map_information:{name}": information_PC[:, class_names.index(name)].astype(np.float64)
        for name in interest
    }
    strategy = RoundRobin(columns=tuple(columns))
    given = _candidates(frames, pool, columns)
    constraints: list[Constraint] = [
        OnePerCluster(clusters_N[pool].astype(np.str_)),
        TemporalGap(
            np.array([frames[pos].session for pos in pool.tolist()], dtype=np.str_),
            np.array([frames[pos].captured_us for pos in pool.tolist()], dtype=np.int64),
            round(gap_seconds * 1e6),
        ),
    ]
    return _chosen(strategy, given, pool, n, seed=seed, constraints=constraints)


def at_random(frames: Sequence[Frame], pool: Positions, n: int, *, seed: int) -> Positions:
    """Give `n` positions of the pool, a simple random sample of its frames."""
    return _chosen(Random(), _candidates(frames, pool, {}), pool, n, seed=seed)


def from_list(
    frames: Sequence[Frame], pool: Positions, n: int, *, frame_ids: Sequence[str]
) -> Positions:
    """Give the positions of a given list, e.g. what a person chose by hand; the first `n`.

    Raises
    ------
    BadInput
        The list has fewer frames, or some that the pool has not; they are counted and named.
    """
    where = {frames[pos].frame_id: pos for pos in pool.tolist()}
    listed = list(dict.fromkeys(frame_ids))
    missing = [frame_id for frame_id in listed if frame_id not in where]
    if missing:
        msg = f"list of frames: {len(missing)} of {len(listed)} are not in the pool: "
        raise BadInput(msg + ", ".join(missing[:5]))
    if len(listed) < n:
        msg = f"list of frames: expected {n} different ones, found {len(listed)}"
        raise BadInput(msg)
    return np.array([where[frame_id] for frame_id in listed[:n]], dtype=np.intp)


def _candidates(
    frames: Sequence[Frame], pool: Positions, columns: dict[str, npt.NDArray[np.float64]]
) -> Candidates:
    frame_ids = np.array([frames[pos].frame_id for pos in pool.tolist()], dtype=np.str_)
    return Candidates(frame_ids=frame_ids, columns=columns)


def _chosen(
    strategy: Strategy,
    candidates: Candidates,
    pool: Positions,
    n: int,
    *,
    seed: int,
    constraints: Sequence[Constraint] = (),
) -> Positions:
    picks = strategy.choose(candidates, n, seed=seed, constraints=constraints)
    if len(picks) < n:
        msg = f"{strategy.name}: expected {n} frames of {len(pool)}, found {len(picks)} allowed"
        raise BadInput(msg)
    return pool[np.array([pick.pos for pick in picks], dtype=np.intp)]

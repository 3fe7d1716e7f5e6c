"""The strategy's own choice, and its union with the random arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from winnow.constraints.money import WithinMoney
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.policy.pool import Pool
from winnow.policy.proposal import Sizes
from winnow.policy.random_arm import RandomArm
from winnow.policy.traced import Traced
from winnow.strategies.protocol import Pick, Strategy


@dataclass(frozen=True, slots=True)
class Choice:
    """What the strategy would take, as if there were no random arm. Positions are the pool's."""

    picks: tuple[Pick, ...]
    passed_over: dict[int, str]
    """Position of a frame that was not picked → why."""


@dataclass(frozen=True, slots=True)
class Union:
    """A batch: the random arm, then the head of the choice that fills it."""

    order: tuple[int, ...]
    n_picks: int
    """Length of that head."""


def choose(pool: Pool, strategy: Strategy, sizes: Sizes, *, seed: int) -> Choice:
    """Let the strategy choose a whole batch, independent of the random arm.

    A strategy that needs scores sees only frames that the committee answered about.
    """
    needs_scores = "scores" in strategy.needs
    seen = np.flatnonzero(pool.scored) if needs_scores else np.arange(len(pool.where))
    candidates = pool.among(seen)
    clusters_N = candidates.clusters_N
    prices_N = np.full(len(candidates), sizes.price_micros, dtype=np.int64)
    constraints = [Traced(WithinMoney(prices_N, sizes.micros_max))]
    if clusters_N is not None:
        constraints.append(Traced(OnePerCluster(clusters_N)))
    n = min(sizes.n_frames, len(candidates))
    picks = strategy.choose(candidates, n, seed=seed, constraints=constraints)
    reasons = dict(enumerate(strategy.passed_over(candidates, picks, n)))
    for constraint in reversed(constraints):
        reasons |= constraint.reasons
    return Choice(
        picks=tuple(
            Pick(int(seen[pick.pos]), pick.utility, pick.reason, pick.draw_probability)
            for pick in picks
        ),
        passed_over={int(seen[pos]): reason for pos, reason in reasons.items()},
    )


def unite(arm: RandomArm, choice: Choice, sizes: Sizes) -> Union:
    """Fill the batch behind the random arm; a frame in both fills nothing."""
    order = [int(pos) for pos in arm.positions]
    members = set(order)
    n_picks = 0
    for pick in choice.picks:
        price_micros = (len(members) + 1) * sizes.price_micros
        if len(members) == sizes.n_frames or price_micros > sizes.micros_max:
            break
        n_picks += 1
        if pick.pos not in members:
            members.add(pick.pos)
            order.append(pick.pos)
    return Union(tuple(order), n_picks)

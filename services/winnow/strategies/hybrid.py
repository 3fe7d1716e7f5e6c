"""Uncertainty and diversity in one sum, the latter as the batch grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from winnow.kernels.greedy_spread import GreedySpread, Worth
from winnow.kernels.nearest import lower_to_nearest
from winnow.strategies.cluster_representatives import unit_range
from winnow.strategies.clusters import in_order
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floats,
    Floor,
    Inclusion,
    Input,
    Pick,
    Positions,
    centers_of,
    check,
    embeddings_of,
    scores_of,
)


@dataclass(frozen=True, slots=True)
class Hybrid:
    """Takes, again and again, the largest uncertainty_weight · u + diversity_weight · d.

    u is the acquisition score, moved and scaled so that the lowest of the pool is 0 and the
    highest 1. d is the L2 distance to the nearest labeled or chosen frame, divided by the largest
    distance of any frame of the pool to its nearest labeled one; without labels everything is at
    d = 1 until the first pick, and distances are divided by the largest one to that. So d falls
    with every pick, and frames alike never come together for their scores alone, as they do where
    diversity is a number of each frame by itself.

    Frames nearer than `distance_min` to a labeled or chosen one come after all others, in the same
    order. Costs (L + 1)·N·D multiply-adds once, then what comes near the top (`GreedySpread`), not
    N·D a pick; memory about 50 bytes a frame and n·D numbers.
    """

    uncertainty_weight: Annotated[float, Field(ge=0.0, description="Of the score, 0 to 1.")] = 0.7
    diversity_weight: Annotated[
        float, Field(ge=0.0, description="Of the distance to labeled and chosen frames, 0 to 1.")
    ] = 0.3
    distance_min: Annotated[
        float,
        Field(ge=0.0, description="Frames this near (L2) to a labeled or chosen one come last."),
    ] = 0.0
    name: ClassVar[str] = "hybrid"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores", "embeddings"})
    inclusion: ClassVar[Inclusion] = "certain"

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the weighted sum."""
        rank_N = check(candidates, n, self.needs)
        feasible = Feasible(len(candidates), constraints, n, floors)
        if n == 0 or not feasible.n_open:
            return []
        rows_ND, order_N = embeddings_of(candidates), in_order(rank_N)
        own_N = self.uncertainty_weight * unit_range(scores_of(candidates))
        squared_N = np.full(len(rows_ND), np.inf)
        picks: list[Pick] = []
        known_LD = centers_of(candidates)
        if not len(known_LD):
            picks.append(self._first(candidates, own_N, order_N, feasible))
            feasible.take(picks[0].pos)
            known_LD = rows_ND[[picks[0].pos]]
        lower_to_nearest(squared_N, rows_ND, known_LD)
        spread = GreedySpread(
            rows_ND, order_N, squared_N, worth=self._worth(own_N, squared_N), n_max=n
        )
        while len(picks) < n and feasible.n_open:
            pos, worth, squared = spread.best(feasible.open_N, feasible.epoch)
            picks.append(self._pick(candidates, pos, worth, squared))
            feasible.take(pos)
            spread.add(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        if not picks or picks[-1].utility is None:
            return ["batch of size 0"] * len(candidates)
        least = f"uncertainty and diversity together below {picks[-1].utility:.3g}"
        return [least] * len(candidates)

    def _worth(self, own_N: Floats, squared_N: Floats) -> Worth:
        farthest = float(np.sqrt(squared_N.max()))
        slope = self.diversity_weight / farthest if farthest > 0.0 else 0.0
        penalty = 1.0 + self.uncertainty_weight + self.diversity_weight
        return Worth(own_N, slope, self.distance_min * self.distance_min, penalty)

    def _first(
        self, candidates: Candidates, own_N: Floats, order_N: Positions, feasible: Feasible
    ) -> Pick:
        own_R = np.where(feasible.open_N[order_N], own_N[order_N], -np.inf)
        pos = int(order_N[np.argmax(own_R)])
        told = f"{_score(candidates, pos)}, first pick, nothing is labeled yet"
        return Pick(pos, float(own_N[pos]) + self.diversity_weight, told)

    def _pick(self, candidates: Candidates, pos: int, worth: float, squared: float) -> Pick:
        distance_l2 = math.sqrt(squared)
        told = f"{_score(candidates, pos)}, {distance_l2:.2f} away from labeled and chosen frames"
        if squared < self.distance_min * self.distance_min:
            told += f"; no frame at least {self.distance_min:g} away is left"
        return Pick(pos, worth, told)


def _score(candidates: Candidates, pos: int) -> str:
    return candidates.tell_score(float(scores_of(candidates)[pos]))

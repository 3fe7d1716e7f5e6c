"""The highest scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np

from winnow.strategies.feasible import Feasible, open_in_order
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floats,
    Floor,
    Inclusion,
    Input,
    Pick,
    Positions,
    Ranks,
    check,
    scores_of,
)


def by_score(scores_N: Floats, rank_N: Ranks) -> Positions:
    """Give positions by falling score, equal ones by the rank of their frame ids."""
    order: Positions = np.lexsort((rank_N, -scores_N))
    return order


def below(what: str, chosen: Sequence[int], candidates: Candidates) -> list[str]:
    """Say of each candidate by how much its score misses the worst of the chosen ones."""
    scores_N, tell = scores_of(candidates), candidates.tell_score
    if not len(chosen):
        return ["batch of size 0"] * len(candidates)
    needed = f"{what} starts at {float(scores_N[list(chosen)].min()):.3g}"
    return [f"below {what}: {tell(score)}, {needed}" for score in scores_N.tolist()]


@dataclass(frozen=True, slots=True)
class TopK:
    """Takes the frames with the highest acquisition scores.

    Blind to likeness: a batch may hold many frames of one scene. Costs N log N.
    """

    name: ClassVar[str] = "top_k"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores"})
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
        """See `Strategy.choose`; the utility is the score."""
        rank_N = check(candidates, n, self.needs)
        scores_N = scores_of(candidates)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        for pos in islice(open_in_order(by_score(scores_N, rank_N), feasible), n):
            score = float(scores_N[pos])
            picks.append(Pick(pos, score, candidates.tell_score(score)))
            feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return below("the batch", [pick.pos for pick in picks], candidates)

"""A simple random sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from winnow.kernels.philox import order_of
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import Candidates, Constraint, Inclusion, Input, Pick, check

STEP: Final = 1
"""Its own draws; step 0 belongs to the random arm, which must be independent."""


@dataclass(frozen=True, slots=True)
class Random:
    """Draws without replacement, every open frame equally likely at each draw.

    Each frame's number comes from (seed, frame id) alone: order and company of the candidates
    change nothing. Costs N log N.
    """

    name: ClassVar[str] = "random"
    needs: ClassVar[frozenset[Input]] = frozenset()
    inclusion: ClassVar[Inclusion] = "uniform"

    def choose(
        self, candidates: Candidates, n: int, *, seed: int, constraints: Sequence[Constraint] = ()
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is none, the draw probability 1/(open frames)."""
        check(candidates, n, self.needs)
        feasible, picks = Feasible(len(candidates), constraints), list[Pick]()
        for pos in map(int, order_of(candidates.frame_ids, seed=seed, step=STEP)):
            if len(picks) == n:
                break
            if feasible.open_N[pos]:
                probability = 1.0 / int(feasible.open_N.sum())
                picks.append(Pick(pos, None, "drawn at random", probability))
                feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return ["not drawn"] * len(candidates)

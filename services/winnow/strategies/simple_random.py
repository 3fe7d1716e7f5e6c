"""A simple random sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Final

from winnow.kernels.philox import order_of
from winnow.strategies.feasible import Feasible, open_in_order
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floor,
    Inclusion,
    Input,
    Pick,
    check,
)

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
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is none, the draw probability 1/(open frames)."""
        check(candidates, n, self.needs)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        order_N = order_of(candidates.frame_ids, seed=seed, step=STEP)
        for pos in islice(open_in_order(order_N, feasible), n):
            picks.append(Pick(pos, None, "drawn at random", 1.0 / feasible.n_open))
            feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return ["not drawn"] * len(candidates)

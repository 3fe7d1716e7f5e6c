"""A simple random sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Final

from winnow.kernels.philox import order_of
from winnow.strategies.feasible import Feasible, open_in_order
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floor,
    FrameIds,
    Inclusion,
    Input,
    Pick,
    check,
)

STEP: Final = 1
"""Its own draws; step 0 belongs to the random arm, which must be independent."""
STEPS_A_TURN: Final = 1 << 32


def _drawn(frame_ids: FrameIds, feasible: Feasible, seed: int) -> Iterator[int]:
    """Give open frames in random order, a new one whenever a floor lets frames back in.

    Those that waited outside may stand early in the old order: they would be likelier than others.
    """
    turn, epoch, open_N = 0, feasible.epoch, feasible.open_N.copy()
    walk = open_in_order(order_of(frame_ids, seed=seed, step=STEP), feasible)
    while feasible.n_open:
        if feasible.epoch != epoch:
            came_back = bool((feasible.open_N & ~open_N).any())
            epoch, open_N = feasible.epoch, feasible.open_N.copy()
            if came_back:
                turn += 1
                order_N = order_of(frame_ids, seed=seed, step=STEP + turn * STEPS_A_TURN)
                walk = open_in_order(order_N, feasible)
        yield next(walk)


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
        for pos in islice(_drawn(candidates.frame_ids, feasible, seed), n):
            n_open = feasible.n_open
            picks.append(Pick(pos, None, "drawn at random", 1.0 / n_open, n_open))
            feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return ["not drawn"] * len(candidates)

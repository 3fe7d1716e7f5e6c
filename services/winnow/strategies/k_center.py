"""Greedy k-center, alone and behind a shortlist by score."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from winnow.kernels.farthest_first import FarthestFirst
from winnow.kernels.protocol import DistanceKernel
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Inclusion,
    Input,
    Pick,
    Positions,
    Rows,
    centers_of,
    check,
    embeddings_of,
    scores_of,
    tie_ranks,
)
from winnow.strategies.top_k import below, by_score


@dataclass(frozen=True, slots=True)
class KCenter:
    """Takes, again and again, the frame farthest from all labeled and chosen ones.

    Without labels nothing is far from anything, all frames tie, and the first pick is the one with
    the smallest frame id. Costs (L + n)·N·D multiply-adds, memory a few numbers a frame.

    References
    ----------
    Gonzalez 1985 (radius at most twice the optimum); Sener and Savarese, ICLR 2018, arXiv
    1708.00489, algorithm 1.
    """

    kernel: DistanceKernel | None = None
    name: ClassVar[str] = "k_center"
    needs: ClassVar[frozenset[Input]] = frozenset({"embeddings"})
    inclusion: ClassVar[Inclusion] = "certain"

    def choose(
        self, candidates: Candidates, n: int, *, seed: int, constraints: Sequence[Constraint] = ()
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the L2 distance, none for a first pick of all."""
        check(candidates, n, self.needs)
        feasible = Feasible(len(candidates), constraints)
        everything = np.arange(len(candidates))
        return _spread(candidates, n, everything, centers_of(candidates), feasible, self.kernel)

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return [_closer(picks)] * len(candidates)


@dataclass(frozen=True, slots=True)
class ShortlistKCenter:
    """Greedy k-center among the `factor`·n frames with the highest scores.

    If constraints close the whole shortlist before the batch is full, the next shortlist follows.
    Costs N log N + (L + n)·factor·n·D.
    """

    factor: float = 5.0
    kernel: DistanceKernel | None = None
    name: ClassVar[str] = "shortlist_k_center"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores", "embeddings"})
    inclusion: ClassVar[Inclusion] = "certain"

    def shortlist_size(self, n: int) -> int:
        """Give how many of the best scores a batch of n is spread over."""
        return math.ceil(self.factor * n)

    def choose(
        self, candidates: Candidates, n: int, *, seed: int, constraints: Sequence[Constraint] = ()
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the L2 distance, none for a first pick of all."""
        check(candidates, n, self.needs)
        scores_N, rows_ND = scores_of(candidates), embeddings_of(candidates)
        feasible, picks = Feasible(len(candidates), constraints), list[Pick]()
        order_N = by_score(scores_N, candidates.frame_ids)
        while len(picks) < n and feasible.open_N.any():
            shortlist = order_N[feasible.open_N[order_N]][: self.shortlist_size(n)]
            chosen = [pick.pos for pick in picks]
            centers_LD = np.concatenate([centers_of(candidates), rows_ND[chosen]])
            picks += _spread(
                candidates, n - len(picks), shortlist, centers_LD, feasible, self.kernel
            )
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        order_N = by_score(scores_of(candidates), candidates.frame_ids)
        shortlist = order_N[: self.shortlist_size(n)].tolist()
        texts = below("the shortlist", shortlist, candidates)
        for pos in shortlist:
            texts[pos] = f"shortlisted, but {_closer(picks)}"
        return texts


def _closer(picks: Sequence[Pick]) -> str:
    if not picks or picks[-1].utility is None:
        return "not among the first frames"
    return f"at most {picks[-1].utility:.2f} away from a labeled or chosen frame"


def _spread(
    candidates: Candidates,
    n: int,
    among: Positions,
    centers_LD: Rows,
    feasible: Feasible,
    kernel: DistanceKernel | None,
) -> list[Pick]:
    """Pick up to n of the frames at `among`, the farthest first."""
    ranks = tie_ranks(candidates.frame_ids[among])
    traversal = FarthestFirst(embeddings_of(candidates)[among], centers_LD, ranks, kernel=kernel)
    tell = _teller(candidates)
    picks: list[Pick] = []
    while len(picks) < n and feasible.open_N[among].any():
        row, squared = traversal.farthest(feasible.open_N[among])
        pos, distance_l2 = int(among[row]), math.sqrt(squared)
        picks.append(
            Pick(pos, distance_l2 if math.isfinite(squared) else None, tell(pos, distance_l2))
        )
        feasible.take(pos)
        traversal.add(row)
    return picks


def _teller(candidates: Candidates) -> Callable[[int, float], str]:
    def tell(pos: int, distance_l2: float) -> str:
        scores_N = candidates.scores_N
        score = f"{candidates.tell_score(float(scores_N[pos]))}, " if scores_N is not None else ""
        if math.isinf(distance_l2):
            return f"{score}first pick, nothing is labeled yet"
        return f"{score}{distance_l2:.2f} away from all labeled and chosen frames"

    return tell

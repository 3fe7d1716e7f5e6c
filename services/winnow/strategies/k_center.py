"""Greedy k-center, alone and behind a shortlist by score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from winnow.kernels.farthest_first import FarthestFirst
from winnow.kernels.protocol import DistanceKernel
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floor,
    Inclusion,
    Input,
    Pick,
    Positions,
    Ranks,
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
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the L2 distance, none for a first pick of all."""
        rank_N = check(candidates, n, self.needs)
        spread = _Spread(
            candidates, rank_N, Feasible(len(candidates), constraints, n, floors), self.kernel
        )
        return spread.over(None, n)

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return [_closer(picks)] * len(candidates)


@dataclass(frozen=True, slots=True)
class ShortlistKCenter:
    """Greedy k-center among the `shortlist_factor`·n frames with the highest scores.

    If constraints close the whole shortlist before the batch is full, the next shortlist follows.
    Costs N log N + (L + n)·shortlist_factor·n·D.
    """

    shortlist_factor: Annotated[
        float, Field(ge=1.0, description="Length of the shortlist in batches.")
    ] = 5.0
    kernel: DistanceKernel | None = None
    name: ClassVar[str] = "shortlist_k_center"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores", "embeddings"})
    inclusion: ClassVar[Inclusion] = "certain"

    def shortlist_size(self, n: int) -> int:
        """Give how many of the best scores a batch of n is spread over."""
        return math.ceil(self.shortlist_factor * n)

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the L2 distance, none for a first pick of all."""
        rank_N = check(candidates, n, self.needs)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        spread = _Spread(candidates, rank_N, feasible, self.kernel)
        order_N = by_score(scores_of(candidates), rank_N)
        while len(picks) < n and feasible.open_N.any():
            shortlist = order_N[feasible.open_N[order_N]][: self.shortlist_size(n)]
            picks += spread.over(shortlist, n - len(picks), chosen=[pick.pos for pick in picks])
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        order_N = by_score(scores_of(candidates), tie_ranks(candidates.frame_ids))
        shortlist = order_N[: self.shortlist_size(n)].tolist()
        texts = below("the shortlist", shortlist, candidates)
        for pos in shortlist:
            texts[pos] = f"shortlisted, but {_closer(picks)}"
        return texts


def _closer(picks: Sequence[Pick]) -> str:
    if not picks or picks[-1].utility is None:
        return "not among the first frames"
    return f"at most {picks[-1].utility:.2f} away from a labeled or chosen frame"


@dataclass(frozen=True, slots=True)
class _Spread:
    """Farthest-first picks among candidates."""

    candidates: Candidates
    rank_N: Ranks
    feasible: Feasible
    kernel: DistanceKernel | None

    def over(self, among: Positions | None, n: int, chosen: Sequence[int] = ()) -> list[Pick]:
        """Pick up to n of the frames at `among` (none: of all, without copying them)."""
        rows_ND = embeddings_of(self.candidates)
        known_LD = np.concatenate([centers_of(self.candidates), rows_ND[list(chosen)]])
        rows_KD, rank_K = (
            (rows_ND, self.rank_N) if among is None else (rows_ND[among], self.rank_N[among])
        )
        traversal = FarthestFirst(rows_KD, known_LD, rank_K, kernel=self.kernel)
        picks: list[Pick] = []
        while len(picks) < n:
            open_N = self.feasible.open_N
            open_K = open_N if among is None else open_N[among]
            if not open_K.any():
                break
            row, squared = traversal.farthest(open_K, self.feasible.epoch)
            picks.append(self._pick(row if among is None else int(among[row]), squared))
            self.feasible.take(picks[-1].pos)
            traversal.add(row)
        return picks

    def _pick(self, pos: int, squared: float) -> Pick:
        scores_N = self.candidates.scores_N
        told = "" if scores_N is None else f"{self.candidates.tell_score(float(scores_N[pos]))}, "
        if math.isinf(squared):
            return Pick(pos, None, f"{told}first pick, nothing is labeled yet")
        distance_l2 = math.sqrt(squared)
        reason = f"{told}{distance_l2:.2f} away from all labeled and chosen frames"
        return Pick(pos, distance_l2, reason)

"""Balls that cover the most frames that no label covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from winnow.kernels.ball_cover import BallCover
from winnow.kernels.greedy_spread import GreedySpread, Worth
from winnow.kernels.nearest import lower_to_nearest
from winnow.kernels.neighbours import nearest_of_another_group
from winnow.strategies.clusters import clusters_of, in_order, sample_in_order
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floor,
    Inclusion,
    Input,
    Pick,
    Positions,
    centers_of,
    check,
    embeddings_of,
)

SEED: Final = 0
"""Samples and pseudo-classes belong to the pool, not to a round: the same pool, the same batch."""
STEP: Final = 63
PURITY_STEP: Final = 64
PURITY_BALLS: Final = 4096
"""Balls whose purity is looked at: its standard error is then at most 0.4 points."""
CLASSES_UNKNOWN: Final = 10


@dataclass(frozen=True, slots=True)
class ProbCover:
    """Takes, again and again, the frame whose ball covers most frames that none covers yet.

    Balls around labeled frames cover first. A frame is in a ball of radius `delta` if it is nearer
    than that. Without `delta`, the radius is the largest for which a share `purity` of all balls
    hold frames of one pseudo-class only; pseudo-classes are clusters by k-means, as many as
    classes. A ball does so just if the nearest frame of another class is at least a radius away,
    so the radius is an order statistic of those distances. `n_classes` none: as many as the
    committee knows, else as were labeled, else 10.

    A pool of more than `sample_max` frames is stood for by a simple random sample of so many:
    only they are counted, and only they are taken while any of them is uncovered. Once all are
    covered (or closed), the frames farthest from all labeled and chosen ones fill the batch.

    Costs at most 1.5·S²·D multiply-adds for S frames in the sample (`BallCover`), however large
    the batch; memory a copy of the sample and a few numbers a frame. No list of edges, so dense
    pools and wide balls need no more of it.

    References
    ----------
    Yehuda, Dekel, Hacohen and Weinshall, "Active Learning Through a Covering Lens", NeurIPS 2022,
    arXiv 2205.11320: algorithm 1, and section 3.3 for the radius. Greedy cover is at least 1 - 1/e
    of the best one.
    """

    delta: Annotated[
        float | None, Field(gt=0.0, description="Radius of a ball (L2); none: from `purity`.")
    ] = None
    purity: Annotated[
        float, Field(gt=0.0, le=1.0, description="Share of balls that hold one pseudo-class only.")
    ] = 0.95
    n_classes: Annotated[
        int | None, Field(ge=1, le=1 << 14, description="Pseudo-classes; none: as many as classes.")
    ] = None
    sample_max: Annotated[
        int, Field(ge=1, description="Frames that are counted; a sample of larger pools.")
    ] = 50_000
    name: ClassVar[str] = "probcover"
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
        """See `Strategy.choose`; the utility is the number of frames, later the L2 distance."""
        rank_N = check(candidates, n, self.needs)
        if n == 0:
            return []
        order_N = in_order(rank_N)
        feasible = Feasible(len(candidates), constraints, n, floors)
        picks = self._by_cover(candidates, order_N, n, feasible)
        return picks + _by_distance(candidates, order_N, n - len(picks), feasible, picks)

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return ["covers fewer frames that no label covers"] * len(candidates)

    def squared_radius(self, candidates: Candidates, sample_S: Positions) -> float:
        """Give the square of the balls' radius for a sample in the order of its ids.

        `inf` if all balls of any radius are pure enough.
        """
        if self.delta is not None:
            return self.delta * self.delta
        rows_SD, ids_S = embeddings_of(candidates)[sample_S], candidates.frame_ids[sample_S]
        order_S = np.arange(len(sample_S))
        classes = clusters_of(ids_S, rows_SD, order_S, self._n_classes(candidates), seed=SEED)
        balls = sample_in_order(order_S, ids_S, PURITY_BALLS, seed=SEED, step=PURITY_STEP)
        other_Q = nearest_of_another_group(
            rows_SD[balls], classes.of_N[balls], rows_SD, classes.of_N
        )
        n_impure_max = len(balls) - math.ceil(self.purity * len(balls))
        return float(np.sort(other_Q)[n_impure_max])

    def _n_classes(self, candidates: Candidates) -> int:
        if self.n_classes is not None:
            return self.n_classes
        if candidates.probs_NMC is not None:
            return int(candidates.probs_NMC.shape[2])
        if candidates.labels_L is not None and len(candidates.labels_L):
            return len(np.unique(candidates.labels_L))
        return CLASSES_UNKNOWN

    def _by_cover(
        self, candidates: Candidates, order_N: Positions, n: int, feasible: Feasible
    ) -> list[Pick]:
        ids = candidates.frame_ids
        sample_S = sample_in_order(order_N, ids, self.sample_max, seed=SEED, step=STEP)
        squared_max = self.squared_radius(candidates, sample_S)
        rows_SD = embeddings_of(candidates)[sample_S]
        cover = BallCover(rows_SD, centers_of(candidates), squared_max)
        picks: list[Pick] = []
        while len(picks) < n:
            counts_S = np.where(feasible.open_N[sample_S], cover.counts_N, 0)
            best = int(np.argmax(counts_S))  # the first of equal ones, in the order of ids
            count = int(counts_S[best])
            if not count:
                break
            told = f"covers {count} uncovered frames within {math.sqrt(squared_max):.3g}"
            picks.append(Pick(int(sample_S[best]), float(count), told))
            feasible.take(picks[-1].pos)
            cover.cover(best)
        return picks


def _by_distance(
    candidates: Candidates,
    order_N: Positions,
    n: int,
    feasible: Feasible,
    picks: Sequence[Pick],
) -> list[Pick]:
    """Fill a batch with the frames farthest from all labeled and chosen ones."""
    rows_ND = embeddings_of(candidates)
    squared_N = np.full(len(rows_ND), np.inf)
    known_LD = np.concatenate([centers_of(candidates), rows_ND[[pick.pos for pick in picks]]])
    if n and feasible.n_open and len(known_LD):
        lower_to_nearest(squared_N, rows_ND, known_LD)
    spread = GreedySpread(
        rows_ND, order_N, squared_N, worth=Worth(np.zeros(len(rows_ND)), slope=1.0), n_max=n
    )
    further: list[Pick] = []
    while len(further) < n and feasible.n_open:
        pos, distance_l2, _ = spread.best(feasible.open_N, feasible.epoch)
        far = f"{distance_l2:.2f} away from" if math.isfinite(distance_l2) else "the first of"
        told = f"every ball is covered; {far} all labeled and chosen frames"
        further.append(Pick(pos, distance_l2 if math.isfinite(distance_l2) else None, told))
        feasible.take(pos)
        spread.add(pos)
    return further

"""One frame for each of as many clusters as frames are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from winnow.kernels.exact import squared_l2
from winnow.strategies.clusters import Clusters, clusters_of, in_order, parts
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floats,
    Floor,
    Inclusion,
    Input,
    Pick,
    Rows,
    check,
    embeddings_of,
    scores_of,
)
from winnow.strategies.turns import in_turn


@dataclass(frozen=True, slots=True)
class KMeans:
    """Clusters the pool into as many clusters as frames are wanted and takes one frame of each.

    The largest clusters come first. A cluster that constraints close sends nobody, and where
    frames are wanted beyond one a cluster (fewer distinct frames, or more than `clusters_max`),
    all clusters send their second best in the same order, and so on. Labeled frames play no part.
    Costs what `clusters_of` costs, and N·D operations in float64; memory 40 bytes a frame beside
    the sample that centers are trained on.

    References
    ----------
    Zhdanov, "Diverse mini-batch Active Learning", arXiv 1901.05954 (weights by informativeness;
    here over the whole pool, not over a shortlist).
    """

    pick: Annotated[
        Literal["nearest", "highest_score"],
        Field(description="The cluster's frame nearest to its center, or with the highest score."),
    ] = "nearest"
    weight: Annotated[
        Literal["none", "score"],
        Field(
            description="Whether clusters form where scores are high: frames then count by their "
            "score, from 0 for the lowest to 1 for the highest."
        ),
    ] = "none"
    clusters_max: Annotated[
        int, Field(ge=1, le=1 << 14, description="Larger batches take several frames a cluster.")
    ] = 4096
    name: ClassVar[str] = "kmeans"
    inclusion: ClassVar[Inclusion] = "drawn"

    @property
    def needs(self) -> frozenset[Input]:
        """See `Strategy.needs`."""
        if self.pick == "highest_score" or self.weight == "score":
            return frozenset({"embeddings", "scores"})
        return frozenset({"embeddings"})

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the score, or minus the distance to the center."""
        rank_N = check(candidates, n, self.needs)
        if n == 0:
            return []
        rows_ND, order_N = embeddings_of(candidates), in_order(rank_N)
        clusters = clusters_of(
            candidates.frame_ids, rows_ND, order_N, min(n, self.clusters_max), seed=seed,
            weights_N=unit_range(scores_of(candidates)) if self.weight == "score" else None,
        )  # fmt: skip
        distance_N = np.sqrt(_squared_to_center(rows_ND, clusters))
        utility_N = scores_of(candidates) if self.pick == "highest_score" else -distance_N
        best_first_N = np.lexsort((rank_N, distance_N, -utility_N))
        members = [each for each in clusters.members(best_first_N) if len(each)]
        members.sort(key=len, reverse=True)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        for group, pos in islice(in_turn(range(len(members)), members.__getitem__, feasible), n):
            told = f"{distance_N[pos]:.2f} from the center of its cluster of {len(members[group])}"
            if candidates.scores_N is not None:
                told = f"{candidates.tell_score(float(candidates.scores_N[pos]))}, {told}"
            picks.append(Pick(pos, float(utility_N[pos]), told))
            feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return [f"another frame stands for its cluster (one of {n})"] * len(candidates)


def unit_range(values_N: Floats) -> Floats:
    """Move and scale numbers so that the least is 0 and the largest 1; all 0 if they are equal.

    Examples
    --------
    >>> unit_range(np.array([2.0, 4.0, 3.0])).tolist()
    [0.0, 1.0, 0.5]
    """
    least, most = values_N.min(initial=np.inf), values_N.max(initial=-np.inf)
    if not most > least:
        return np.zeros(len(values_N))
    ranged_N: Floats = (values_N - least) / (most - least)
    return ranged_N


def _squared_to_center(rows_ND: Rows, clusters: Clusters) -> Floats:
    squared_N = np.empty(len(rows_ND))
    for part in parts(len(rows_ND)):
        squared_N[part] = squared_l2(rows_ND[part], clusters.centers_KD[clusters.of_N[part]])
    return squared_N

"""The most typical frame of each cluster that has the fewest labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.neighbours import squared_to_nearest
from winnow.strategies.clusters import Clusters, clusters_of, in_order, sample_in_order
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
    Rows,
    centers_of,
    check,
    embeddings_of,
)
from winnow.strategies.turns import in_turn

STEP: Final = 62
COMPARED_MAX: Final = 1 << 12
"""Members of one cluster that are compared with each other; a sample of larger ones."""


@dataclass(frozen=True, slots=True)
class TypiClust:
    """Clusters all frames, labeled ones too, and takes typical frames of clusters without labels.

    There are as many clusters as labeled and wanted frames together, at most `clusters_max`.
    Those with the fewest labeled frames come first, of these the largest; clusters of fewer than
    `cluster_frames_min` frames wait until no other has a frame left. Of each in turn the frame is
    taken whose mean distance to its nearest neighbours among the cluster's unlabeled frames is
    least; the neighbours are 20, or half the cluster. A cluster visited again gives its next most
    typical frame (the authors' program measures again without the frames that are taken).

    Costs what `clusters_of` costs, and m²·D multiply-adds for each visited cluster of m frames;
    above 4,096 frames a simple random sample of them is compared and comes first. Memory: the
    sample that centers are trained on, 30 bytes a frame, 16·20 bytes a frame of one cluster.

    References
    ----------
    Hacohen, Dekel and Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High and
    Low Budgets", ICML 2022, arXiv 2202.02794, section 3: typicality is the inverse of the mean
    distance, not of the mean squared one.
    """

    clusters_max: Annotated[
        int, Field(ge=1, le=1 << 14, description="Most clusters, however many labels there are.")
    ] = 500
    neighbours: Annotated[
        int, Field(ge=1, le=1000, description="Nearest frames that make one typical.")
    ] = 20
    cluster_frames_min: Annotated[
        int, Field(ge=1, description="Smaller clusters come last; labeled frames count.")
    ] = 6
    name: ClassVar[str] = "typiclust"
    needs: ClassVar[frozenset[Input]] = frozenset({"embeddings"})
    inclusion: ClassVar[Inclusion] = "drawn"

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is minus the mean distance to the neighbours."""
        rank_N = check(candidates, n, self.needs)
        if n == 0:
            return []
        order_N, labeled_LD = in_order(rank_N), centers_of(candidates)
        clusters = clusters_of(
            candidates.frame_ids, embeddings_of(candidates), order_N,
            min(len(labeled_LD) + n, self.clusters_max), seed=seed, labeled_LD=labeled_LD,
        )  # fmt: skip
        typical = _Typical(self, candidates, clusters, clusters.members(order_N), seed)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        while len(picks) < n and feasible.n_open:
            for visited in typical.visits():
                turns = in_turn(visited, typical.order, feasible)
                for _, pos in islice(turns, n - len(picks)):
                    picks.append(typical.pick(pos))
                    feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return ["its cluster has labels or a more typical frame"] * len(candidates)


def mean_distances(rows_ND: Rows, neighbours: int) -> Floats:
    """Give each row's mean L2 distance to its nearest others: `neighbours`, or half of all rows.

    One row alone is at distance 0 from nothing. Costs N²·D multiply-adds.

    Examples
    --------
    >>> mean_distances(np.float32([[0], [1], [3], [7]]), 20).tolist()
    [2.0, 1.5, 2.5, 5.0]
    """
    k = max(1, min(neighbours, len(rows_ND) // 2))
    if len(rows_ND) < 2:
        return np.zeros(len(rows_ND))
    means_N: Floats = sum_last(np.sqrt(squared_to_nearest(rows_ND, k))) / k
    return means_N


class _Typical:
    """The clusters, each with its frames by falling typicality."""

    def __init__(
        self,
        options: TypiClust,
        candidates: Candidates,
        clusters: Clusters,
        members: list[Positions],
        seed: int,
    ) -> None:
        self._options, self._candidates, self._members = options, candidates, members
        self._clusters, self._seed = clusters, seed
        self._labeled_K = np.bincount(clusters.of_L, minlength=len(members))
        self._size_K = np.array([len(each) for each in members]) + self._labeled_K
        self._mean_N = np.full(len(candidates), np.nan)
        self._known: dict[int, Positions] = {}

    def visits(self) -> tuple[list[int], list[int]]:
        """Give the clusters in the order of visits, and then the small ones."""
        order_K = np.lexsort((-self._size_K, self._labeled_K))
        is_small_K = self._size_K[order_K] < self._options.cluster_frames_min
        return order_K[~is_small_K].tolist(), order_K[is_small_K].tolist()

    def order(self, cluster: int) -> Positions:
        """Give a cluster's frames, the most typical first."""
        if cluster not in self._known:
            self._known[cluster] = self._ordered(cluster)
        return self._known[cluster]

    def _ordered(self, cluster: int) -> Positions:
        members, ids = self._members[cluster], self._candidates.frame_ids
        compared = sample_in_order(members, ids, COMPARED_MAX, seed=self._seed, step=STEP)
        rows_ND = embeddings_of(self._candidates)[compared]
        means = mean_distances(rows_ND, self._options.neighbours)
        self._mean_N[compared] = means
        others = members[np.isin(members, compared, invert=True)]
        return np.concatenate([compared[np.argsort(means, kind="stable")], others])

    def pick(self, pos: int) -> Pick:
        """Give the pick of a frame whose cluster was visited."""
        cluster = int(self._clusters.of_N[pos])
        n_labeled = int(self._labeled_K[cluster])
        told = f"its cluster has {self._size_K[cluster]} frames, {n_labeled} of them labeled"
        mean = float(self._mean_N[pos])
        if np.isnan(mean):
            return Pick(pos, None, f"one of many: {told}")
        return Pick(pos, -mean, f"typical, {mean:.2f} from its nearest frames: {told}")

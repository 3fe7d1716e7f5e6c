"""Uncertain frames from many clusters, the small ones first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from winnow.kernels.kmeans import weighted_sums
from winnow.kernels.linkage import Merges, average_linkage, unit_rows
from winnow.kernels.philox import Words, draws_of
from winnow.strategies.clusters import clusters_of, in_order, parts
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
    Ranks,
    Rows,
    check,
    embeddings_of,
    scores_of,
    tie_ranks,
)
from winnow.strategies.top_k import below, by_score
from winnow.strategies.turns import in_turn

STEP: Final = 65
LEAF_ITERATIONS: Final = 8
"""Leaves only have to be small; means that still move a little are as good."""


@dataclass(frozen=True, slots=True)
class ClusterMargin:
    """Draws from the `shortlist_factor`·n frames with the highest scores, cluster by cluster.

    The pool's clusters are those of average linkage by cosine, as deep as mean cosine distances
    are at most `cosine_distance_max`, or (none) until a cluster has `frames_per_cluster` frames on
    average. Clusters of shortlisted frames are visited in turn, the one with the fewest first, and
    one frame is drawn from each. If constraints close the shortlist before the batch is full, the
    next shortlist follows.

    With the margin as acquisition function this is the paper's method, with these differences:
    (1) the paper clusters once and keeps the clusters for all rounds; here they are computed anew
    for the pool of each round, with the embeddings of that round. (2) A pool of more than
    `leaves_max` frames is first divided into so many groups by k-means of unit vectors, and
    linkage begins with them; frames of one group are never parted, everything above is average
    linkage of all frames, as the mean cosine of two groups is the product of their means. (3) The
    distance is one minus the cosine. Labeled frames play no part.

    Costs N·leaves·D multiply-adds and N log N; memory 8·leaves² bytes (134 MB) and a few numbers
    a frame.

    References
    ----------
    Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh and Kumar, "Batch Active
    Learning at Scale", NeurIPS 2021, arXiv 2107.14263, algorithms 1 to 3.
    """

    shortlist_factor: Annotated[
        float, Field(ge=1.0, description="Length of the shortlist in batches.")
    ] = 1.25
    cosine_distance_max: Annotated[
        float | None,
        Field(ge=0.0, le=2.0, description="Clusters merge up to this mean cosine distance."),
    ] = None
    frames_per_cluster: Annotated[
        float, Field(ge=1.0, description="Mean size of clusters, where no distance is given.")
    ] = 10.0
    leaves_max: Annotated[
        int, Field(ge=1, le=1 << 13, description="Groups that linkage begins with, at most.")
    ] = 2048
    name: ClassVar[str] = "cluster_margin"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores", "embeddings"})
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
        """See `Strategy.choose`; the utility is the score."""
        rank_N = check(candidates, n, self.needs)
        if n == 0:
            return []
        cluster_N = self.clusters(candidates, rank_N, seed=seed)
        draw_N = draws_of(candidates.frame_ids, seed=seed, step=STEP)
        order_N = by_score(scores_of(candidates), rank_N)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        while len(picks) < n and feasible.n_open:
            shortlist = order_N[feasible.open_N[order_N]][: self.shortlist_size(n)]
            groups = _groups(shortlist, cluster_N, rank_N, draw_N)
            turns = in_turn(range(len(groups)), groups.__getitem__, feasible)
            for group, pos in islice(turns, n - len(picks)):
                score = float(scores_of(candidates)[pos])
                told = (
                    f"{candidates.tell_score(score)}, drawn from {len(groups[group])} of its "
                    f"cluster among {len(shortlist)} shortlisted"
                )
                picks.append(Pick(pos, score, told))
                feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        order_N = by_score(scores_of(candidates), tie_ranks(candidates.frame_ids))
        shortlist = order_N[: self.shortlist_size(n)].tolist()
        texts = below("the shortlist", shortlist, candidates)
        for pos in shortlist:
            texts[pos] = "shortlisted, but not drawn from its cluster"
        return texts

    def shortlist_size(self, n: int) -> int:
        """Give how many of the best scores a batch of n is drawn from."""
        return math.ceil(self.shortlist_factor * n)

    def clusters(self, candidates: Candidates, rank_N: Ranks, *, seed: int) -> Positions:
        """Give the number of each frame's cluster; numbers follow the order of frame ids."""
        rows_ND, order_N = embeddings_of(candidates), in_order(rank_N)
        leaf_N = np.asarray(rank_N, dtype=np.intp)
        if len(rows_ND) > self.leaves_max:
            leaf_N = clusters_of(
                candidates.frame_ids, rows_ND, order_N, self.leaves_max, seed=seed,
                iterations_max=LEAF_ITERATIONS, seen_as=_units,
            ).of_N  # fmt: skip
        used, leaf_N = np.unique(leaf_N, return_inverse=True)
        size_M = np.bincount(leaf_N, minlength=len(used))
        merges = average_linkage(_means(rows_ND, order_N, leaf_N, size_M), size_M)
        cluster_N: Positions = merges.cut(self._n_merges(merges, len(rows_ND)))[leaf_N]
        return cluster_N

    def _n_merges(self, merges: Merges, n_frames: int) -> int:
        if self.cosine_distance_max is not None:
            return int((merges.similarity_J >= 1.0 - self.cosine_distance_max).sum())
        n_clusters = max(1, math.ceil(n_frames / self.frames_per_cluster))
        return max(0, len(merges.pairs_JM) + 1 - n_clusters)


def _units(rows_ND: Rows) -> Rows:
    return unit_rows(rows_ND).astype(np.float32)


def _means(rows_ND: Rows, order_N: Positions, leaf_N: Positions, size_M: Positions) -> Floats:
    """Give the mean of the unit vectors of each leaf, added in the order of frame ids."""
    sums_MD = np.zeros((len(size_M), rows_ND.shape[1]))
    for part in parts(len(order_N)):
        pos_K = order_N[part]
        units_KD = unit_rows(rows_ND[pos_K])
        sums_MD += weighted_sums(units_KD, leaf_N[pos_K], np.ones(len(pos_K)), len(size_M))
    return sums_MD / size_M[:, None]


def _groups(
    shortlist: Positions, cluster_N: Positions, rank_N: Ranks, draw_N: Words
) -> list[Positions]:
    """Give the shortlisted frames of each cluster in random order, the fewest first."""
    by_cluster = np.lexsort((rank_N[shortlist], draw_N[shortlist], cluster_N[shortlist]))
    ordered = shortlist[by_cluster]
    starts = np.flatnonzero(np.diff(cluster_N[ordered])) + 1
    return sorted(np.split(ordered, starts), key=len)

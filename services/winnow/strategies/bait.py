"""Frames that leave the least uncertain last layer: Fisher information, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from winnow.acquisition.probabilities import blocks_of
from winnow.acquisition.reproducible import sum_last
from winnow.kernels.fisher import Design, inverse_of
from winnow.strategies.feasible import Feasible
from winnow.strategies.fixed_sample import fixed_sample
from winnow.strategies.last_layer import LastLayer
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Flags,
    Floats,
    Floor,
    Inclusion,
    Input,
    Pick,
    Positions,
    check,
    probs_of,
)

CANDIDATES_STEP: Final = 44
"""Its own draws: which frames are candidates."""


@dataclass(frozen=True, slots=True)
class Bait:
    """Takes the frames whose labels would leave the last layer least uncertain about the pool.

    It seeks the batch S with the smallest tr((λI + Σ I_x over labeled frames and S)⁻¹ F): I_x is
    the Fisher information of a softmax layer on the embedding of x, F its mean over the pool.
    Greedy forward to `oversample`·n frames, then the least needed ones are given back, one by one.

    What differs from the paper, so that cost and memory are bounded: embeddings wider than
    `features_max` and classes beyond `classes_max` are drawn together (random signs; random groups
    of classes), which is the same layer restricted to a random subspace; F is the mean over at most
    `pool_max` frames; at most `candidates_max` frames, drawn by their ids alone, may be chosen
    until constraints close them all. λ is `ridge` average frames, spread over all directions
    (paper: 1, whatever the scale of embeddings). Labeled frames count with the probabilities that
    the committee gave them, or with equal ones if it was not asked. Constraints are asked while the
    pruned batch is taken in the order in which it was found; whatever they close is replaced by
    further greedy steps.

    Notes
    -----
    With R = C·D, K candidates: C²·D²/4 a frame for F, K·C²·D + R² ·C a step, up to 3·n steps.
    Memory: 2·K·C² and some R² numbers (R is at most features_max·classes_max). The trace is no
    submodular function, so no bound is promised. For batches of hundreds, not of tens of thousands.

    References
    ----------
    Ash, Goel, Krishnamurthy and Kakade, "Gone fishing: neural active learning with Fisher
    embeddings", NeurIPS 2021, arXiv 2106.09675, algorithm 1.
    """

    features_max: Annotated[
        int, Field(ge=1, le=512, description="Wider embeddings are projected to so many numbers.")
    ] = 64
    classes_max: Annotated[
        int, Field(ge=2, le=128, description="More classes are drawn together to so many groups.")
    ] = 16
    candidates_max: Annotated[
        int, Field(ge=1, description="Frames that may be chosen; at least what is sought.")
    ] = 5000
    pool_max: Annotated[
        int, Field(ge=1, description="Frames over which the pool's information is averaged.")
    ] = 50_000
    ridge: Annotated[
        float, Field(gt=0.0, le=1e6, description="λ, in average frames; larger: nearer to top-k.")
    ] = 1.0
    oversample: Annotated[
        float, Field(ge=1.0, le=10.0, description="Frames that the forward steps find, in batches.")
    ] = 2.0
    name: ClassVar[str] = "bait"
    needs: ClassVar[frozenset[Input]] = frozenset({"embeddings", "probs"})
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
        """See `Strategy.choose`; the utility is by how much the trace falls at its forward step."""
        rank_N = check(candidates, n, self.needs)
        for _ in blocks_of(probs_of(candidates)):
            pass  # refuses rows that are no probabilities
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        if not n or not feasible.n_open:
            return picks
        layer = LastLayer(candidates, rank_N, self.features_max, self.classes_max)
        search = _Search(self, layer, feasible)
        for pick in search.pruned(n):
            if feasible.open_N[pick.pos]:
                picks.append(pick)
                feasible.take(pick.pos)
        return picks + search.further(n - len(picks), [pick.pos for pick in picks])

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        text = "takes less off the expected variance of predictions, or was no candidate"
        return [text] * len(candidates)


class _Search:
    """Forward and backward steps over candidates."""

    def __init__(self, options: Bait, layer: LastLayer, feasible: Feasible) -> None:
        self._options, self._layer, self._feasible = options, layer, feasible
        sample = fixed_sample(layer.frame_ids, layer.rank_N, options.pool_max, step=CANDIDATES_STEP)
        self._target_RR = layer.information(sample) / max(1, len(sample))
        mean = float(np.trace(self._target_RR)) / len(self._target_RR)
        ridge_RR = np.eye(len(self._target_RR)) * (options.ridge * (mean or 1.0))
        known_RR = layer.labeled_information()
        self._start_RR = (
            np.diag(1.0 / np.diag(ridge_RR))
            if known_RR is None
            else inverse_of(ridge_RR + known_RR)
        )

    def pruned(self, n: int) -> list[Pick]:
        """Find more than n open candidates, and give back those that are least needed."""
        more = math.ceil(self._options.oversample * n)
        among = self._candidates(max(more, self._options.candidates_max))
        points = self._layer.points(among)
        design = Design(points, self._target_RR, self._start_RR)
        steps, open_K = _Steps(design, self._target_RR), np.ones(len(among), dtype=np.bool_)
        rows, picks = list[int](), list[Pick]()
        while len(rows) < min(more, len(among)):
            row = steps.best(open_K)
            picks.append(steps.pick(row, int(among[row])))
            rows.append(row)
            open_K[row] = False
            design.apply(row)
        if len(picks) <= n:
            return picks
        chosen = points.at(np.array(rows))
        back = Design(chosen, self._target_RR, design.inverse_RR, change="remove")
        kept_S = np.ones(len(rows), dtype=np.bool_)
        while kept_S.sum() > n:
            loss_S = np.where(kept_S, back.changes(), np.inf)
            row = len(loss_S) - 1 - int(np.argmin(loss_S[::-1]))
            kept_S[row] = False
            back.apply(row)
        return [picks[place] for place in np.flatnonzero(kept_S)]

    def further(self, n: int, chosen: Sequence[int]) -> list[Pick]:
        """Pick up to n more frames, with those already chosen, while any is open."""
        picks, inverse_RR = list[Pick](), self._start_RR
        if n and self._feasible.n_open and chosen:
            before = Design(self._layer.points(np.array(chosen)), self._target_RR, inverse_RR)
            for row in range(len(chosen)):
                before.apply(row)
            inverse_RR = before.inverse_RR
        while len(picks) < n and self._feasible.n_open:
            among = self._candidates(self._options.candidates_max)
            design = Design(self._layer.points(among), self._target_RR, inverse_RR)
            steps = _Steps(design, self._target_RR)
            while len(picks) < n and (open_K := self._feasible.open_N[among]).any():
                row = steps.best(open_K)
                picks.append(steps.pick(row, int(among[row])))
                self._feasible.take(int(among[row]))
                design.apply(row)
            inverse_RR = design.inverse_RR
        return picks

    def _candidates(self, n_max: int) -> Positions:
        """Give up to `n_max` open positions, in the order of their frame ids."""
        where = np.flatnonzero(self._feasible.open_N)
        ids, rank_K = self._layer.frame_ids[where], self._layer.rank_N[where]
        return where[fixed_sample(ids, rank_K, n_max, step=CANDIDATES_STEP)]


class _Steps:
    """Greedy steps of one design, told in words."""

    def __init__(self, design: Design, target_RR: Floats) -> None:
        self._design = design
        products_RR = design.inverse_RR * target_RR
        self._trace = float(sum_last(sum_last(products_RR)))
        self._changes_K: Floats = np.empty(0)

    def best(self, open_K: Flags) -> int:
        """Give the open row that lowers the trace most, the first of equal ones."""
        self._changes_K = self._design.changes()
        return int(np.argmax(np.where(open_K, self._changes_K, -np.inf)))

    def pick(self, row: int, pos: int) -> Pick:
        """Tell of a step."""
        change = float(self._changes_K[row])
        share = change / self._trace if self._trace > 0.0 else 0.0
        self._trace -= change
        return Pick(pos, change, f"takes {share:.2%} off the expected variance of predictions")

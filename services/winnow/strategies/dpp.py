"""Greedy MAP of a determinantal point process: quality times volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from winnow.acquisition.reproducible import exp_of, log_of
from winnow.kernels.exact import squared_l2
from winnow.kernels.lazy_greedy import LazyGreedy
from winnow.kernels.protocol import RowSource
from winnow.kernels.volume import LinearVolume, RadialVolume, Volume
from winnow.strategies.feasible import Feasible, open_in_order
from winnow.strategies.fixed_sample import fixed_sample
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
    centers_of,
    check,
    embeddings_of,
    scores_of,
)
from winnow.strategies.top_k import by_score

STEP: Final = 42
"""Its own draws: between which frames the median distance is measured."""
MEDIAN_FRAMES: Final = 256
LAYER_MIN: Final = 2
"""A layer with fewer picks says that all that is left is alike: no further layer."""


@dataclass(frozen=True, slots=True)
class GreedyDPP:
    """Takes, again and again, the frame that most multiplies quality times spanned volume.

    The batch with the largest determinant of L_ij = q_i·q_j·s(i, j) is sought greedily: s is the
    similarity of two frames, q² = exp(theta·score) with the scores of the pool brought to 0 … 1.
    The utility of a pick is its gain in log det L, in nats: theta·score + log of what part of the
    frame lies outside the span of the chosen ones.

    With `cosine`, D + 1 frames span everything. Once nothing outside the span is left (a part below
    one in a million), a new layer begins as if nothing were chosen; if all that is left is alike,
    the rest goes by score. `rbf` never ends that way unless frames are equal.

    Notes
    -----
    Lazy evaluation changes no pick: what lies outside a growing span only shrinks. Costs D for
    each row and chosen frame that meet (at most N·n·D, mostly a tenth), n·(D + n) instead of D for
    `rbf`; memory some numbers a frame and n·D, for `rbf` n² more. Greedy choice of a determinant
    has no constant bound in general: log det is submodular, but not monotone.

    References
    ----------
    Chen, Zhang and Zhou, "Fast greedy MAP inference for determinantal point process to improve
    recommendation diversity", NeurIPS 2018, algorithm 1. Kulesza and Taskar, "Determinantal point
    processes for machine learning", 2012, section 3.1 (quality and diversity).
    """

    similarity: Annotated[
        Literal["cosine", "rbf"],
        Field(description="`cosine`: (1 + cos)/2; `rbf`: exp(-d²/2l²), for batches larger than D."),
    ] = "cosine"
    theta: Annotated[
        float, Field(ge=0.0, le=20.0, description="How much the score counts; 0: not at all.")
    ] = 1.0
    length_scale: Annotated[
        float, Field(gt=0.0, le=1e3, description="Of `rbf`: l in median distances of the pool.")
    ] = 1.0
    labeled_max: Annotated[
        int,
        Field(ge=0, description="So many labeled frames, the most different, count as chosen."),
    ] = 0
    name: ClassVar[str] = "dpp"
    inclusion: ClassVar[Inclusion] = "certain"

    @property
    def needs(self) -> frozenset[Input]:
        """See `Strategy.needs`; scores unless theta is 0."""
        return frozenset({"embeddings", "scores"} if self.theta else {"embeddings"})

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the gain in log det L, none once all is alike."""
        rank_N = check(candidates, n, self.needs)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        if not n:
            return picks
        layers = _Layers(self, candidates, rank_N, feasible)
        while len(picks) < n and feasible.n_open:
            layer = layers.next(n - len(picks))
            picks += layer
            if len(layer) < LAYER_MIN and layers.from_nothing:
                picks += layers.by_quality(n - len(picks))
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        last = picks[-1].utility if picks else None
        text = "not among the first frames" if not picks else "too much like what is chosen"
        if last is not None:
            text = f"would add at most {last:.2f} nats to the log-determinant"
        return [text] * len(candidates)


class _Layers:
    """Batches of which each spans what it can, one after the other."""

    def __init__(
        self, options: GreedyDPP, candidates: Candidates, rank_N: Ranks, feasible: Feasible
    ) -> None:
        self._options, self._candidates, self._feasible = options, candidates, feasible
        self._rank_N, self._order_N = rank_N, np.argsort(rank_N)
        self._rows_ND = embeddings_of(candidates)
        self._exponent_N = options.theta * _from_0_to_1(candidates) if options.theta else None
        self._squared_quality_N = (
            np.ones(len(rank_N)) if self._exponent_N is None else exp_of(self._exponent_N)
        )
        self._length = 1.0
        if options.similarity == "rbf":
            self._length = options.length_scale * _median_distance(candidates, rank_N)
        self._n_layers = 0
        self.from_nothing = True
        """The last layer began without labeled frames."""

    def next(self, n: int) -> list[Pick]:
        """Pick up to n frames until they span all that is open."""
        volume = self._volume(self._rows_ND, n)
        labeled = [] if self._n_layers else self._labeled()
        self.from_nothing = not labeled
        for row_D in labeled:
            volume.take(row_D)
        self._n_layers += 1
        lazy, picks = self._lazy(volume), list[Pick]()
        while len(picks) < n:
            found = lazy.best(self._feasible.open_N, self._feasible.epoch)
            if found is None or not found[1]:
                break
            pos, gain = found
            picks.append(self._pick(pos, gain))
            self._feasible.take(pos)
            volume.take(self._rows_ND[pos])
            lazy.advance()
        return picks

    def by_quality(self, n: int) -> list[Pick]:
        """Pick up to n frames by score, or by their ids."""
        order_N = by_score(self._squared_quality_N, self._rank_N)
        picks = list[Pick]()
        for pos in islice(open_in_order(order_N, self._feasible), n):
            reason = f"{self._told(pos)}all that is left is like what is chosen"
            picks.append(Pick(pos, None, reason))
            self._feasible.take(pos)
        return picks

    def _volume(self, rows_ND: RowSource, n: int) -> Volume:
        n_rows = n + self._options.labeled_max
        if self._options.similarity == "rbf":
            return RadialVolume(rows_ND, n_rows, self._length)
        return LinearVolume(rows_ND, n_rows)

    def _lazy(self, volume: Volume) -> LazyGreedy:
        def gains(of: Callable[[Positions], Floats]) -> Callable[[Positions], Floats]:
            return lambda pos_K: self._squared_quality_N[pos_K] * of(pos_K)

        return LazyGreedy(
            self._squared_quality_N * volume.start(),
            self._order_N,
            gains(volume.residuals),
            upper=gains(volume.upper),
        )

    def _labeled(self) -> list[Rows]:
        """Give the labeled frames that count as chosen: those that greedy choice takes of them."""
        rows_LD = centers_of(self._candidates)
        n = min(self._options.labeled_max, len(rows_LD))
        volume, chosen = self._volume(rows_LD, n), list[Rows]()
        lazy = LazyGreedy(
            volume.start(), np.arange(len(rows_LD)), volume.residuals, upper=volume.upper
        )
        open_L = np.ones(len(rows_LD), dtype=np.bool_)
        while len(chosen) < n and (found := lazy.best(open_L)) and found[1]:
            chosen.append(rows_LD[found[0]])
            open_L[found[0]] = False
            volume.take(chosen[-1])
            lazy.advance()
        return chosen

    def _told(self, pos: int) -> str:
        if self._exponent_N is None:
            return ""
        return f"{self._candidates.tell_score(float(scores_of(self._candidates)[pos]))}, "

    def _pick(self, pos: int, gain: float) -> Pick:
        new = gain / float(self._squared_quality_N[pos])
        again = f" of its layer ({self._n_layers})" if self._n_layers > 1 else ""
        reason = f"{self._told(pos)}{new:.0%} of it is unlike what is chosen{again}"
        return Pick(pos, float(log_of(np.array(gain))), reason)


def _from_0_to_1(candidates: Candidates) -> Floats:
    scores_N = scores_of(candidates)
    low, high = scores_N.min(initial=np.inf), scores_N.max(initial=-np.inf)
    if not high > low:
        return np.zeros(len(scores_N))
    between: Floats = (scores_N - low) / (high - low)
    return between


def _median_distance(candidates: Candidates, rank_N: Ranks) -> float:
    """Give the median distance between frames of a fixed sample, 1 if none are apart."""
    sample = fixed_sample(candidates.frame_ids, rank_N, MEDIAN_FRAMES, step=STEP)
    rows_SD = embeddings_of(candidates)[sample]
    first, second = np.triu_indices(len(rows_SD), 1)
    squared = np.sort(squared_l2(rows_SD[first], rows_SD[second]))
    apart = squared[squared > 0.0]
    if not len(apart):
        return 1.0
    median = float(squared[len(squared) // 2])
    return math.sqrt(median if median > 0.0 else float(apart[0]))

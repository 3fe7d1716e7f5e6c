"""Uncertainty herding: one rule from the first label to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import Discriminator, Field, Tag

from winnow.acquisition.least_confidence import least_confidence
from winnow.acquisition.reproducible import sum_last
from winnow.kernels.alike import first_alike
from winnow.kernels.facility_location import FacilityLocation as Covering
from winnow.kernels.lazy_greedy import LazyGreedy
from winnow.kernels.nearest import lower_to_nearest
from winnow.kernels.similarity import Similarity
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

TARGETS_STEP: Final = 70
REFERENCES_STEP: Final = 71
"""Their own draws: which frames are to be covered, and which ones the radius is measured with."""
SHARPNESS_SURE: Final = 6
"""Power of the scores of a committee that is sure of every frame."""
SHARPNESS_UNKNOWN: Final = 2.0
"""Where a committee gives no class probabilities."""
WEIGHT_MIN: Final = 2.0**-40
"""Of a frame that nobody doubts: it still decides between frames that cover nothing else."""


@dataclass(frozen=True, slots=True)
class Herding:
    """Takes, again and again, the frame that covers most of the doubt that is still uncovered.

    Every frame of the pool carries its doubt: its score, relative to the largest, to the power
    `sharpness`. The power follows the evidence: a committee that is sure of most of the pool is
    believed about the rest, and its few most doubtful frames count; one that is hardly better than
    guessing is not, and frames count nearly alike. A labeled or chosen frame covers the doubt
    around it, all of it at its own place and half of it at the radius. The radius follows the
    evidence too: it is the distance at which as many frames as are labeled and asked for, drawn at
    random, would lie from the rest of the pool, times `radius`. With few labels it is wide, and
    the batch is typical of the pool's large parts; with many it is narrow, near-duplicates and
    labeled neighbourhoods stay covered, and the most doubtful frames are left. So one rule goes
    over from coverage to uncertainty by itself, and there is no round at which somebody has to
    switch.

    How sure a committee is: one minus its mean least confidence over the pool, from calibrated
    probabilities, as a share of what guessing would give. With `sharpness: confidence` the
    power is 6 times that, in quarters and at least one of them; 2 without class probabilities.

    `weight: none` gives every frame the same doubt: a cold start that needs no scores.

    Notes
    -----
    Monotone and submodular: without constraints the greedy batch covers at least 1 - 1/e of what
    the best one would. What is covered is counted over at most `targets_max` frames, drawn by their
    ids alone; in pools larger than `candidates_max` half as many frames with the highest scores
    and a sample compete for the batch, so that a pool of millions costs one pass and a sort. Costs
    candidates·targets·D multiply-adds to begin with, targets·D for each later look at a frame.

    References
    ----------
    Bae, Oliveira and Sutherland, "Uncertainty Herding: One Active Learning Method for All Label
    Budgets", ICLR 2025, arXiv 2412.20644: coverage of uncertainty by a kernel whose width shrinks
    with the budget. Ours differs: the kernel is Cauchy's, 1/(1 + d²/r²), instead of a Gaussian;
    the width comes from random frames instead of the smallest distance between labeled ones; and
    scores are sharpened by a power that follows the committee's confidence, instead of a
    temperature that is fitted on held-out labels.
    """

    weight: Annotated[
        Literal["score", "none"],
        Field(description="Whose doubt counts more: by score, or everybody's alike."),
    ] = "score"
    sharpness: Annotated[
        Annotated[int, Field(ge=1, le=8), Tag("power")]
        | Annotated[Literal["confidence"], Tag("confidence")],
        # A wrong number is told as one, not as a wrong word too.
        Discriminator(lambda value: "confidence" if isinstance(value, str) else "power"),
        Field(
            description="Power of the score; more looks at fewer frames. `confidence`: as much as "
            "the committee is sure of the pool."
        ),
    ] = "confidence"
    radius: Annotated[
        float, Field(gt=0.0, le=100.0, description="Of the reach of a label, see above.")
    ] = 1.0
    targets_max: Annotated[
        int, Field(ge=16, le=100_000, description="Frames over which coverage is counted.")
    ] = 4096
    candidates_max: Annotated[
        int, Field(ge=16, le=10**7, description="Frames that compete in a larger pool.")
    ] = 20_000
    name: ClassVar[str] = "herding"
    inclusion: ClassVar[Inclusion] = "certain"

    @property
    def needs(self) -> frozenset[Input]:
        """See `Strategy.needs`."""
        return frozenset({"embeddings", "scores"} if self.weight == "score" else {"embeddings"})

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the share of the doubt that the pick covers."""
        rank_N = check(candidates, n, self.needs)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        if not n or not feasible.n_open:
            return picks
        power = self._power(candidates) if self.weight == "score" else 0.0
        doubt_N = self._doubt(candidates, power)
        herd = _Herd.of(self, candidates, rank_N, doubt_N, n)
        while len(picks) < n and (found := herd.best(feasible)):
            pos, share = found
            covers = f"covers {share:.2%} of the doubt, radius {herd.radius:.3g}"
            picks.append(Pick(pos, share, self._reason(candidates, pos, covers, power)))
            feasible.take(pos)
            herd.take(pos)
        for pos in open_in_order(by_score(doubt_N, rank_N), feasible):
            if len(picks) == n:
                break
            picks.append(Pick(pos, 0.0, "beside those that compete, which are used up"))
            feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        if not picks or picks[-1].utility is None:
            return ["not among the first frames"] * len(candidates)
        text = f"covers at most {picks[-1].utility:.2%} of the doubt, or was not looked at"
        return [text] * len(candidates)

    def _power(self, candidates: Candidates) -> float:
        if self.sharpness != "confidence":
            return float(self.sharpness)
        if candidates.probs_NMC is None or candidates.probs_NMC.shape[2] < 2:
            return SHARPNESS_UNKNOWN
        return max(1, round(4 * SHARPNESS_SURE * _sureness(candidates.probs_NMC))) / 4

    def _doubt(self, candidates: Candidates, power: float) -> Floats:
        """Give each frame's weight, 0 < weight <= 1; the power is a multiple of a quarter.

        At 0 all weigh the same, and there need be no scores.
        """
        if not power:
            return np.ones(len(candidates))
        scores_N = scores_of(candidates)
        # Scores of most functions have a natural zero; those that fall below are moved up to it.
        above_N = scores_N - min(0.0, float(scores_N.min()))
        most = float(above_N.max())
        share_N = above_N / most if most > 0.0 else np.ones(len(scores_N))
        # Square roots and products are rounded in one way everywhere, powers are not.
        fourth_N = np.sqrt(np.sqrt(share_N))
        whole, quarters = divmod(round(4 * power), 4)
        doubt_N = np.ones(len(share_N))
        for factor_N in (share_N,) * whole + (fourth_N,) * quarters:
            doubt_N *= factor_N
        return np.maximum(doubt_N, WEIGHT_MIN)

    def _reason(self, candidates: Candidates, pos: int, covers: str, power: float) -> str:
        if self.weight == "none":
            return f"typical: {covers}"
        assert candidates.scores_N is not None
        score = candidates.tell_score(float(candidates.scores_N[pos]))
        return f"{score}, {covers}, sharpness {power:g}"


def _sureness(probs_NMC: Rows) -> float:
    """Give how far above guessing the committee's confidence in the pool is, 0 to 1."""
    doubt_N = least_confidence(probs_NMC)
    guessing = 1.0 - 1.0 / probs_NMC.shape[2]
    # Rounded once, so that the order of the frames decides nothing.
    return 1.0 - fsum(doubt_N) / (len(doubt_N) * guessing)


class _Herd:
    """The frames that compete, and what the chosen ones cover."""

    def __init__(
        self,
        covering: Covering,
        among: Positions,
        rank_K: Ranks,
        total: float,
        radius: float,
        rows_KD: Rows,
    ) -> None:
        self._covering, self._among, self._total = covering, among, total
        self.radius = radius
        self._place_of = {int(pos): place for place, pos in enumerate(among.tolist())}
        self._lazy = LazyGreedy(
            covering.bounds(),
            np.argsort(rank_K),
            covering.gains,
            upper=covering.upper,
            closer=covering.closer,
            alike=lambda: first_alike(rows_KD),
        )

    @classmethod
    def of(
        cls, herding: Herding, candidates: Candidates, rank_N: Ranks, doubt_N: Floats, n: int
    ) -> _Herd:
        """Set up: who competes, what is to be covered, and how far a label reaches."""
        rows_ND, known_LD = embeddings_of(candidates), centers_of(candidates)
        ids = candidates.frame_ids
        targets = fixed_sample(ids, rank_N, herding.targets_max, step=TARGETS_STEP)
        among = _competing(candidates, rank_N, doubt_N, max(herding.candidates_max, 4 * n))
        reach = _reach(candidates, rank_N, targets, len(known_LD) + n)
        radius = herding.radius * reach
        scale = 1.0 / (radius * radius) if radius > 0.0 else 1.0
        rows_KD = rows_ND if len(among) == len(rows_ND) else rows_ND[among]
        covering = Covering(
            rows_KD,
            rows_ND[targets],
            known_LD=known_LD,
            similarity=Similarity("cauchy", scale),
            weights_T=doubt_N[targets],
        )
        total = float(sum_last(doubt_N[targets]))
        return cls(covering, among, rank_N[among], total, radius, rows_KD)

    def best(self, feasible: Feasible) -> tuple[int, float] | None:
        """Give the open frame that covers most, and its share; none if nobody competes any more."""
        found = self._lazy.best(feasible.open_N[self._among], feasible.epoch)
        return None if found is None else (int(self._among[found[0]]), found[1] / self._total)

    def take(self, pos: int) -> None:
        """Choose a frame."""
        self._covering.take(self._place_of[pos])
        self._lazy.advance()


def _competing(candidates: Candidates, rank_N: Ranks, doubt_N: Floats, n_max: int) -> Positions:
    """Give the positions of the frames that compete, rising: all, or the best and a sample."""
    if len(candidates) <= n_max:
        return np.arange(len(candidates))
    best = by_score(doubt_N, rank_N)[: n_max // 2]
    drawn = fixed_sample(candidates.frame_ids, rank_N, n_max - n_max // 2, step=TARGETS_STEP)
    return np.union1d(best, drawn)


def _reach(candidates: Candidates, rank_N: Ranks, targets: Positions, n_labels: int) -> float:
    """Give the root mean squared distance of the targets to the nearest of `n_labels` frames.

    These are drawn at random; targets that are drawn themselves do not count. 0 if all frames that
    count are equal to drawn ones.
    """
    rows_ND = embeddings_of(candidates)
    n_drawn = max(1, min(n_labels, len(candidates) // 2))
    drawn = fixed_sample(candidates.frame_ids, rank_N, n_drawn, step=REFERENCES_STEP)
    others = targets[~np.isin(targets, drawn)]
    if not len(others):
        return 0.0
    squared = np.full(len(others), np.inf)
    lower_to_nearest(squared, rows_ND[others], rows_ND[drawn])
    return float(np.sqrt(sum_last(squared) / len(others)))

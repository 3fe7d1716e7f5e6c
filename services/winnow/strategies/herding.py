"""Uncertainty herding: one rule from the first label to the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
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
from winnow.kernels.philox import order_of
from winnow.kernels.similarity import Similarity
from winnow.strategies.feasible import Feasible, open_in_order
from winnow.strategies.fixed_sample import SEED, fixed_sample
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
DRAWS: Final = 8
"""Times that targets are drawn for a large batch, a part of `targets_max` picks each."""
PAIRS_MAX: Final = 1 << 32
"""Of a frame that competes and a chosen one, compared for the rest of a very large batch."""
COMPETING: Final = 4
"""Frames that compete for each place, at least."""
WEIGHT_MIN: Final = 2.0**-40
"""Of a frame that nobody doubts: it still decides between frames that cover nothing else."""
Found = tuple[int, float, str]
"""Position, share of the doubt, and what that share is."""


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
    Monotone and submodular: in a pool of at most `targets_max` frames and without constraints the
    greedy batch covers at least 1 - 1/e of what the best one would. In a larger pool what is
    covered is counted over so many frames, drawn by their ids alone. A batch that is not small
    beside them would cover them and nothing else (at half as many picks it is no better than a
    random one), so every `targets_max` / 8 picks others are drawn. In pools larger than
    `candidates_max`, and than four times the batch, half as many frames with the highest scores and
    a sample compete.

    Of a batch larger than `targets_max` the rest goes by the doubt about each frame itself that the
    chosen ones leave uncovered, looked at again every `targets_max` / 8 picks until 2^32 pairs of
    frames were compared.

    Costs candidates·targets·D multiply-adds for each draw of targets, targets·D for each look at a
    frame: 6 ms a pick on one core at D = 64, for at most `targets_max` picks; then at most 2^32·D,
    or one pass. All of 100,000 frames take
    47 s, all of 480,000 80 s, at D = 64.

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
        pool = _Field.of(self, candidates, rank_N, self._doubt(candidates, power), n)
        for pos, share, covers in chain(pool.herded(feasible), pool.rest(feasible)):
            told = f"{covers}, radius {pool.radius:.3g}"
            picks.append(Pick(pos, share, self._reason(candidates, pos, told, power)))
            feasible.take(pos)
            pool.chosen.append(pos)
            if len(picks) == n:
                break
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        if not picks or picks[-1].utility is None:
            text = "not among the first frames"
        elif len(picks) <= self.targets_max:
            text = f"covers at most {picks[-1].utility:.2%} of the doubt, or was not looked at"
        else:
            text = "the batch covers it better than those chosen last, or it did not compete"
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


@dataclass(frozen=True, slots=True)
class _Field:
    """The pool with its doubt, and what is chosen of it."""

    herding: Herding
    candidates: Candidates
    rank_N: Ranks
    doubt_N: Floats
    similarity: Similarity
    radius: float
    n_places: int
    chosen: list[int] = field(default_factory=list)

    @classmethod
    def of(
        cls, herding: Herding, candidates: Candidates, rank_N: Ranks, doubt_N: Floats, n: int
    ) -> _Field:
        """Measure how far a label reaches."""
        targets = fixed_sample(candidates.frame_ids, rank_N, herding.targets_max, step=TARGETS_STEP)
        n_labels = len(centers_of(candidates)) + n
        radius = herding.radius * _reach(candidates, rank_N, targets, n_labels)
        similarity = Similarity("cauchy", 1.0 / (radius * radius) if radius > 0.0 else 1.0)
        return cls(herding, candidates, rank_N, doubt_N, similarity, radius, n)

    def herded(self, feasible: Feasible) -> Iterator[Found]:
        """Give what covers most of the targets, again and again, until it is time for the rest.

        Whoever asks takes it before asking again.
        """
        n_frames, n_targets = len(self.candidates), self.herding.targets_max
        if n_frames <= n_targets:
            yield from self._covering(np.argsort(self.rank_N), feasible, n_frames)
            return
        drawn = order_of(self.candidates.frame_ids, seed=SEED, step=TARGETS_STEP)
        for turn in range(DRAWS):
            some = np.take(drawn, np.arange(turn * n_targets, (turn + 1) * n_targets), mode="wrap")
            targets = some[np.argsort(self.rank_N[some])]
            yield from self._covering(targets, feasible, self._step)

    def rest(self, feasible: Feasible) -> Iterator[Found]:
        """Give the frames with the most uncovered doubt of their own; taken as `herded`."""
        among, others = self._competing(self.n_places)
        rows_KD, squared_K = self._rows(among), np.full(len(among), np.inf)
        total, n_seen, new_BD = fsum(self.doubt_N), 0, centers_of(self.candidates)
        while feasible.n_open:
            new_BD = np.concatenate([new_BD, embeddings_of(self.candidates)[self.chosen[n_seen:]]])
            if len(new_BD):
                lower_to_nearest(squared_K, rows_KD, new_BD)
            n_seen, new_BD = len(self.chosen), new_BD[:0]
            left_K = self.doubt_N[among] * (1.0 - self.similarity.of(squared_K))
            is_last = (n_seen + self._step) * len(among) > PAIRS_MAX
            left_N = np.full(len(self.candidates), -1.0)
            left_N[among] = left_K
            order_N = np.concatenate([among[by_score(left_K, self.rank_N[among])], others])
            for pos in islice(open_in_order(order_N, feasible), None if is_last else self._step):
                share = float(left_N[pos]) / total
                if share < 0.0:
                    yield pos, 0.0, "beside those that compete, which are used up"
                else:
                    yield pos, share, f"covers its own doubt, {share:.2g} of all"

    @property
    def _step(self) -> int:
        return max(1, self.herding.targets_max // DRAWS)

    def _covering(self, targets: Positions, feasible: Feasible, n_max: int) -> Iterator[Found]:
        """Give up to `n_max` frames, each the one that covers most of the targets' doubt."""
        among, _ = self._competing(min(self.n_places, self.herding.targets_max))
        rows_KD, known_LD = self._rows(among), centers_of(self.candidates)
        chosen_BD = embeddings_of(self.candidates)[self.chosen]
        covering = Covering(
            rows_KD,
            embeddings_of(self.candidates)[targets],
            known_LD=np.concatenate([known_LD, chosen_BD]) if self.chosen else known_LD,
            similarity=self.similarity,
            weights_T=self.doubt_N[targets],
        )
        total = float(sum_last(self.doubt_N[targets]))
        lazy = LazyGreedy(
            covering.bounds(),
            np.argsort(self.rank_N[among]),
            covering.gains,
            upper=covering.upper,
            closer=covering.closer,
            alike=lambda: first_alike(rows_KD),
        )
        for _ in range(n_max):
            found = lazy.best(feasible.open_N[among], feasible.epoch)
            if found is None:
                return
            share = found[1] / total
            yield int(among[found[0]]), share, f"covers {share:.2%} of the doubt"
            covering.take(found[0])
            lazy.advance()

    def _competing(self, n_places: int) -> tuple[Positions, Positions]:
        """Give who competes (all, or the best and a sample), rising, and the others by doubt."""
        n_max = max(self.herding.candidates_max, COMPETING * n_places)
        if len(self.candidates) <= n_max:
            return np.arange(len(self.candidates)), np.empty(0, dtype=np.intp)
        in_order = by_score(self.doubt_N, self.rank_N)
        drawn = fixed_sample(
            self.candidates.frame_ids, self.rank_N, n_max - n_max // 2, step=TARGETS_STEP
        )
        among = np.union1d(in_order[: n_max // 2], drawn)
        return among, in_order[~np.isin(in_order, among)]

    def _rows(self, among: Positions) -> Rows:
        rows_ND = embeddings_of(self.candidates)
        return rows_ND if len(among) == len(rows_ND) else rows_ND[among]


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

"""Batches drawn by score: likelier for high scores, never the same scene a hundred times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from winnow.acquisition.reproducible import log_of
from winnow.domain.errors import BadInput
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floats,
    Floor,
    FrameIds,
    Inclusion,
    Input,
    Pick,
    check,
    scores_of,
)
from winnow.strategies.stochastic_race import Weights, draw

POWER_STEP: Final = 0x5301 << 32
SOFTMAX_STEP: Final = 0x5302 << 32
RANK_STEP: Final = 0x5303 << 32
"""Each strategy has draws of its own, and room for 2**32 races in one batch."""

Coldness = Annotated[
    float,
    Field(
        ge=0.0,
        le=10_000.0,
        description="How strongly the score decides: 0 draws all frames alike, large numbers take "
        "the highest scores in order.",
    ),
]


@dataclass(frozen=True, slots=True)
class Power:
    """Draws frames without replacement, each draw in proportion to score^beta.

    Frames of score 0 are drawn only once no other is open. Costs N log N.

    References
    ----------
    Kirsch et al., "Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning",
    TMLR 2023, arXiv 2106.12059, section 3 (power; with BALD scores: PowerBALD).
    """

    beta: Coldness = 1.0
    name: ClassVar[str] = "power"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores"})
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
        """See `Strategy.choose`; utility and draw probability are those of `draw`.

        Raises
        ------
        BadInput
            Also a score below 0, which has no power; `softmax` and `rank` take such scores.
        """
        rank_N = check(candidates, n, self.needs)
        logs_N = power_logs(scores_of(candidates), self.beta, candidates.frame_ids)
        weights = Weights(logs_N, rank_N, POWER_STEP)
        return draw(candidates, weights, n, seed=seed, constraints=constraints, floors=floors)

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return _not_drawn(candidates)


@dataclass(frozen=True, slots=True)
class Softmax:
    """Draws frames without replacement, each draw in proportion to exp(score / temperature).

    A temperature far below the spread of the scores takes the highest ones, one far above it draws
    all alike. Costs N log N.

    References
    ----------
    Kirsch et al., TMLR 2023, arXiv 2106.12059, section 3 (softmax; beta = 1 / temperature).
    """

    temperature: Annotated[
        float,
        Field(
            ge=1e-9,
            description="In units of the score: a frame whose score is this much higher is drawn "
            "e times as likely.",
        ),
    ] = 0.1
    name: ClassVar[str] = "softmax"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores"})
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
        """See `Strategy.choose`; utility and draw probability are those of `draw`."""
        rank_N = check(candidates, n, self.needs)
        logs_N = softmax_logs(scores_of(candidates), self.temperature)
        weights = Weights(logs_N, rank_N, SOFTMAX_STEP)
        return draw(candidates, weights, n, seed=seed, constraints=constraints, floors=floors)

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return _not_drawn(candidates)


@dataclass(frozen=True, slots=True)
class Rank:
    """Draws frames without replacement, each draw in proportion to rank^-beta.

    The highest score has rank 1; equal scores share the mean of their ranks. Only the order of the
    scores matters, not their size. Costs N log N.

    References
    ----------
    Kirsch et al., TMLR 2023, arXiv 2106.12059, section 3 (softrank).
    """

    beta: Coldness = 1.0
    name: ClassVar[str] = "rank"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores"})
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
        """See `Strategy.choose`; utility and draw probability are those of `draw`."""
        rank_N = check(candidates, n, self.needs)
        logs_N = rank_logs(scores_of(candidates), self.beta)
        weights = Weights(logs_N, rank_N, RANK_STEP)
        return draw(candidates, weights, n, seed=seed, constraints=constraints, floors=floors)

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return _not_drawn(candidates)


def power_logs(scores_N: Floats, beta: float, frame_ids: FrameIds | None = None) -> Floats:
    """Give ln(score^beta); -inf for score 0, unless beta is 0: then all are alike.

    Raises
    ------
    BadInput
        A score below 0.

    Examples
    --------
    >>> power_logs(np.array([0.0, 1.0]), 2.0).tolist()
    [-inf, 0.0]
    """
    if len(scores_N) and scores_N.min() < 0.0:
        row = int(np.argmax(scores_N < 0.0))
        where = "" if frame_ids is None else f" (frame {frame_ids[row]})"
        msg = (
            f"power: expected scores of at least 0, row {row}{where} has {scores_N[row]:g}; "
            "softmax and rank take any"
        )
        raise BadInput(msg)
    if beta == 0.0:
        return np.zeros(len(scores_N))
    has_weight = scores_N > 0.0
    return np.where(has_weight, beta * log_of(np.where(has_weight, scores_N, 1.0)), -np.inf)


def softmax_logs(scores_N: Floats, temperature: float) -> Floats:
    """Give (score - highest score) / temperature.

    Examples
    --------
    >>> softmax_logs(np.array([0.5, 1.0]), 0.25).tolist()
    [-2.0, 0.0]
    """
    return (scores_N - scores_N.max(initial=-np.inf)) / temperature if len(scores_N) else scores_N


def rank_logs(scores_N: Floats, beta: float) -> Floats:
    """Give ln(rank^-beta); equal scores have the mean of their ranks.

    Examples
    --------
    >>> rank_logs(np.array([0.3, 0.9, 0.3]), 1.0).round(4).tolist()
    [-0.9163, 0.0, -0.9163]
    """
    _, group_N, sizes = np.unique(-scores_N, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    ranks = last - (sizes - 1) / 2.0
    logs_N: Floats = 0.0 - beta * log_of(ranks)[group_N]
    return logs_N


def _not_drawn(candidates: Candidates) -> list[str]:
    tell = candidates.tell_score
    return [f"not drawn: {tell(score)}" for score in scores_of(candidates).tolist()]

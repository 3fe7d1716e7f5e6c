"""Classes of interest take turns; each takes the frame that is worth most for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from winnow.domain.errors import BadInput
from winnow.strategies.columns import mean_probs_of, numbers_of
from winnow.strategies.descending import Descending
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floats,
    Floor,
    Inclusion,
    Input,
    Pick,
    check,
    scores_of,
)


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """Lets classes take turns, each with its own falling order; what is taken is skipped.

    With `columns` a class is a column of scores, e.g. the committee's mutual information averaged
    over the probability map of that class, and classes take turns in the order given. Without, a
    class is one of the committee's, its score the frame's acquisition score times the mean
    probability of the class, and turns go by class number. Equal scores go by frame id.

    Costs a selection in O(N) for each class and a sort of what is looked at; with probabilities
    also N·M·C, and 16·N·C bytes.

    References
    ----------
    Haussmann et al., "Scalable Active Learning for Object Detection", IV 2020, arXiv 2004.04699:
    mutual information per class and batches for classes of interest.
    """

    columns: Annotated[
        tuple[str, ...],
        Field(description="Columns with one score per class of interest; empty: by probabilities."),
    ] = ()
    classes: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...],
        Field(description="Numbers of the classes of interest, without columns; empty: all."),
    ] = ()
    name: ClassVar[str] = "round_robin"
    inclusion: ClassVar[Inclusion] = "certain"

    def __post_init__(self) -> None:
        """Refuse both, and a class that is named twice."""
        if self.columns and self.classes:
            msg = "round_robin: expected columns or classes, found both"
            raise BadInput(msg)
        named = self.columns or self.classes
        if len(set(named)) < len(named):
            msg = f"round_robin: expected each class once, found {', '.join(map(str, named))}"
            raise BadInput(msg)

    @property
    def needs(self) -> frozenset[Input]:
        """See `Strategy.needs`."""
        return frozenset({"columns"}) if self.columns else frozenset({"scores", "probs"})

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the score for the class whose turn it was."""
        rank_N = check(candidates, n, self.needs)
        scores = self._scores(candidates)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        orders = [Descending(each_N, rank_N).open_frames(feasible) for _, each_N in scores]
        while len(picks) < n and feasible.n_open:
            turn, place = divmod(len(picks), len(scores))
            (what, each_N), pos = scores[place], next(orders[place])
            told = f"{what}: score {each_N[pos]:.3g}, turn {turn + 1}"
            picks.append(Pick(pos, float(each_N[pos]), told))
            feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        probs_NMC = candidates.probs_NMC
        n_classes = len(self.columns or self.classes)
        if not n_classes:
            n_classes = 1 if probs_NMC is None else probs_NMC.shape[2]
        turns = -(-len(picks) // n_classes)
        return [f"not among the {turns} best of any class that were left"] * len(candidates)

    def _scores(self, candidates: Candidates) -> list[tuple[str, Floats]]:
        if self.columns:
            return [(name, numbers_of(candidates, name)) for name in self.columns]
        scores_N, probs_NC = scores_of(candidates), mean_probs_of(candidates)
        n_classes = probs_NC.shape[1]
        if self.classes and max(self.classes) >= n_classes:
            msg = f"classes: expected numbers below {n_classes}, found {max(self.classes)}"
            raise BadInput(msg)
        which = self.classes or range(n_classes)
        return [(f"class {c}", np.multiply(scores_N, probs_NC[:, c])) for c in which]

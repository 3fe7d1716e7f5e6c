"""Frames from everywhere: vehicles, sites, robots, and the cells of an operational domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from winnow.domain.errors import BadInput
from winnow.strategies.cells import Partition, partition_of, told_cell
from winnow.strategies.feasible import Feasible
from winnow.strategies.kinds import Kinds
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floor,
    Inclusion,
    Input,
    Pick,
    check,
    scores_of,
)

Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Takes, again and again, the frame whose cells are covered least; of those the best score.

    Each of `columns` divides the frames by its values, and the combinations of `cells` divide them
    once more. A batch is worth the sum over all cells of the square root of the number of frames in
    it, chosen and labeled: the first frame of a cell counts most. Ties go to the higher score, then
    to the smaller frame id.

    With one division the greedy choice is the best one there is. With several it has at least
    1 - 1/e of the best value (the worth is monotone and submodular), at least 1/2 under caps of one
    column, and no bound is known under gaps or prices.

    Costs a sort of N for each column and one of N scores; then a pick brings up to date the frames
    that share a cell with it, all frames of the same cells as one. Memory: a few numbers a frame.

    References
    ----------
    Nemhauser, Wolsey and Fisher, "An analysis of approximations for maximizing submodular set
    functions", 1978 (bound; part II for matroids). Lin and Bilmes, "A Class of
    Submodular Functions for Document Summarization", ACL 2011, equation 6 (concave over modular).
    """

    columns: Annotated[
        tuple[str, ...], Field(description="Columns whose values are covered, each by itself.")
    ] = ("vehicle", "site")
    cells: Annotated[
        tuple[str, ...], Field(description="Columns whose combinations are covered.")
    ] = ()
    edges: Annotated[
        Mapping[str, Numbers] | None,
        Field(description="Column of numbers → limits of its bins; a limit opens its bin."),
    ] = None
    use_scores: Annotated[
        bool, Field(description="Whether scores decide between frames covered alike, or ids.")
    ] = True
    name: ClassVar[str] = "coverage"
    inclusion: ClassVar[Inclusion] = "certain"

    def __post_init__(self) -> None:
        """Refuse to cover nothing."""
        if not self.columns and not self.cells:
            msg = "coverage: expected columns or cells, found neither"
            raise BadInput(msg)

    @property
    def needs(self) -> frozenset[Input]:
        """See `Strategy.needs`."""
        return frozenset({"columns", "scores"}) if self.use_scores else frozenset({"columns"})

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is by how much the worth of the batch grows."""
        rank_N = check(candidates, n, self.needs)
        scores_N = scores_of(candidates) if self.use_scores else np.zeros(len(candidates))
        partitions = self._partitions(candidates)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        kinds = Kinds(partitions, scores_N, rank_N)
        while len(picks) < n and (found := kinds.best(feasible)) is not None:
            pos, gain = found
            told = self._told(candidates, kinds, pos)
            picks.append(Pick(pos, gain, told))
            feasible.take(pos)
            kinds.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return ["its cells are covered at least as well, or a better frame covers them"] * len(
            candidates
        )

    def _partitions(self, candidates: Candidates) -> list[Partition]:
        edges = self.edges or {}
        parts = [partition_of(candidates, [name], edges) for name in self.columns]
        return [*parts, partition_of(candidates, self.cells, edges)] if self.cells else parts

    def _told(self, candidates: Candidates, kinds: Kinds, pos: int) -> str:
        told = [
            f"{told_cell(candidates, part.columns, self.edges or {}, pos)}: {had} chosen or labeled"
            for part, had in zip(kinds.partitions, kinds.had(pos), strict=True)
        ]
        if self.use_scores:
            told.append(candidates.tell_score(float(scores_of(candidates)[pos])))
        return "; ".join(told)

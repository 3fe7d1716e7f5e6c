"""Mining by example: the frames that look most like known failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from winnow.domain.errors import BadInput
from winnow.kernels.nearest import lower_to_nearest
from winnow.kernels.sieve import Sieve, closer_than, origin_of
from winnow.strategies.descending import Descending
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    EMBEDDING_MAX,
    Candidates,
    Constraint,
    Flags,
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

LOOKED_AT_ONCE: Final = 256
"""Frames compared with the chosen ones by one matrix product."""
PARTS_MAX: Final = 16
"""Chosen frames come in parts; so many are put together again."""


@dataclass(frozen=True, slots=True)
class Mining:
    """Takes the frames nearest to the examples, and of those that are too much alike only one.

    A frame is worth `labeled_weight` times its L2 distance to the nearest labeled frame, minus that
    to the nearest example. Frames nearer than `min_distance` to one that is chosen already wait
    until no others are left. Ties go to the smaller frame id.

    Costs (E + L)·N·D multiply-adds (L only with a weight), a selection in O(N), and with a minimum
    distance D multiply-adds for each pair of a looked-at and a chosen frame. Memory: a few numbers
    a frame. Distances are exact, so that no machine chooses other frames.
    """

    min_distance: Annotated[
        float, Field(ge=0.0, description="L2 distance that chosen frames keep from each other.")
    ] = 0.0
    labeled_weight: Annotated[
        float, Field(ge=0.0, description="What distance to labeled frames counts; 0: nothing.")
    ] = 0.0
    name: ClassVar[str] = "mining"
    needs: ClassVar[frozenset[Input]] = frozenset({"embeddings", "examples"})
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
        """See `Strategy.choose`; the utility is what the frame is worth."""
        rank_N = check(candidates, n, self.needs)
        away_N = _distances(candidates, examples_of(candidates))
        worth_N, known_N = -away_N, None
        if self.labeled_weight and len(centers_of(candidates)):
            known_N = _distances(candidates, centers_of(candidates))
            worth_N = self.labeled_weight * known_N - away_N
        order = Descending(worth_N, rank_N)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        apart = _Apart(order, embeddings_of(candidates), self.min_distance)
        any_open = order.open_frames(feasible)
        while len(picks) < n:
            pos, near = apart.first_open(feasible), ""
            if pos is None and (pos := next(any_open, None)) is not None and self.min_distance:
                near = f", nearer than {self.min_distance:g} to a chosen frame"
            if pos is None:
                break
            told = f"{away_N[pos]:.2f} away from the nearest example{near}"
            if known_N is not None:
                told += f", {known_N[pos]:.2f} from the nearest labeled frame"
            picks.append(Pick(pos, float(worth_N[pos]), told))
            feasible.take(pos)
            apart.add(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        alike = " or too near to a chosen one" if self.min_distance else ""
        return [f"less like the examples than the chosen frames{alike}"] * len(candidates)


def examples_of(candidates: Candidates) -> Rows:
    """Give the embeddings of the examples, at least one, or refuse."""
    dimension = embeddings_of(candidates).shape[1]
    rows_ED = candidates.examples_ED
    if rows_ED is None or rows_ED.ndim != 2 or rows_ED.shape[1] != dimension or not len(rows_ED):
        found = "none" if rows_ED is None else rows_ED.shape
        msg = f"examples_ED: expected shape (E, {dimension}) with E of at least 1, found {found}"
        raise BadInput(msg)
    wrong = np.flatnonzero(~(np.abs(rows_ED) <= EMBEDDING_MAX).all(axis=1))  # NaN compares false
    if len(wrong):
        expected = f"finite numbers up to {EMBEDDING_MAX:g}"
        msg = f"examples_ED: expected {expected}, row {wrong[0]} has others"
        raise BadInput(msg)
    return rows_ED


def _distances(candidates: Candidates, others_KD: Rows) -> Floats:
    squared_N = np.full(len(candidates), np.inf)
    lower_to_nearest(squared_N, embeddings_of(candidates), others_KD)
    distances_N: Floats = np.sqrt(squared_N)
    return distances_N


class _Apart:
    """The best frames that keep their distance from the chosen ones.

    A block of frames is compared with all chosen ones at once, and with each other; who is chosen
    from it closes others of it.
    """

    def __init__(self, order: Descending, rows_ND: Rows, min_distance: float) -> None:
        self._order, self._rows_ND = order, rows_ND
        self._squared_min = min_distance * min_distance
        self._origin_D = origin_of(rows_ND[order.head(LOOKED_AT_ONCE)])
        self._pending: list[Rows] = []
        self._chosen: list[Sieve] = []
        self._near_N = np.zeros(len(rows_ND), dtype=np.bool_)
        self._start, self._epoch = 0, 0
        self._block: Positions = np.empty(0, dtype=np.intp)
        self._closer_WW: Flags = np.empty((0, 0), dtype=np.bool_)

    def first_open(self, feasible: Feasible) -> int | None:
        """Give the best of them that may take the next place; none: there is no such frame."""
        if not self._squared_min:
            return None
        if feasible.epoch != self._epoch:
            self._start, self._epoch, self._block = 0, feasible.epoch, self._block[:0]
        while True:
            may = feasible.open_N[self._block] & ~self._near_N[self._block]
            if may.any():
                return int(self._block[int(np.argmax(may))])
            if not self._look_further(feasible):
                return None

    def add(self, pos: int) -> None:
        """Close frames that are too near to this chosen one."""
        if not self._squared_min:
            return
        self._pending.append(self._rows_ND[pos])
        place = np.flatnonzero(self._block == pos)
        if len(place):  # else it was chosen although it is near, and no others are left
            self._near_N[self._block[self._closer_WW[place[0]]]] = True

    def _look_further(self, feasible: Feasible) -> bool:
        """Take the next frames of the order that may still come; tell whether there were any."""
        found: list[Positions] = []
        n_found = 0
        while n_found < LOOKED_AT_ONCE:
            part = self._order.head(self._start + LOOKED_AT_ONCE)[self._start :]
            if not len(part):
                break
            self._start += len(part)
            found.append(part[feasible.open_N[part] & ~self._near_N[part]])
            n_found += len(found[-1])
        if not n_found:
            return False
        self._block = np.concatenate(found)
        block = Sieve.of(self._rows_ND[self._block], self._origin_D)
        for chosen in self._parts():
            near = closer_than(block, chosen, self._squared_min).any(axis=1)
            self._near_N[self._block[near]] = True
        self._closer_WW = closer_than(block, block, self._squared_min)
        return True

    def _parts(self) -> list[Sieve]:
        """Give the chosen frames, those that came since the last time in a part of their own."""
        if self._pending:
            self._chosen.append(Sieve.of(np.array(self._pending), self._origin_D))
            self._pending = []
        if len(self._chosen) > PARTS_MAX:
            together = np.concatenate([part.rows_ND for part in self._chosen])
            self._chosen = [Sieve.of(together, self._origin_D)]
        return self._chosen

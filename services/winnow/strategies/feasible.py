"""Which candidates may take the next place while a batch grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from winnow.domain.errors import BadInput
from winnow.strategies.protocol import Constraint, Flags, Floor, Positions


class Feasible:
    """The greedy loop's view of the constraints: one mask, kept up to date by each pick.

    Parameters
    ----------
    n_frames
        N.
    constraints
        Asked once before the first pick and after each one.
    n_places
        Size of the batch; what floors count down from.
    floors
        Asked after the constraints.

    Raises
    ------
    BadInput
        A constraint knows another number of candidates: its positions would mean other frames.

    Notes
    -----
    A pick costs what the constraints close; nothing here is of the order of N, unless a floor
    changes its mind.
    """

    def __init__(
        self,
        n_frames: int,
        constraints: Sequence[Constraint],
        n_places: int,
        floors: Sequence[Floor] = (),
    ) -> None:
        for constraint in constraints:
            if len(constraint) != n_frames:
                msg = (
                    f"{constraint.name}: expected a value for each of {n_frames} candidates, found "
                )
                raise BadInput(msg + str(len(constraint)))
        self._free_N: Flags = np.ones(n_frames, dtype=np.bool_)
        self._constraints, self._floors = constraints, floors
        self._places = n_places
        self._only: Flags | None = None
        self._found: list[Flags | None] = []
        self.open_N: Flags = self._free_N
        """May take the next place."""
        self.n_open = n_frames
        """How many may."""
        self.epoch = 0
        """Grows when frames that could not take a place may take one again."""
        self._close(None)

    def take(self, pos: int) -> None:
        """Put a frame into the batch."""
        self._places -= 1
        for floor in self._floors:
            floor.took(pos)
        self._close(pos)

    def _close(self, taken: int | None) -> None:
        closed = [np.array([] if taken is None else [taken], dtype=np.intp)]
        closed += [constraint.closes(taken) for constraint in self._constraints]
        for positions in closed:
            self._lose(positions)
        if self._floors:
            self._ask_floors()

    def _lose(self, positions: Positions) -> None:
        lost = positions[self._free_N[positions]]
        if len(lost) > 1:
            lost = np.unique(lost)
        self._free_N[lost] = False
        if self._only is None:
            self.n_open -= len(lost)
        else:
            self.n_open -= int(self.open_N[lost].sum())
            self.open_N[lost] = False
        for floor in self._floors:
            floor.lost(lost)

    def _ask_floors(self) -> None:
        found = [floor.only(self._places) for floor in self._floors]
        same = len(found) == len(self._found)
        same = same and all(new is old for new, old in zip(found, self._found, strict=True))
        if same and (self.n_open or self._only is None):
            return  # a floor that gives the same mask means the same: no look at all N frames
        self._found = found
        only = self._agreed([mask for mask in found if mask is not None])
        if only is None and self._only is None:
            return
        self.open_N = self._free_N if only is None else self._free_N & only
        self._only = only
        self.n_open = int(self.open_N.sum())
        self.epoch += 1

    def _agreed(self, masks: list[Flags]) -> Flags | None:
        """Give what all floors let through; of floors that contradict each other, the first's."""
        together: list[Flags] = [np.logical_and.reduce(masks)] if len(masks) > 1 else []
        for only in (*together, *masks):
            if (only & self._free_N).any():
                return only
        return None


def open_in_order(order_N: Positions, feasible: Feasible) -> Iterator[int]:
    """Give, again and again, the first position of an order that may take the next place.

    Whoever asks takes it before asking again. Costs one pass over the order in all, and another
    one whenever a floor changes its mind.
    """
    start, epoch = 0, feasible.epoch
    while feasible.n_open:
        if feasible.epoch != epoch:
            start, epoch = 0, feasible.epoch
        width = 16
        while not (is_open := feasible.open_N[order_N[start : start + width]]).any():
            start, width = start + width, 2 * width
        start += int(np.argmax(is_open))
        yield int(order_N[start])

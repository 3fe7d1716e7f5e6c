"""Which candidates are still open while a batch grows, and what closed the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from winnow.strategies.protocol import Constraint


class Feasible:
    """The greedy loop's view of the constraints: one mask, kept up to date by each pick."""

    def __init__(self, n_frames: int, constraints: Sequence[Constraint]) -> None:
        self.open_N = np.ones(n_frames, dtype=np.bool_)
        self._constraints = constraints
        self._close(None)

    def take(self, pos: int) -> None:
        """Put a frame into the batch."""
        self.open_N[pos] = False
        self._close(pos)

    def _close(self, taken: int | None) -> None:
        for constraint in self._constraints:
            self.open_N[constraint.closes(taken)] = False

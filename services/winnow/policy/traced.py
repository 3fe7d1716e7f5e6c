"""A constraint that remembers what it closed and why, for the records."""

from __future__ import annotations

import numpy as np

from winnow.strategies.protocol import Constraint, Positions


class Traced:
    """Passes questions on to a constraint and keeps its reasons, in its words of that moment."""

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint
        self.reasons: dict[int, str] = {}
        """Closed position → why."""

    @property
    def name(self) -> str:
        """See `Constraint.name`."""
        return self._constraint.name

    def closes(self, taken: int | None) -> Positions:
        """See `Constraint.closes`."""
        closed = self._constraint.closes(taken)
        for pos in np.setdiff1d(closed, [-1 if taken is None else taken]).tolist():
            self.reasons.setdefault(pos, self._constraint.reason(pos))
        return closed

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        return self.reasons[pos]

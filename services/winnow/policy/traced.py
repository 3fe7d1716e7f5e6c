"""A constraint that remembers what it closed, for the records."""

from __future__ import annotations

import numpy as np

from winnow.strategies.protocol import Constraint, Positions


class Traced:
    """Passes questions on to a constraint and keeps which frames it closed."""

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint
        self._closed: list[Positions] = []

    @property
    def name(self) -> str:
        """See `Constraint.name`."""
        return self._constraint.name

    def __len__(self) -> int:
        """See `Constraint.__len__`."""
        return len(self._constraint)

    def closes(self, taken: int | None) -> Positions:
        """See `Constraint.closes`."""
        closed = self._constraint.closes(taken)
        if len(closed):
            self._closed.append(closed)
        return closed

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        return self._constraint.reason(pos)

    def reasons(self) -> dict[int, str]:
        """Give why each closed frame is closed, in the words of the end.

        A frame costs a few words, so this is for records only, never inside the greedy loop.
        """
        closed = np.unique(np.concatenate(self._closed)) if self._closed else ()
        return {int(pos): self._constraint.reason(int(pos)) for pos in closed}

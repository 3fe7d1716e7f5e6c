"""What a batch cannot satisfy, said before it is chosen: every reason, not only the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from winnow.constraints.quotas import Minimums

Positions = npt.NDArray[np.intp]


class Bound(Protocol):
    """A constraint that knows how many of some frames it lets in: all of those here do."""

    @property
    def name(self) -> str:
        """Give its name, e.g. `money`."""
        ...

    def most_of(self, positions: Positions, enough: int) -> int:
        """Give the largest number of these frames that may come together, up to `enough`."""
        ...


def contradictions(
    n: int,
    n_frames: int,
    *,
    minimums: Sequence[Minimums] = (),
    constraints: Sequence[Bound] = (),
) -> tuple[str, ...]:
    """List what is asked of a batch and cannot be had.

    Each constraint is held against the whole batch, against each minimum, and against all minimums
    of a column together. What two of them forbid only in company is not seen. A batch is chosen all
    the same: constraints win over minimums, and minimums share what there is.

    Parameters
    ----------
    n
        Size of the batch.
    n_frames
        N, candidates.
    minimums, constraints
        As they will be given to the strategy, before its first pick.

    Returns
    -------
    tuple of str
        One line for each contradiction, in the order of the arguments; empty if there is none.

    Notes
    -----
    Costs a sort of the frames for each column, and one of each slice for each constraint.
    """
    everything = np.arange(n_frames)
    told = list(_about("batch", n, everything, constraints))
    for part in minimums:
        asked = int(part.least_S.sum())
        if asked > n:
            told.append(f"minimums of {part.what}: {asked} in all, the batch has {n} places")
        alone: list[str] = []
        slices = zip(part.value_S, part.least_S.tolist(), part.positions(), strict=True)
        for value, least, positions in slices:
            alone += _about(f"minimum of {part.what}={value}", least, positions, constraints)
        told += alone
        if len(part.value_S) > 1 and not alone:
            together = np.flatnonzero(part.slot_N >= 0)
            told += _about(f"minimums of {part.what} together", asked, together, constraints)
    return tuple(told)


def _about(
    what: str, asked: int, positions: Positions, constraints: Sequence[Bound]
) -> Iterator[str]:
    if len(positions) < asked:
        yield f"{what}: {asked} asked, there are {len(positions)} such frames"
    for constraint in constraints:
        # More than there are is said above; here only what the constraint itself takes away.
        wanted = min(asked, len(positions))
        if (most := constraint.most_of(positions, wanted)) < wanted:
            yield f"{what}: {asked} asked, {constraint.name} lets in at most {most}"

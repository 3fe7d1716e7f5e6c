"""At most so many frames of a session, a vehicle, a site, or anything else that has a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.kernels.groups import NO_GROUP, Groups, Values, column_of, groups_of

Positions = npt.NDArray[np.intp]

NO_CAP: Final = int(np.iinfo(np.int64).max)


class AtMost:
    """Closes the other frames of a group once enough of it are in.

    Parameters
    ----------
    values_N
        The group of each frame (texts or numbers), e.g. its session. Frames of unknown value (the
        empty text, NaN) are in no group and never closed.
    most
        Frames of one group that a batch may hold; or value → frames, where values that are not
        named have no cap.
    what
        What a group is called in reasons, e.g. `session`.
    labeled_L
        The groups of frames that have labels already, or that other rounds hold, and count too;
        none: only the batch counts.

    Raises
    ------
    BadInput
        A cap is negative.

    Notes
    -----
    Setting up costs one grouping (`winnow.kernels.groups`), a pick what it closes. Memory: four
    numbers a frame.
    """

    def __init__(
        self,
        values_N: Values,
        most: int | Mapping[str, int] | Mapping[int, int],
        what: str,
        labeled_L: Values | None = None,
    ) -> None:
        self.what = what
        self.groups = groups_of(values_N)
        self._most_K = _caps(self.groups, most, what)
        self._count_K = np.zeros(len(self.groups), dtype=np.int64)
        if labeled_L is not None and len(labeled_L):
            self._count_K += _counts_of(self.groups, column_of(labeled_L))
        self._n_labeled_K = self._count_K.copy()

    @property
    def name(self) -> str:
        """Give e.g. `at_most_per_session`."""
        return f"at_most_per_{self.what}"

    def __len__(self) -> int:
        """See `Constraint.__len__`."""
        return len(self.groups.code_N)

    def closes(self, taken: int | None) -> Positions:
        """See `Constraint.closes`."""
        if taken is None:
            full_N = np.append(self._count_K >= self._most_K, [False])[self.groups.code_N]
            return np.flatnonzero(full_N)
        code = int(self.groups.code_N[taken])
        if code == NO_GROUP:
            return np.empty(0, dtype=np.intp)
        self._count_K[code] += 1
        if self._count_K[code] != self._most_K[code]:
            return np.empty(0, dtype=np.intp)
        return self.groups.members(code)

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        code = int(self.groups.code_N[pos])
        labeled = self.labeled_in(pos)
        counted = f" ({labeled} of them labeled or held before)" if labeled else ""
        return (
            f"{self.name}: {self._count_K[code]} frames of {self.what} "
            f"{self.groups.values_N[pos]} are in{counted}, at most {self._most_K[code]} may be"
        )

    def cap_of(self, value: str | int) -> int | None:
        """Give how many more frames of a group may come; none: any number."""
        code = self.groups.code_of(value)
        if code == NO_GROUP or self._most_K[code] == NO_CAP:
            return None
        return max(0, int(self._most_K[code] - self._count_K[code]))

    def labeled_in(self, pos: int) -> int:
        """Give how many labeled frames the group of this one has."""
        return int(self._n_labeled_K[self.groups.code_N[pos]])

    def most_of(self, positions: Positions, enough: int) -> int:
        """Give the largest number of these frames that may come together, up to `enough`."""
        code_P = self.groups.code_N[positions]
        codes, counts = np.unique(code_P[code_P != NO_GROUP], return_counts=True)
        left = np.maximum(self._most_K[codes] - self._count_K[codes], 0)
        count = int(np.minimum(counts, left).sum() + (code_P == NO_GROUP).sum())
        return min(count, enough)


def _caps(
    groups: Groups, most: int | Mapping[str, int] | Mapping[int, int], what: str
) -> npt.NDArray[np.int64]:
    named = most if isinstance(most, Mapping) else {"": most}
    wrong = {value: cap for value, cap in named.items() if cap < 0}
    if wrong:
        msg = f"at_most_per_{what}: expected caps of 0 or more, found {wrong}"
        raise BadInput(msg)
    if not isinstance(most, Mapping):
        return np.full(len(groups), most, dtype=np.int64)
    most_K = np.full(len(groups), NO_CAP, dtype=np.int64)
    for value, cap in most.items():
        code = groups.code_of(value)
        if code != NO_GROUP:
            most_K[code] = cap
    return most_K


def _counts_of(groups: Groups, labeled_L: Values) -> npt.NDArray[np.int64]:
    """Give how many labeled frames each group of the pool has."""
    both = groups_of(np.concatenate([groups.values_N[groups.first_K], labeled_L]))
    n_groups = len(groups)
    count_B = np.bincount(both.code_N[n_groups:][both.code_N[n_groups:] >= 0], minlength=len(both))
    counts: npt.NDArray[np.int64] = count_B[both.code_N[:n_groups]]
    return counts

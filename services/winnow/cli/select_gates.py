"""Which rows a choice may be made from, and how they lie once the others are out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from winnow.acquisition.probabilities import SUM_TOLERANCE
from winnow.acquisition.reproducible import sum_last
from winnow.cli.select_files import Array
from winnow.kernels.groups import Values, groups_of
from winnow.strategies.protocol import EMBEDDING_MAX, tie_ranks

Rows = npt.NDArray[np.intp]
Strings = npt.NDArray[np.str_]
PROBABILITIES: Final = "probabilities"
"""How the reason of a row begins whose probabilities are none."""


@dataclass(slots=True)
class Refused:
    """Rows that no batch may hold, and why."""

    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, rows: Rows, reasons: Sequence[str]) -> None:
        """Refuse rows; what was said of one first stays."""
        for row, reason in zip(rows.tolist(), reasons, strict=True):
            self.reasons.setdefault(row, reason)


def wrong_embeddings(block: Array) -> tuple[Rows, list[str]]:
    """Give the rows of a block that hold what is no finite number, and what it is."""
    # Extremes carry a NaN with them, and need no array of the block's size.
    if abs(block.max(initial=0)) <= EMBEDDING_MAX and abs(block.min(initial=0)) <= EMBEDDING_MAX:
        return np.empty(0, dtype=np.intp), []
    right = np.abs(block) <= EMBEDDING_MAX
    rows = np.flatnonzero(~right.all(axis=1))
    places = [int(np.argmin(right[row])) for row in rows.tolist()]
    return rows, [
        f"embedding: expected finite numbers up to {EMBEDDING_MAX:g}, found {block[row, place]!s} "
        f"at place {place}"
        for row, place in zip(rows.tolist(), places, strict=True)
    ]


def wrong_probabilities(block: Array) -> tuple[Rows, list[str]]:
    """Give the rows of a block whose members' probabilities do not sum to one, and why."""
    probs = block.astype(np.float64)
    sums = sum_last(probs)
    right = (np.abs(sums - 1.0) <= SUM_TOLERANCE) & (probs >= 0.0).all(axis=2)
    rows = np.flatnonzero(~right.all(axis=1))
    told = []
    for row in rows.tolist():
        member = int(np.argmin(right[row]))
        values = probs[row, member]
        bad = values[~(values >= 0.0)]
        found = f"{bad[0]:g}" if len(bad) else f"the sum {sums[row, member]:.6g}"
        told.append(f"{PROBABILITIES}: member {member}: expected a sum of 1, found {found}")
    return rows, told


def duplicates(clusters: Values, frame_ids: Strings, *, labeled: Rows, out: Rows) -> Rows:
    """Give the rows that another row of their near-duplicate cluster stands for.

    As in a pool snapshot, one frame of a cluster stays: a labeled one, which covers all others,
    else the one with the smallest frame id. Rows of unknown cluster stand for themselves.

    Parameters
    ----------
    clusters, frame_ids
        Of all rows.
    labeled, out
        Rows that have a label, and rows that are left out for other reasons.

    Examples
    --------
    >>> clusters, ids = np.array(["a", "a", "b", "b", ""]), np.array(["5", "4", "3", "2", "1"])
    >>> duplicates(clusters, ids, labeled=np.array([2]), out=np.array([2])).tolist()
    [0, 3]
    """
    code = groups_of(clusters).code_N
    there = code >= 0
    there[out] = False
    covered = there & np.isin(code, code[labeled])
    rows = np.flatnonzero(there & ~covered)
    order = rows[np.lexsort((tie_ranks(frame_ids)[rows], code[rows]))]
    covered[order[1:][code[order[1:]] == code[order[:-1]]]] = True
    return np.flatnonzero(covered)


@dataclass(frozen=True, slots=True)
class Kept:
    """How rows lie once those that are left out have been overwritten from the end."""

    order: Rows
    """Position → row. Rows keep their places, but for those that fill a hole."""
    holes: Rows
    fillers: Rows
    """What the holes are overwritten with: as many as are left out, not as many as there are."""

    @classmethod
    def of(cls, excluded: npt.NDArray[np.int64], n: int) -> Self:
        """Leave some of n rows out.

        Examples
        --------
        >>> kept = Kept.of(np.array([1, 4]), 6)
        >>> kept.order.tolist(), kept.of_array(np.array(list("abcdef"))).tolist()
        ([0, 5, 2, 3], ['a', 'f', 'c', 'd'])
        """
        n_kept = n - len(excluded)
        holes = excluded[excluded < n_kept].astype(np.intp)
        fillers = np.setdiff1d(np.arange(n_kept, n), excluded)
        order = np.arange(n_kept)
        order[holes] = fillers
        return cls(order, holes, fillers)

    def of_array(self, array: Array) -> Array:
        """Give the kept rows without a copy; the array is changed.

        A map of a file is private: only its pages with holes come into memory.
        """
        array = array if array.flags.writeable else array.copy()
        array[self.holes] = array[self.fillers]
        return array[: len(self.order)]

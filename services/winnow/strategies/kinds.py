"""A greedy choice among kinds of frames: those of the same cells are worth the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.strategies.cells import Partition
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import Floats, Positions, Ranks
from winnow.strategies.top_k import by_score

Counts = npt.NDArray[np.int64]

BLOCK: Final = 256
"""Kinds whose best one is kept."""
NOWHERE: Final = int(np.iinfo(np.int64).max)


class Kinds:
    """Gives the frame whose cells are covered least, ties by score and then by frame id.

    Parameters
    ----------
    partitions
        Divisions into cells; a kind is a combination of one cell of each.
    scores_N, rank_N
        Decide between frames that are covered alike.

    Notes
    -----
    What each kind is worth is always true: a chosen frame changes it for those kinds that share a
    cell with it, and they are looked up by cell. The best kind of each block of `BLOCK` is kept;
    kinds of one large cell stand together, so that few blocks change. A pick costs the kinds that
    share its cells, and the blocks that they are in. Memory: 4 numbers a frame, and a few for each
    kind and partition.
    """

    def __init__(self, partitions: Sequence[Partition], scores_N: Floats, rank_N: Ranks) -> None:
        self.partitions = partitions
        self._counts = [part.labeled_K.copy() for part in partitions]
        self._order_R = by_score(scores_N, rank_N)
        kind_R = _combined(partitions)[self._order_R]
        n_frames = len(kind_R)
        packed = np.sort(kind_R * n_frames + np.arange(n_frames))
        self._places = packed % max(1, n_frames)
        """Places in the order by score of the frames of each kind, kind after kind."""
        sizes = np.bincount(kind_R)
        self._end_T = np.cumsum(sizes)
        self._first_T = self._end_T - sizes
        examples = self._order_R[self._places[self._first_T]]
        self._cells_GT = np.stack([part.cell_N[examples] for part in partitions])
        self._kinds_by_cell = [_by_cell(cell_T) for cell_T in self._cells_GT]
        self._epoch = 0
        self._restart()

    def best(self, feasible: Feasible) -> tuple[int, float] | None:
        """Give the best frame that may come and what it is worth; none: none may."""
        if feasible.epoch != self._epoch:
            self._epoch = feasible.epoch
            self._restart()
        while feasible.n_open:
            largest = np.flatnonzero(self._gain_B == self._gain_B.max())
            block = int(largest[np.argmin(self._place_B[largest])])
            place = int(self._place_B[block])
            if feasible.open_N[self._order_R[place]]:
                return int(self._order_R[place]), float(self._gain_B[block])
            kind = block * BLOCK + int(np.argmax(self._place_BT[block] == place))
            self._go_on(kind, feasible)
        return None

    def take(self, pos: int) -> None:
        """Count a chosen frame in its cells."""
        changed: list[Positions] = []
        for g, part in enumerate(self.partitions):
            cell = int(part.cell_N[pos])
            self._counts[g][cell] += 1
            order_T, start_K1 = self._kinds_by_cell[g]
            changed.append(order_T[start_K1[cell] : start_K1[cell + 1]])
        kinds = np.concatenate(changed)
        kinds = kinds[self._next_T[kinds] < self._end_T[kinds]]
        self._gain_BT.reshape(-1)[kinds] = self._gains(kinds)
        self._look_at(np.flatnonzero(np.bincount(kinds // BLOCK)))

    def had(self, pos: int) -> list[int]:
        """Give how many frames each cell of this one has."""
        pairs = zip(self.partitions, self._counts, strict=True)
        return [int(counts[part.cell_N[pos]]) for part, counts in pairs]

    def _restart(self) -> None:
        """Forget what was closed."""
        self._next_T = self._first_T.copy()
        n_kinds = len(self._next_T)
        shape = (-(-n_kinds // BLOCK), BLOCK)
        self._gain_BT = np.full(shape, -np.inf)
        self._place_BT = np.full(shape, NOWHERE)
        self._gain_BT.reshape(-1)[:n_kinds] = self._gains(np.arange(n_kinds))
        self._place_BT.reshape(-1)[:n_kinds] = self._places[self._first_T]
        self._gain_B, self._place_B = np.empty(shape[0]), np.empty(shape[0], dtype=np.int64)
        self._look_at(np.arange(shape[0]))

    def _gains(self, kinds: Positions) -> Floats:
        pairs = zip(self._counts, self._cells_GT, strict=True)
        return gains_of(np.stack([counts[cell_T[kinds]] for counts, cell_T in pairs]))

    def _look_at(self, blocks: Positions) -> None:
        """Find the best kind of each of these blocks again."""
        gains, places = self._gain_BT[blocks], self._place_BT[blocks]
        top = gains.max(axis=1)
        self._gain_B[blocks] = top
        self._place_B[blocks] = np.where(gains == top[:, None], places, NOWHERE).min(axis=1)

    def _go_on(self, kind: int, feasible: Feasible) -> None:
        """Find the next frame of a kind that may come; without one, the kind is out."""
        start, end, width = int(self._next_T[kind]), int(self._end_T[kind]), 16
        while start < end:
            places = self._places[start : min(start + width, end)]
            is_open = feasible.open_N[self._order_R[places]]
            if is_open.any():
                start += int(np.argmax(is_open))
                break
            start, width = start + len(is_open), 2 * width
        self._next_T[kind] = start
        self._place_BT.reshape(-1)[kind] = self._places[start] if start < end else NOWHERE
        if start == end:
            self._gain_BT.reshape(-1)[kind] = -np.inf
        self._look_at(np.array([kind // BLOCK]))


def gains_of(counts_GT: Counts) -> Floats:
    """Give what one more frame adds to the sum of square roots, where its cells have these counts.

    The smallest terms are added first, so that equal terms give an equal sum in any order; written
    as 1 / (√(m+1) + √m), a term never grows with m, however large m is.

    Examples
    --------
    >>> gains_of(np.array([[0, 1], [0, 0]])).round(6).tolist()
    [2.0, 1.414214]
    """
    gains_T = np.zeros(counts_GT.shape[1])
    if len(counts_GT) > 2:  # of two terms the order is no matter
        counts_GT = np.sort(counts_GT, axis=0)[::-1]
    for count_T in counts_GT:
        gains_T += 1.0 / (np.sqrt(count_T + 1.0) + np.sqrt(count_T))
    return gains_T


def _combined(partitions: Sequence[Partition]) -> Counts:
    """Give each combination of cells a number; those that share a large cell stand together."""
    by_size = sorted(partitions, key=lambda part: len(part.labeled_K))
    code_N = by_size[0].cell_N
    for part in by_size[1:]:
        _, code_N = np.unique(code_N, return_inverse=True)
        code_N = code_N * len(part.labeled_K) + part.cell_N
    return np.unique(code_N, return_inverse=True)[1].astype(np.int64, copy=False)


def _by_cell(cell_T: Counts) -> tuple[Positions, Positions]:
    """Give the kinds of each cell, cell after cell, and where each begins."""
    counts = np.bincount(cell_T)
    return np.argsort(cell_T, kind="stable"), np.concatenate([[0], np.cumsum(counts)])

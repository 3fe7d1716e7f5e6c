"""Greedy cover of rows by balls around some of them, without a list of who is near whom."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.nearest import lower_to_nearest
from winnow.kernels.neighbours import TILE_ROWS, tiles_within
from winnow.kernels.protocol import Rows
from winnow.kernels.sieve import Flags, Positions, Sieve, closer_than, origin_of

Counts = npt.NDArray[np.int64]

SPARSE: Final = 4
"""Counted anew are only rows with a count, once fewer than 1/4 of all have one."""


class BallCover:
    """Counts, for each row, the rows in its ball that no chosen ball covers yet.

    Parameters
    ----------
    rows_ND
        Finite float32.
    centers_LD
        Centers of balls that were there before.
    squared_max
        A row is in a ball if its exact squared distance to the center is below.

    Notes
    -----
    All pairs are looked at once at the start, N²·D/2 multiply-adds in float32; and whenever rows
    become covered, all rows are compared with those: as a row is covered once, that is at most
    N²·D more, however many balls are chosen. Counts are exact at any time, as if all in-edges of
    covered rows were taken out of a graph; but the graph, up to N² edges, is never held. Memory:
    a copy of the rows, 9 bytes a row, and a few MiB.
    """

    def __init__(self, rows_ND: Rows, centers_LD: Rows, squared_max: float) -> None:
        self._squared_max = squared_max
        self._rows = Sieve.of(rows_ND, origin_of(rows_ND))
        squared_N = np.full(len(rows_ND), np.inf)
        if len(centers_LD):
            lower_to_nearest(squared_N, rows_ND, centers_LD)
        self.covered_N: Flags = squared_N < squared_max
        self.counts_N = self._counted(rows_ND)
        """int64 [N]: rows that this one's ball would cover besides, itself included."""

    def cover(self, pos: int) -> None:
        """Choose the ball around this row."""
        near_N = np.zeros(len(self._rows), dtype=np.bool_)
        center = self._rows.at(slice(pos, pos + 1))
        for part in _parts(len(self._rows)):
            near_N[part] = closer_than(self._rows.at(part), center, self._squared_max)[:, 0]
        near_N[pos] = True
        newly_K = np.flatnonzero(near_N & ~self.covered_N)
        self.covered_N[newly_K] = True
        if self.covered_N.all():
            self.counts_N[:] = 0
        else:
            self._take_off(newly_K)

    def _counted(self, rows_ND: Rows) -> Counts:
        counts_N = np.zeros(len(rows_ND), dtype=np.int64)
        free_N = (~self.covered_N).astype(np.float32)
        for part, other, near in tiles_within(rows_ND, self._squared_max):
            # Whole numbers up to the side of a tile, which float32 adds exactly in any order.
            ones = near.astype(np.float32)
            counts_N[part] += (ones @ free_N[other]).astype(np.int64)
            if other.start > part.start:
                counts_N[other] += (free_N[part] @ ones).astype(np.int64)
        return counts_N

    def _take_off(self, newly_K: Positions) -> None:
        """Take rows that are covered now off the counts of all balls that they are in."""
        left_K = np.flatnonzero(self.counts_N)
        counted = self._rows if SPARSE * len(left_K) > len(self._rows) else self._rows.at(left_K)
        lost_K = np.zeros(len(counted), dtype=np.int64)
        for some in _parts(len(newly_K)):
            covered = self._rows.at(newly_K[some])
            for part in _parts(len(counted)):
                near = closer_than(counted.at(part), covered, self._squared_max)
                lost_K[part] += near.sum(axis=1)
        if counted is self._rows:
            self.counts_N -= lost_K
        else:
            self.counts_N[left_K] -= lost_K


def _parts(n_rows: int) -> list[slice]:
    return [slice(start, start + TILE_ROWS) for start in range(0, n_rows, TILE_ROWS)]

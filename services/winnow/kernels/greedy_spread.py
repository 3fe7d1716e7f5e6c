"""Greedy choice by own worth and by distance to what is chosen, without looking at all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from winnow.kernels.cores import on_one_core
from winnow.kernels.nearest import lower_to_nearest
from winnow.kernels.protocol import Floats, Rows
from winnow.kernels.sieve import Flags, Positions

BLOCK_ROWS: Final = 2048
"""Rows that share one bound; finding the best of so many takes a microsecond."""
AT_ONCE: Final = 32
"""Rows of a block whose distances are brought up to date together."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a row is worth: base + slope · distance, less a penalty where the distance is small."""

    base_N: Floats
    slope: float
    """Not negative, so that a row's worth only ever falls."""
    squared_min: float = 0.0
    penalty: float = 0.0
    """Taken off rows whose squared distance is below that."""

    def of(self, pos: Positions, squared_K: Floats) -> Floats:
        """Give the worth of rows at these squared distances."""
        worth_K = self.base_N[pos] + self.slope * np.sqrt(squared_K)
        return np.where(squared_K < self.squared_min, worth_K - self.penalty, worth_K)


class GreedySpread:
    """Gives the open row of the largest worth, again and again, each a center from then on.

    Parameters
    ----------
    rows_ND
        Finite float32; may be memory-mapped.
    order_N
        Positions in the order that decides ties.
    squared_N
        Exact squared distance of each row to its nearest center so far; changed in place.
    worth
        What is maximised.
    n_max
        How many centers may be added.

    Notes
    -----
    Distances only fall, and worths with them, so a worth that was true some centers ago is a bound
    today: only rows whose bound is the largest are compared with the centers that they missed
    (Minoux 1978), exactly (`lower_to_nearest`). The choices are those of a full pass over all rows
    after each one. Costs one pass over N numbers at the start, then N/2048 numbers and as many
    rows a choice as come to the top; memory 20·N bytes and n·D numbers.
    """

    def __init__(
        self, rows_ND: Rows, order_N: Positions, squared_N: Floats, *, worth: Worth, n_max: int
    ) -> None:
        self._rows_ND, self._order_N, self._worth = rows_ND, order_N, worth
        self._squared_N = squared_N
        self._seen_N = np.zeros(len(rows_ND), dtype=np.int32)  # centers in `_squared_N`
        self._centers_BD = np.empty((n_max, rows_ND.shape[1]), dtype=np.float32)
        self._n_centers = 0
        self._epoch: int | None = None
        n_blocks = -(-len(rows_ND) // BLOCK_ROWS)
        self._bound_N = np.full(n_blocks * BLOCK_ROWS, -np.inf)  # in the order of ties
        self._tops = np.full(n_blocks, -np.inf)

    @on_one_core
    def best(self, open_N: Flags, epoch: int) -> tuple[int, float, float]:
        """Give the best open row's position, its worth, and its squared distance.

        At least one row must be open. Rows that were shut may be open again only if `epoch` is
        another than before.
        """
        if epoch != self._epoch:
            self._reopen(open_N)
            self._epoch = epoch
        while True:
            block = int(np.argmax(self._tops))
            bounds = self._bounds(block)
            place = block * BLOCK_ROWS + int(np.argmax(bounds))
            pos = int(self._order_N[place])
            if not open_N[pos]:
                self._shut(block, open_N)
            elif self._seen_N[pos] < self._n_centers:
                self._bring_up_to_date(block)
            else:
                return pos, float(self._bound_N[place]), float(self._squared_N[pos])
            self._tops[block] = bounds.max()

    def add(self, pos: int) -> None:
        """Make this row a center."""
        self._centers_BD[self._n_centers] = self._rows_ND[pos]
        self._n_centers += 1

    def _bounds(self, block: int) -> Floats:
        return self._bound_N[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS]

    def _places(self, block: int) -> Positions:
        return self._order_N[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS]

    def _reopen(self, open_N: Flags) -> None:
        bound_N = self._worth.of(self._order_N, self._squared_N[self._order_N])
        self._bound_N[: len(bound_N)] = np.where(open_N[self._order_N], bound_N, -np.inf)
        self._tops = self._bound_N.reshape(-1, BLOCK_ROWS).max(axis=1)

    def _shut(self, block: int, open_N: Flags) -> None:
        pos_K = self._places(block)
        self._bounds(block)[: len(pos_K)][~open_N[pos_K]] = -np.inf

    def _bring_up_to_date(self, block: int) -> None:
        """Compare the stale rows with the largest bounds with all centers that they have missed."""
        bounds, pos_K = self._bounds(block), self._places(block)
        stale = np.where(self._seen_N[pos_K] < self._n_centers, bounds[: len(pos_K)], -np.inf)
        if len(stale) > AT_ONCE:
            places = np.argpartition(stale, len(stale) - AT_ONCE)[len(stale) - AT_ONCE :]
        else:
            places = np.arange(len(stale))
        places = places[stale[places] > -np.inf]
        some_K = pos_K[places]
        squared_K = self._squared_N[some_K]
        missed_LD = self._centers_BD[int(self._seen_N[some_K].min()) : self._n_centers]
        lower_to_nearest(squared_K, self._rows_ND[some_K], missed_LD)
        self._squared_N[some_K] = squared_K
        self._seen_N[some_K] = self._n_centers
        bounds[places] = self._worth.of(some_K, squared_K)

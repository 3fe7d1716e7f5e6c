"""Rows to which rows are appended, always in one piece."""

from __future__ import annotations

import numpy as np

from winnow.kernels.protocol import Rows


class Growing:
    """A matrix that grows at the end; appending costs D, amortised."""

    def __init__(self, rows_LD: Rows, dimension: int) -> None:
        self._n = len(rows_LD)
        self._room_LD: Rows = np.empty((self._n + 64, dimension), dtype=np.float32)
        self._room_LD[: self._n] = rows_LD

    def __len__(self) -> int:
        """Give the number of rows."""
        return self._n

    @property
    def rows(self) -> Rows:
        """Give all rows (a view)."""
        return self._room_LD[: self._n]

    def since(self, first: int) -> Rows:
        """Give the rows from this one on (a view)."""
        return self._room_LD[first : self._n]

    def append(self, row_D: Rows) -> None:
        """Add a row."""
        if self._n == len(self._room_LD):
            self._room_LD = np.concatenate([self._room_LD, np.empty_like(self._room_LD)])
        self._room_LD[self._n] = row_D
        self._n += 1

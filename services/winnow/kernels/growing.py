"""Centers to which others are added, always in one piece."""

from __future__ import annotations

import numpy as np

from winnow.kernels.protocol import Centers, Rows


class Growing:
    """Centers that become more; adding some costs their size, amortised."""

    def __init__(self, *parts: Rows) -> None:
        self._n = len(parts[0])
        self._room = Centers.of(*parts)

    def __len__(self) -> int:
        """Give their number."""
        return self._n

    @property
    def all(self) -> Centers:
        """Give all of them (views)."""
        return self._room[: self._n]

    def since(self, first: int) -> Centers:
        """Give those from this one on (views)."""
        return self._room[first : self._n]

    def append(self, more: Centers) -> None:
        """Add some."""
        end = self._n + len(more)
        if end > len(self._room):
            room = max(end, 2 * len(self._room), 64)
            parts = tuple(_widened(part, room) for part in self._room.parts)
            self._room = Centers(parts, _widened(self._room.squares, room))
        for part, new in zip(self._room.parts, more.parts, strict=True):
            part[self._n : end] = new
        self._room.squares[self._n : end] = more.squares
        self._n = end


def _widened(rows: Rows, n_rows: int) -> Rows:
    room = np.empty((n_rows, *rows.shape[1:]), dtype=np.float32)
    room[: len(rows)] = rows
    return room

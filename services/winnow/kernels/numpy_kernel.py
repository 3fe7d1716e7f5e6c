"""The backend that is always there: BLAS through NumPy."""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.kernels.protocol import Centers, Parts, Positions, Rows

BLOCK_VALUES: Final = 1 << 21
"""Distances held at once: 8 MiB of float32, so that a block is still in the cache when its
smallest are looked for."""

ROW_VALUES: Final = 1 << 24
"""Numbers of rows read at once: 64 MiB, for rows that are computed when they are read."""


class NumpyHeld:
    """Rows in main memory, or on disk behind a memory map."""

    def __init__(self, parts: Parts, squares: Rows | None = None) -> None:
        self._parts = parts
        self.squares = squared_norms(parts) if squares is None else squares

    def __len__(self) -> int:
        """See `Held.__len__`."""
        return len(self.squares)

    def take(self, pos_K: Positions) -> NumpyHeld:
        """See `Held.take`."""
        return NumpyHeld(tuple(part[pos_K] for part in self._parts), self.squares[pos_K])

    def distances(self, centers: Centers) -> Rows:
        """See `Held.distances`."""
        distances_NL = np.empty((len(self), len(centers)), dtype=np.float32)
        step = self._rows_at_once(len(centers))
        for start in range(0, len(self), step):
            block = slice(start, start + step)
            products_KL = self._minus_twice_products(block, centers)
            products_KL += centers.squares
            np.add(products_KL, self.squares[block, None], out=distances_NL[block])
        return distances_NL

    def nearest(self, centers: Centers) -> Rows:
        """See `Held.nearest`."""
        if len(centers) == 1 and len(self._parts) == 1:
            return self._to_one(centers)
        nearest_N = np.empty(len(self), dtype=np.float32)
        step = self._rows_at_once(len(centers))
        for start in range(0, len(self), step):
            block = slice(start, start + step)
            products_KL = self._minus_twice_products(block, centers)
            products_KL += centers.squares
            products_KL.min(axis=1, out=nearest_N[block])
        nearest_N += self.squares
        return nearest_N

    def _to_one(self, center: Centers) -> Rows:
        """Give the distances to a single center: a matrix-vector product, one pass."""
        distances_N: Rows = self._parts[0][:] @ center.parts[0][0]
        distances_N *= np.float32(-2.0)
        distances_N += self.squares
        distances_N += center.squares[0]
        return distances_N

    def _rows_at_once(self, n_centers: int) -> int:
        width = max(part.shape[1] for part in self._parts)
        return max(16, min(BLOCK_VALUES // max(1, n_centers), ROW_VALUES // max(1, width)))

    def _minus_twice_products(self, block: slice, centers: Centers) -> Rows:
        # The factor goes to the centers, which are few.
        products_KL: Rows = self._parts[0][block] @ (np.float32(-2.0) * centers.parts[0]).T
        for part, center in zip(self._parts[1:], centers.parts[1:], strict=True):
            products_KL *= part[block] @ center.T
        return products_KL


class NumpyKernel:
    """CPU backend; as many threads as the BLAS behind NumPy takes."""

    name = "numpy"

    def hold(self, parts: Parts) -> NumpyHeld:
        """See `DistanceKernel.hold`."""
        return NumpyHeld(parts)


def squared_norms(parts: Parts) -> Rows:
    """Give the float32 squared norm of each row: the product of those of its parts."""
    squares = np.ones(parts[0].shape[0], dtype=np.float32)
    for part in parts:
        step = max(1, ROW_VALUES // max(1, part.shape[1]))
        for start in range(0, len(squares), step):
            rows = part[start : start + step]
            squares[start : start + step] *= np.einsum("nd,nd->n", rows, rows)
    return squares

"""The backend that is always there: BLAS through NumPy."""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.kernels.protocol import Rows

BLOCK_VALUES: Final = 1 << 22
"""Distances held at once while many centers come together: 16 MiB of float32."""


class NumpyNearest:
    """Streams the rows once for each call of `lower`."""

    def __init__(self, rows_ND: Rows) -> None:
        self._rows_ND = rows_ND
        self._squares_N = np.einsum("nd,nd->n", rows_ND, rows_ND)
        self._nearest_N = np.full(len(rows_ND), np.inf, dtype=np.float32)

    @property
    def squared(self) -> Rows:
        """See `Nearest.squared`."""
        return self._nearest_N

    def lower(self, centers_LD: Rows) -> None:
        """See `Nearest.lower`."""
        squares_L = np.einsum("ld,ld->l", centers_LD, centers_LD)
        if len(centers_LD) == 1:  # every pick of a traversal: a matrix-vector product, one pass
            distances_N = self._rows_ND @ centers_LD[0]
            distances_N *= -2.0
            distances_N += self._squares_N
            distances_N += squares_L[0]
            np.minimum(self._nearest_N, distances_N, out=self._nearest_N)
            return
        n_rows = max(1, BLOCK_VALUES // max(1, len(centers_LD)))
        for start in range(0, len(self._rows_ND), n_rows):
            block = slice(start, start + n_rows)
            distances_NL = self._rows_ND[block] @ centers_LD.T
            distances_NL *= -2.0
            distances_NL += squares_L
            nearest_N = distances_NL.min(axis=1) + self._squares_N[block]
            np.minimum(self._nearest_N[block], nearest_N, out=self._nearest_N[block])


class NumpyKernel:
    """CPU backend; as many threads as the BLAS behind NumPy takes."""

    name = "numpy"

    def hold(self, rows_ND: Rows) -> NumpyNearest:
        """See `DistanceKernel.hold`."""
        return NumpyNearest(rows_ND)

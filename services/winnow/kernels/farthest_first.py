"""Farthest-first traversal: fast in float32, decided in float64."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.exact import norms_of, squared_l2
from winnow.kernels.numpy_kernel import NumpyKernel
from winnow.kernels.protocol import DistanceKernel, Floats, Rows, squared_l2_error

BLOCK_VALUES: Final = 1 << 20
"""Distances of contenders to centers held at once: 4 MiB of float32."""


class FarthestFirst:
    """Gives the row that is farthest from all centers, again and again.

    Parameters
    ----------
    rows_ND
        Finite float32.
    centers_LD
        Where somebody has been already; may be empty.
    tie_rank_N
        Of rows equally far, the one with the smallest rank is given.
    kernel
        Backend of the float32 pass over all rows.

    Notes
    -----
    One pick costs N·D multiply-adds in float32. Rows within the error bound of the best
    (`squared_l2_error`) are compared again in float64, each against the centers that may be its
    nearest; what was compared is kept, so that even a pool of equal rows costs one float64 pass
    over the rows for each pick. Memory: a few numbers a row, and the centers.
    """

    def __init__(
        self,
        rows_ND: Rows,
        centers_LD: Rows,
        tie_rank_N: npt.NDArray[np.int64],
        *,
        kernel: DistanceKernel | None = None,
    ) -> None:
        self._rows_ND = rows_ND
        self._tie_rank_N = tie_rank_N
        self._centers_LD = centers_LD.astype(np.float32, copy=True)
        self._n_centers = len(centers_LD)
        norms_N = norms_of(rows_ND)
        norm_max = max(norms_N.max(initial=0.0), norms_of(self._centers_LD).max(initial=0.0))
        self._error_N = squared_l2_error(norms_N, norm_max, rows_ND.shape[1])
        self._error_max = np.float32(self._error_N.max(initial=0.0) * 1.001)
        self._exact_N = np.full(len(rows_ND), np.inf)
        self._compared_N = np.zeros(len(rows_ND), dtype=np.int64)  # centers in `_exact_N`
        self._nearest = (kernel or NumpyKernel()).hold(rows_ND)
        if self._n_centers:
            self._nearest.lower(self._centers_LD)

    def farthest(self, open_N: npt.NDArray[np.bool_]) -> tuple[int, float]:
        """Give the position of the farthest open row and its exact squared distance.

        The distance is `inf` while there is no center. At least one row must be open.
        """
        contenders_K = self._contenders(open_N)
        squared_K = self._exact(contenders_K)
        best_K = contenders_K[squared_K == squared_K.max()]
        pos = int(best_K[np.argmin(self._tie_rank_N[best_K])])
        return pos, float(self._exact_N[pos])

    def add(self, pos: int) -> None:
        """Make this row a center."""
        if self._n_centers == len(self._centers_LD):
            room = np.empty((max(64, self._n_centers), self._rows_ND.shape[1]), dtype=np.float32)
            self._centers_LD = np.concatenate([self._centers_LD, room])
        self._centers_LD[self._n_centers] = self._rows_ND[pos]
        self._n_centers += 1
        self._nearest.lower(self._rows_ND[pos : pos + 1])

    def _contenders(self, open_N: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        squared_N = np.where(open_N, self._nearest.squared, np.float32(-np.inf))
        # First with one bound for all rows, which is a cheap pass, then each with its own.
        near_K = np.flatnonzero(squared_N >= squared_N.max() - 2.0 * self._error_max)
        near_K = near_K[open_N[near_K]]
        squared_K, error_K = squared_N[near_K].astype(np.float64), self._error_N[near_K]
        contenders_K: npt.NDArray[np.intp] = near_K[
            squared_K + error_K >= (squared_K - error_K).max()
        ]
        return contenders_K

    def _exact(self, pos_K: npt.NDArray[np.intp]) -> Floats:
        compared_K = self._compared_N[pos_K]
        for seen in np.unique(compared_K):
            if seen < self._n_centers:
                self._compare(pos_K[compared_K == seen], int(seen))
        return self._exact_N[pos_K]

    def _compare(self, pos_K: npt.NDArray[np.intp], seen: int) -> None:
        """Lower `_exact_N` of these rows by the centers from `seen` on."""
        centers_LD = self._centers_LD[seen : self._n_centers]
        step = max(1, BLOCK_VALUES // len(centers_LD))
        for start in range(0, len(pos_K), step):
            block_K = pos_K[start : start + step]
            row_P, center_P = self._maybe_nearest(block_K, centers_LD)
            squared_P = squared_l2(self._rows_ND[block_K[row_P]], centers_LD[center_P])
            lowered = self._exact_N[block_K]
            np.minimum.at(lowered, row_P, squared_P)
            self._exact_N[block_K] = lowered
        self._compared_N[pos_K] = self._n_centers

    def _maybe_nearest(
        self, pos_K: npt.NDArray[np.intp], centers_LD: Rows
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Give pairs (row, center) of which one is the nearest, seen through float32."""
        rows_KD = self._rows_ND[pos_K]
        distances_KL = (
            np.einsum("kd,kd->k", rows_KD, rows_KD)[:, None]
            + np.einsum("ld,ld->l", centers_LD, centers_LD)
            - 2.0 * (rows_KD @ centers_LD.T)
        )
        bound_K = distances_KL.min(axis=1) + 2.0 * self._error_N[pos_K]
        row_P, center_P = np.nonzero(distances_KL <= bound_K[:, None])
        return row_P, center_P

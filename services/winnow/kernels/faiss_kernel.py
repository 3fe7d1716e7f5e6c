"""The backend that leaves the search for nearest centers to FAISS, on a GPU if FAISS has one."""

from __future__ import annotations

from typing import Any

import numpy as np

from winnow.kernels.numpy_kernel import NumpyHeld, squared_norms
from winnow.kernels.protocol import Centers, Parts, Positions, Rows


class FaissHeld(NumpyHeld):
    """Rows in main memory; their nearest centers are found by FAISS, without a matrix of all."""

    def __init__(self, parts: Parts, squares: Rows, resources: Any) -> None:  # noqa: ANN401 - FAISS's own
        super().__init__(parts, squares)
        self._resources = resources

    def take(self, pos_K: Positions) -> FaissHeld:
        """See `Held.take`."""
        parts = tuple(part[pos_K] for part in self._parts)
        return FaissHeld(parts, self.squares[pos_K], self._resources)

    def nearest(self, centers: Centers) -> Rows:
        """See `Held.nearest`; rows of several parts and single centers are left to NumPy."""
        if len(self._parts) > 1 or len(centers) == 1 or not len(self):
            return super().nearest(centers)
        import faiss

        rows = np.ascontiguousarray(self._parts[0][:])
        others = np.ascontiguousarray(centers.parts[0])
        if self._resources is None:
            squared, _ = faiss.knn(rows, others, 1)
        else:
            squared, _ = faiss.knn_gpu(self._resources, rows, others, 1)
        nearest_N: Rows = squared[:, 0]
        return nearest_N


class FaissKernel:
    """Exact search in FAISS's brute force, which is within the error bound like BLAS.

    References
    ----------
    Johnson, Douze and Jégou, "Billion-scale similarity search with GPUs", 2017, arXiv 1702.08734.
    """

    name = "faiss"

    def __init__(self) -> None:
        import faiss

        gpus = getattr(faiss, "get_num_gpus", lambda: 0)()
        self._resources = faiss.StandardGpuResources() if gpus else None

    def hold(self, parts: Parts) -> FaissHeld:
        """See `DistanceKernel.hold`."""
        return FaissHeld(parts, squared_norms(parts), self._resources)

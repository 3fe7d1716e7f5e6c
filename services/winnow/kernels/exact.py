"""Squared distances in float64 with a fixed order of summation: the same bits everywhere."""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.protocol import Floats, Rows

BLOCK_VALUES: Final = 1 << 18
"""Differences held at once: 2 MiB of float64."""


def squared_l2(rows_KD: Rows | Floats, others_KD: Rows | Floats) -> Floats:
    """Give the squared distance of each row to the other row at the same position.

    Examples
    --------
    >>> import numpy as np
    >>> squared_l2(np.float32([[0, 0]]), np.float32([[3, 4]])).tolist()
    [25.0]
    """
    step = max(1, BLOCK_VALUES // max(1, rows_KD.shape[1]))
    squared = np.empty(len(rows_KD))
    for start in range(0, len(rows_KD), step):
        block = slice(start, start + step)
        difference = rows_KD[block].astype(np.float64) - others_KD[block]
        squared[block] = sum_last(difference * difference)
    return squared


def norms_of(rows_ND: Rows | Floats) -> Floats:
    """Give the Euclidean norm of each row."""
    norms_N: Floats = np.sqrt(np.einsum("nd,nd->n", rows_ND, rows_ND, dtype=np.float64))
    return norms_N

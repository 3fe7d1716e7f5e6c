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


def squared_products(rows: tuple[Rows, ...], others: tuple[Rows, ...]) -> Floats:
    """Give the squared distance of outer products, row by row.

    Parameters
    ----------
    rows, others
        The parts of K rows each, float32 [K, D₁], [K, D₂] …: row *k* stands for the outer product
        of its parts, which is never formed.

    Notes
    -----
    |x|² + |y|² - 2 x·y, where each of the three is the product of the parts' own; 0 for equal rows
    exactly, since all three are then the same number. Costs K·(D₁ + D₂ + …).

    Examples
    --------
    >>> r, h = np.float32([[-0.3, 0.2, 0.1]]), np.float32([[1, 2]])
    >>> s, k = np.float32([[0.2, -0.5, 0.3]]), np.float32([[2, 1]])
    >>> squared_products((r, h), (s, k)).round(5).tolist()
    [3.64]
    """
    here, there = inner_products(rows, rows), inner_products(others, others)
    return np.maximum((here + there) - 2.0 * inner_products(rows, others), 0.0)


def inner_products(rows: tuple[Rows, ...], others: tuple[Rows, ...]) -> Floats:
    """Give the inner product of outer products, row by row; shapes as in `squared_products`."""
    products_K = np.ones(len(rows[0]))
    for part, other in zip(rows, others, strict=True):
        products_K *= sum_last(part.astype(np.float64) * other.astype(np.float64))
    return products_K

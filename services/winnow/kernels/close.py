"""Squared distances in float64 as matrix products: close to the exact ones, summed in any order."""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.kernels.protocol import Centers, Floats, Rows

BLOCK_VALUES: Final = 1 << 21
"""Numbers of rows held at once: 16 MiB of float64."""


def close_distances(rows: tuple[Rows, ...], centers: Centers) -> tuple[Floats, Floats]:
    """Give the squared distance of each row to each center, and by how much it may be off.

    Parameters
    ----------
    rows
        Parts of K rows, float32 [K, D₁], [K, D₂] …: each row is the outer product of its parts.
    centers
        L rows to measure from.

    Returns
    -------
    tuple
        Squared distances and bounds of their errors, float64 [K, L] each. A bound counts the
        rounding of `winnow.kernels.exact` too: what that gives lies within it.

    Notes
    -----
    The bound is that of `winnow.kernels.protocol.squared_l2_error`, with the unit of float64, once
    for the products here and once for those there. Squares of numbers that float32 can hold do not
    underflow in float64. Costs K·L·(D₁ + D₂ + …).

    Examples
    --------
    >>> rows = np.float32([[0, 0], [3e-40, 4e-40]])
    >>> distances_KL, errors_KL = close_distances((rows,), Centers.of(rows[:1]))
    >>> bool(abs(distances_KL[1, 0] / 25e-80 - 1) < 1e-5), bool(errors_KL.max() < 1e-92)
    (True, True)
    """
    n_rows, n_terms = len(rows[0]), sum(part.shape[1] for part in rows)
    others = tuple(part.astype(np.float64) for part in centers.parts)
    squares_L = _squares(others)
    distances_KL, errors_KL = np.empty((n_rows, len(centers))), np.empty((n_rows, len(centers)))
    unit = float(np.finfo(np.float64).eps) / 2
    step = max(1, BLOCK_VALUES // max(1, n_terms))
    for start in range(0, n_rows, step):
        block = slice(start, start + step)
        some = tuple(part[block].astype(np.float64) for part in rows)
        products_SL = np.ones((len(some[0]), len(centers)))
        for part, other in zip(some, others, strict=True):
            products_SL *= part @ other.T
        squares_S1 = _squares(some)[:, None]
        distances_KL[block] = squares_S1 + squares_L - 2.0 * products_SL
        reach_SL = np.sqrt(squares_S1) + np.sqrt(squares_L)
        errors_KL[block] = 2.0 * (n_terms + 8) * unit * reach_SL * reach_SL
    return distances_KL, errors_KL


def _squares(parts: tuple[Floats, ...]) -> Floats:
    squares = np.ones(len(parts[0]))
    for part in parts:
        squares *= np.einsum("nd,nd->n", part, part)
    return squares

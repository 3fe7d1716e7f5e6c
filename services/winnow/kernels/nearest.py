"""Each row's nearest of some centers, decided exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from winnow.kernels.exact import squared_l2
from winnow.kernels.protocol import Floats, Rows
from winnow.kernels.sieve import (
    BLOCK_VALUES,
    FINER,
    Approximate,
    Flags,
    Positions,
    Sieve,
    exact_pairs,
    lower_halves,
    origin_of,
    pairs_of,
)


def nearest_center(rows_ND: Rows, centers_KD: Rows) -> Positions:
    """Give the position of each row's nearest center; of equally near ones the first.

    Parameters
    ----------
    rows_ND
        Finite float32; may be memory-mapped.
    centers_KD
        Float32, at least one.

    Notes
    -----
    Exact whatever BLAS and threads: centers within the error bound of the best (`Sieve`) are
    compared again in float64. Costs N·K·D multiply-adds in float32, and as many in float64 for
    rows to which many centers are equally near; memory a few MiB beside the result.

    Examples
    --------
    >>> import numpy as np
    >>> nearest_center(np.float32([[0], [4], [9]]), np.float32([[2], [6]])).tolist()
    [0, 0, 1]
    """
    which_N = np.empty(len(rows_ND), dtype=np.intp)
    for part, rows, centers in _blocks(rows_ND, centers_KD):
        which_N[part] = _decided(rows, centers, lower_halves(rows, centers))
    return which_N


def lower_to_nearest(squared_N: Floats, rows_ND: Rows, centers_KD: Rows) -> None:
    """Lower exact squared distances, in place, where a further center is nearer.

    Costs N·K·D multiply-adds in float32, and D float64 operations for each row that may have
    become nearer. Memory as `nearest_center`.
    """
    for part, rows, centers in _blocks(rows_ND, centers_KD):
        halves_PK = lower_halves(rows, centers)
        least_P = halves_PK.min(axis=1) + rows.squares_N - rows.widths_N
        row_Q = np.flatnonzero(least_P <= squared_N[part])
        nearer = rows.at(row_Q)
        which_Q = _decided(nearer, centers, halves_PK[row_Q])
        known_P = squared_N[part]
        new_Q = squared_l2(nearer.rows_ND, centers.rows_ND[which_Q])
        known_P[row_Q] = np.minimum(known_P[row_Q], new_Q)


def pairs_nearer(
    rows_ND: Rows, centers_KD: Rows, squared_N: Floats
) -> tuple[Positions, Positions, Floats]:
    """Give all pairs of a row and a center nearer to it than the row's squared distance says.

    Returns
    -------
    tuple
        Rows (not falling), centers, and exact squared distances.

    Notes
    -----
    Costs N·K·D multiply-adds in float32, and D float64 operations and 24 bytes for each pair.
    """
    found: list[tuple[Positions, Positions, Floats]] = []
    for part, rows, centers in _blocks(rows_ND, centers_KD):
        reach_P = squared_N[part] - rows.squares_N + rows.widths_N
        near_PK = lower_halves(rows, centers) <= reach_P.astype(np.float32)[:, None]
        row_Q, center_Q = pairs_of(near_PK)
        squared_Q = exact_pairs(rows, centers, row_Q, center_Q)
        row_Q += part.start
        nearer_Q = squared_Q < squared_N[row_Q]
        found.append((row_Q[nearer_Q], center_Q[nearer_Q], squared_Q[nearer_Q]))
    row_P, center_P, squared_P = (np.concatenate(each) for each in zip(*found, strict=True))
    return row_P, center_P, squared_P


def _blocks(rows_ND: Rows, centers_KD: Rows) -> Iterator[tuple[slice, Sieve, Sieve]]:
    origin_D = origin_of(centers_KD)
    centers = Sieve.of(centers_KD, origin_D)
    step = max(64, BLOCK_VALUES // max(1, *centers_KD.shape))
    for start in range(0, len(rows_ND), step):
        part = slice(start, start + step)
        yield part, Sieve.of(rows_ND[part], origin_D), centers


def _decided(rows: Sieve, centers: Sieve, halves_PK: Approximate) -> Positions:
    """Give the nearest center of each row: the least half, or the least of exact distances."""
    which_P: Positions = halves_PK.argmin(axis=1)
    least_P = halves_PK[np.arange(len(which_P)), which_P]
    bound_P = least_P + 2.0 * (centers.widths_N[which_P] + rows.widths_N)
    contends_PK = halves_PK <= bound_P[:, None]
    row_Q = np.flatnonzero(contends_PK.sum(axis=1) > 1)
    if len(row_Q):
        which_P[row_Q] = _among(rows.at(row_Q), centers, contends_PK[row_Q])
    return which_P


def _among(rows: Sieve, centers: Sieve, contends_QK: Flags) -> Positions:
    """Give the nearest of the centers that contend for each row, by finer means."""
    row_R, center_R = pairs_of(contends_QK)
    if not rows.is_wide and FINER * len(row_R) > contends_QK.size:
        finer, finer_centers = rows.finer(), centers.finer()
        return _decided(finer, finer_centers, lower_halves(finer, finer_centers))
    squared_R = exact_pairs(rows, centers, row_R, center_R)
    best_R = np.lexsort((center_R, squared_R, row_R))
    _, first_Q = np.unique(row_R[best_R], return_index=True)
    which_Q: Positions = center_R[best_R[first_Q]]
    return which_Q

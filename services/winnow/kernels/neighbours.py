"""Exact nearest neighbours and neighbours within a radius, without all pairs in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.protocol import Floats, Rows
from winnow.kernels.sieve import (
    BLOCK_VALUES,
    FINER,
    Flags,
    Positions,
    Sieve,
    closer_than,
    exact_pairs,
    lower_halves,
    origin_of,
    pairs_of,
)

TILE_ROWS: Final = 512
"""Side of a square of pairs: 1 MiB of float32, so that it stays in a second-level cache."""


def k_nearest(rows_ND: Rows, k: int) -> tuple[Positions, Floats]:
    """Give each row's k nearest other rows.

    Parameters
    ----------
    rows_ND
        Finite float32, in the order that decides ties.
    k
        Between 1 and N - 1.

    Returns
    -------
    tuple
        Positions and exact squared distances, [N, k] each, nearest first; of equally near ones
        the smaller position. A row is never its own neighbour, an equal row is at distance 0.

    Notes
    -----
    N²·D multiply-adds in float32; rows within the error bound (`Sieve`) of the k-th nearest are
    compared again in float64, so the result is the same on every machine. Memory: 16·N·k bytes,
    a copy of the rows and a few MiB. Many equal rows are neighbours of each other, and all of
    them are compared: `squared_to_nearest` does not mind them.

    Examples
    --------
    >>> import numpy as np
    >>> pos_NK, squared_NK = k_nearest(np.float32([[0], [1], [5]]), 1)
    >>> pos_NK.ravel().tolist(), squared_NK.ravel().tolist()
    ([1, 0, 1], [1.0, 1.0, 16.0])
    """
    everyone = Sieve.of(rows_ND, origin_of(rows_ND))
    pos_NK = np.empty((len(rows_ND), k), dtype=np.intp)
    squared_NK = np.empty((len(rows_ND), k))
    for part in _parts(len(rows_ND), max(1, BLOCK_VALUES // len(rows_ND))):
        pos_NK[part], squared_NK[part] = _least(everyone.at(part), everyone, part, k)
    return pos_NK, squared_NK


def squared_to_nearest(rows_ND: Rows, k: int) -> Floats:
    """Give each row's exact squared distances to its k nearest others, [N, k], nearest first.

    As `k_nearest`, but rows that occur often cost no more than once, as it does not matter which
    of equal rows is a neighbour.

    Examples
    --------
    >>> import numpy as np
    >>> squared_to_nearest(np.float32([[0], [0], [3]]), 2).tolist()
    [[0.0, 9.0], [0.0, 9.0], [9.0, 9.0]]
    """
    _, first_U, which_N, count_U = np.unique(
        rows_ND, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    if len(first_U) == len(rows_ND):
        return k_nearest(rows_ND, k)[1]
    # Columns: equal rows at distance 0, then other rows, each as often as it occurs.
    k_other = min(k, len(first_U) - 1)
    squared_UK: Floats = np.zeros((len(first_U), 1))
    until_UK: Positions = (count_U - 1)[:, None]
    if k_other:
        pos_UK, other_UK = k_nearest(rows_ND[first_U], k_other)
        squared_UK = np.concatenate([squared_UK, other_UK], axis=1)
        until_UK = np.concatenate([until_UK, count_U[pos_UK]], axis=1).cumsum(axis=1)
    column_UK = np.stack([(until_UK <= place).sum(axis=1) for place in range(k)], axis=1)
    nearest_UK: Floats = np.take_along_axis(squared_UK, column_UK, axis=1)
    return nearest_UK[which_N]


def _least(rows: Sieve, others: Sieve, itself: slice, k: int) -> tuple[Positions, Floats]:
    halves_PN = lower_halves(rows, others)
    halves_PN[np.arange(len(rows)), np.arange(itself.start, itself.stop)] = np.inf
    upper_PN = halves_PN + 2.0 * others.widths_N
    bound_P = np.partition(upper_PN, k - 1, axis=1)[:, k - 1] + 2.0 * rows.widths_N
    row_P, other_P = pairs_of(halves_PN <= bound_P[:, None])
    if not rows.is_wide and FINER * (len(row_P) - k * len(rows)) > halves_PN.size:
        return _least(rows.finer(), others.finer(), itself, k)
    squared_P = exact_pairs(rows, others, row_P, other_P)
    order_P = np.lexsort((other_P, squared_P, row_P))
    starts_P = np.searchsorted(row_P, np.arange(len(rows)))
    best_PK = order_P[starts_P[:, None] + np.arange(k)]
    return other_P[best_PK], squared_P[best_PK]


def nearest_of_another_group(
    rows_QD: Rows,
    group_Q: npt.NDArray[np.intp],
    others_ND: Rows,
    group_N: npt.NDArray[np.intp],
) -> Floats:
    """Give each row's exact squared distance to the nearest row that is of another group.

    `inf` where there is none. Costs Q·N·D multiply-adds in float32; memory a few MiB beside a
    copy of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> rows, groups = np.float32([[0], [1], [5]]), np.array([0, 0, 1])
    >>> nearest_of_another_group(rows, groups, rows, groups).tolist()
    [25.0, 16.0, 16.0]
    """
    squared_Q = np.full(len(rows_QD), np.inf)
    origin_D = origin_of(others_ND)
    for known in _parts(len(others_ND), TILE_ROWS):
        others = Sieve.of(others_ND[known], origin_D)
        for part in _parts(len(rows_QD), TILE_ROWS):
            is_own_PK = group_Q[part, None] == group_N[known]
            _lower(squared_Q[part], Sieve.of(rows_QD[part], origin_D), others, is_own_PK)
    return squared_Q


def _lower(known_P: Floats, rows: Sieve, others: Sieve, is_own_PK: Flags) -> None:
    halves_PK = lower_halves(rows, others)
    halves_PK[is_own_PK] = np.inf
    upper_P = (halves_PK + 2.0 * others.widths_N).min(axis=1) + 2.0 * rows.widths_N
    reach_P = known_P - rows.squares_N + rows.widths_N
    row_P, other_P = pairs_of(halves_PK <= np.minimum(upper_P, reach_P)[:, None])
    near_P = np.isfinite(halves_PK[row_P, other_P])
    row_P, other_P = row_P[near_P], other_P[near_P]
    if not rows.is_wide and FINER * (len(row_P) - len(rows)) > halves_PK.size:
        _lower(known_P, rows.finer(), others.finer(), is_own_PK)
        return
    np.minimum.at(known_P, row_P, exact_pairs(rows, others, row_P, other_P))


def tiles_within(rows_ND: Rows, squared_max: float) -> Iterator[tuple[slice, slice, Flags]]:
    """Give, square by square, which pairs of rows are nearer than a limit; each pair once.

    Parameters
    ----------
    rows_ND
        Finite float32.
    squared_max
        Of the exact squared distance, which must be below.

    Yields
    ------
    tuple
        Two ranges of positions, the second never before the first, and bool [rows, others].
        Squares on the diagonal hold their pairs twice, and each row with itself.

    Notes
    -----
    N²·D/2 multiply-adds in float32; pairs too near the limit are compared again in float64.
    Memory: one square, and a copy of the rows.
    """
    everyone = Sieve.of(rows_ND, origin_of(rows_ND))
    for part in _parts(len(rows_ND), TILE_ROWS):
        rows = everyone.at(part)
        for other in _parts(len(rows_ND), TILE_ROWS, first=part.start):
            yield part, other, closer_than(rows, everyone.at(other), squared_max)


def within(rows_QD: Rows, others_ND: Rows, squared_max: float) -> Iterator[tuple[slice, Flags]]:
    """Give, range by range of the others, which are nearer to each row than a limit.

    Yields a range of positions and bool [Q, others]. Costs Q·N·D multiply-adds in float32.
    """
    origin_D = origin_of(rows_QD)
    rows = Sieve.of(rows_QD, origin_D)
    for part in _parts(len(others_ND), max(64, BLOCK_VALUES // max(1, *rows_QD.shape))):
        yield part, closer_than(rows, Sieve.of(others_ND[part], origin_D), squared_max)


def _parts(n_rows: int, step: int, *, first: int = 0) -> Iterator[slice]:
    for start in range(first, n_rows, step):
        yield slice(start, min(start + step, n_rows))

"""k-means that gives the same centers on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from winnow.kernels.exact import squared_l2
from winnow.kernels.nearest import nearest_center, pairs_nearer
from winnow.kernels.philox import draws_of
from winnow.kernels.protocol import Floats, Rows
from winnow.kernels.sieve import Positions

ITERATIONS_MAX: Final = 25
TOGETHER_MAX: Final = 64
"""Seeds chosen from one drawing."""
DRAWS: Final = 1024
BLOCK_VALUES: Final = 1 << 18


def k_means(
    rows_SD: Rows,
    k: int,
    *,
    seed: int,
    step: int,
    weights_S: Floats | None = None,
    iterations_max: int = ITERATIONS_MAX,
) -> Rows:
    """Give the centers of up to k clusters with a small sum of squared distances.

    Parameters
    ----------
    rows_SD
        Finite float32, in an order that does not depend on how the rows came in: the same rows in
        another order are another problem.
    k
        At least 1. Fewer centers come back if there are fewer distinct rows (of positive weight).
    seed, step
        What the random numbers belong to (`draws_of`).
    weights_S
        Finite, not negative: a row of weight 2 counts as two equal rows. None: all count once.
    iterations_max
        Rounds of assigning all rows and moving all centers; it ends earlier when none moves.

    Returns
    -------
    numpy.ndarray
        float32 [at most k, D] in the order in which they were seeded; none if there is no row.

    Notes
    -----
    Seeds are those of `d2_seeds`. Assignments are decided exactly (`nearest_center`); sums are
    float64, row by row in the given order. A cluster that lost all its rows goes to the row that
    is farthest from its own center.
    Costs (iterations + 2 + ln k)·S·k·D multiply-adds in float32 and iterations·S·D additions in
    float64; memory about 100·S bytes, 12·k·D and a few MiB beside the rows.

    References
    ----------
    Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007 (also for
    several trials a seed). Lloyd, "Least squares quantization in PCM", 1982.

    Examples
    --------
    >>> import numpy as np
    >>> rows_SD = np.float32([[0], [1], [10], [11]])
    >>> sorted(k_means(rows_SD, 2, seed=0, step=0).ravel().tolist())
    [0.5, 10.5]
    """
    if not len(rows_SD):
        return rows_SD
    if weights_S is None or not (weights_S > 0.0).any():
        weights_S = np.ones(len(rows_SD))
    centers_KD = rows_SD[d2_seeds(rows_SD, k, seed=seed, step=step, weights_S=weights_S)]
    before_S: Positions | None = None
    for _ in range(iterations_max):
        which_S = nearest_center(rows_SD, centers_KD)
        if before_S is not None and (which_S == before_S).all():
            break
        before_S = which_S
        centers_KD = _moved(rows_SD, which_S, weights_S, centers_KD)
    return centers_KD


def d2_seeds(rows_SD: Rows, k: int, *, seed: int, step: int, weights_S: Floats) -> Positions:
    """Choose up to k rows, far apart where rows are few and close where they are many.

    Each time some candidates are drawn with probability in proportion to weight · (distance to
    the nearest chosen row)², and those are taken that lower the sum of that most, one after the
    other. A quarter as many as are chosen already come from one drawing (at most `TOGETHER_MAX`),
    so that matrix products, not passes over the rows, do the work; until the fifth row this is
    greedy k-means++ as it stands. Fewer than k come back when all others are at distance 0.
    Costs S·k·D·(2 + ln k) multiply-adds in float32, and in float64 what comes nearer.
    """
    uniforms = _uniforms(seed, step)
    chosen = [_draw(np.cumsum(weights_S), next(uniforms))]
    squared_S = squared_l2(rows_SD, np.broadcast_to(rows_SD[chosen[0]], rows_SD.shape))
    trials = 2 + (int(k).bit_length() * 7) // 10
    while len(chosen) < k:
        cumulated_S = np.cumsum(weights_S * squared_S)
        if not cumulated_S[-1] > 0.0:
            break
        n_wanted = min(k - len(chosen), max(1, len(chosen) // 4), TOGETHER_MAX)
        drawn = [_draw(cumulated_S, next(uniforms)) for _ in range(trials * n_wanted)]
        candidates = np.array(list(dict.fromkeys(drawn)), dtype=np.intp)
        chosen += _best(rows_SD, candidates, n_wanted, squared_S, weights_S)
    return np.array(chosen, dtype=np.intp)


def _best(
    rows_SD: Rows, candidates: Positions, n_wanted: int, squared_S: Floats, weights_S: Floats
) -> list[int]:
    """Take the candidates that lower the weighted sum of `squared_S` most, and lower that."""
    row_P, candidate_P, squared_P = pairs_nearer(rows_SD, rows_SD[candidates], squared_S)
    weight_P = weights_S[row_P]
    taken: list[int] = []
    while True:
        gain_P = weight_P * np.maximum(squared_S[row_P] - squared_P, 0.0)
        gain_C = np.bincount(candidate_P, weights=gain_P, minlength=len(candidates))
        best = int(np.argmax(gain_C))
        if not gain_C[best] > 0.0:
            return taken
        taken.append(int(candidates[best]))
        of_best = candidate_P == best
        squared_S[row_P[of_best]] = np.minimum(squared_S[row_P[of_best]], squared_P[of_best])
        if len(taken) == n_wanted:
            return taken


def _draw(cumulated_S: Floats, uniform: float) -> int:
    # Rounding may put the product on the end; the last weight that counts is meant then.
    total = cumulated_S[-1]
    pos = int(np.searchsorted(cumulated_S, uniform * total, side="right"))
    return min(pos, int(np.searchsorted(cumulated_S, total, side="left")))


def _uniforms(seed: int, step: int) -> Iterator[float]:
    """Give numbers in [0, 1): number *i* belongs to counter *i*, whatever is done with it."""
    first = 0
    while True:
        counters = np.array([f"{i:032x}" for i in range(first, first + DRAWS)], dtype=np.str_)
        draws = draws_of(counters, seed=seed, step=step) >> np.uint64(11)
        yield from (draws * 2.0**-53).tolist()
        first += DRAWS


def _moved(rows_SD: Rows, which_S: Positions, weights_S: Floats, centers_KD: Rows) -> Rows:
    """Give the means of clusters; none of those that are empty and stay so."""
    which_S = _refilled(rows_SD, which_S, weights_S, centers_KD)
    weight_K = np.bincount(which_S, weights=weights_S, minlength=len(centers_KD))
    sums_KD = weighted_sums(rows_SD, which_S, weights_S, len(centers_KD))
    full_K = weight_K > 0.0
    means_KD: Rows = (sums_KD[full_K] / weight_K[full_K, None]).astype(np.float32)
    return means_KD


def weighted_sums(rows_SD: Rows | Floats, which_S: Positions, weights_S: Floats, k: int) -> Floats:
    """Give float64 [k, D]: the sum of weight · row over each group, in the order of the rows.

    Costs S·D additions and 8·k·D bytes.
    """
    dimension = rows_SD.shape[1]
    sums = np.zeros(k * dimension)
    step = max(1, max(BLOCK_VALUES, k * dimension) // max(1, dimension))
    for start in range(0, len(rows_SD), step):
        part = slice(start, start + step)
        cells = (which_S[part] * dimension)[:, None] + np.arange(dimension)
        values = rows_SD[part] * weights_S[part, None]
        sums += np.bincount(cells.ravel(), weights=values.ravel(), minlength=len(sums))
    return sums.reshape(k, dimension)


def _refilled(rows_SD: Rows, which_S: Positions, weights_S: Floats, centers_KD: Rows) -> Positions:
    """Give each cluster without weight the row farthest from its own center, if any is."""
    weight_K = np.bincount(which_S, weights=weights_S, minlength=len(centers_KD))
    empty_K = np.flatnonzero(weight_K == 0.0)
    if not len(empty_K):
        return which_S
    squared_S = squared_l2(rows_SD, centers_KD[which_S])
    farthest_S = np.lexsort((np.arange(len(rows_SD)), -squared_S * weights_S))[: len(empty_K)]
    farthest_S = farthest_S[(squared_S * weights_S)[farthest_S] > 0.0]
    which_S = which_S.copy()
    which_S[farthest_S] = empty_K[: len(farthest_S)]
    return which_S

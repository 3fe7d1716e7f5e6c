"""Bookkeeping of bounds that were true some steps ago."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.protocol import Floats, Positions, Rows

SAMPLE_ROWS: Final = 1 << 14
"""Enough to guess a quantile; finding it exactly would cost a pass that moves every number."""
GROUPS_MAX: Final = 8
"""Matrix products of one refresh; rows that lag less are compared again with what they know."""


def largest(bound_N: Rows | Floats, n_wanted: int) -> tuple[Positions, np.floating]:
    """Give about so many positions with the largest bounds, and the largest bound of the others.

    Returns
    -------
    tuple
        Positions of all bounds above some threshold (1 to 4 times `n_wanted` unless there are
        fewer, or ties), and the largest of the rest (-inf if there is none).

    Notes
    -----
    Costs one or two passes over N numbers.
    """
    if len(bound_N) <= n_wanted:
        return np.flatnonzero(bound_N > -np.inf), bound_N.dtype.type(-np.inf)
    stride = max(1, len(bound_N) // SAMPLE_ROWS)
    sample = bound_N[::stride]
    place = min(len(sample), max(1, round(1.5 * n_wanted / stride)))
    threshold = np.partition(sample, len(sample) - place)[len(sample) - place]
    top_K = np.flatnonzero((bound_N >= threshold) & (bound_N > -np.inf))
    if len(top_K) > 4 * n_wanted:  # the sample misled, or many are equal
        bound_K = bound_N[top_K]
        least = np.partition(bound_K, len(bound_K) - n_wanted)[len(bound_K) - n_wanted]
        threshold = least
        top_K = top_K[bound_K >= least]
    below = bound_N < threshold
    return top_K, bound_N.max(where=below, initial=-np.inf)


def refresh_groups(
    pos_K: Positions, seen_K: npt.NDArray[np.int32], n_steps: int
) -> Iterator[tuple[Positions, int]]:
    """Give rows in a few groups that lag about equally, each with the step to go on from."""
    seen_G, count_G = np.unique(seen_K, return_counts=True)
    if len(seen_G) > GROUPS_MAX:
        work_G = np.cumsum(count_G * (n_steps - seen_G))
        edges = np.searchsorted(work_G, work_G[-1] * np.arange(1, GROUPS_MAX) / GROUPS_MAX)
        starts = np.unique(np.concatenate([[0], edges]))
        seen_G = seen_G[starts]
    group_K = np.searchsorted(seen_G, seen_K, side="right") - 1
    for group, since in enumerate(seen_G.tolist()):
        yield pos_K[group_K == group], since

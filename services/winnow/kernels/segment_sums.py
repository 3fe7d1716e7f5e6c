"""Sums of rows that stand together, added in an order that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.protocol import Floats, Positions

Sizes = npt.NDArray[np.intp]

LEAF: Final = 1024
"""Rows of a segment that are added first; longer segments are sums of such sums."""
BLOCK_VALUES: Final = 1 << 21
"""Numbers held at once: 16 MiB of float64."""


def segment_sums(
    rows_of: Callable[[Positions], npt.NDArray[np.float32] | Floats],
    order: Positions,
    size_S: Sizes,
    dimension: int,
) -> Floats:
    """Give the sum of the rows of each segment.

    Parameters
    ----------
    rows_of
        Gives rows [K, D] by their positions; asked for some of them at a time.
    order
        Positions of all segments' rows, segment after segment, in the order of addition.
    size_S
        Number of rows of each segment; they sum to the length of `order`.
    dimension
        D.

    Returns
    -------
    numpy.ndarray
        float64 [S, D]. A segment's sum depends on its own rows and their order only: neighbours
        are added in pairs, then the pairs, in leaves of `LEAF` rows and then over the leaves.

    Notes
    -----
    Costs K·D additions; memory `BLOCK_VALUES` numbers, and one row for each leaf.
    """
    leaf_size, leaf_segment = _leaves(size_S)
    sums = np.empty((len(leaf_size), dimension))
    for leaves, rows in _blocks(leaf_size, dimension):
        values = rows_of(order[rows]).astype(np.float64)
        sums[leaves] = _pairwise(values, leaf_size[leaves])
    if len(leaf_size) == len(size_S) and (size_S > 0).all():
        return sums
    totals = np.zeros((len(size_S), dimension))
    n_leaves = np.bincount(leaf_segment, minlength=len(size_S)).astype(np.intp)
    totals[n_leaves > 0] = _pairwise(sums, n_leaves[n_leaves > 0])
    return totals


def _leaves(size_S: Sizes) -> tuple[Sizes, Positions]:
    """Cut segments into leaves; give their sizes and whose they are."""
    n_leaves = -(-size_S // LEAF)
    segment = np.repeat(np.arange(len(size_S)), n_leaves)
    place = np.arange(len(segment)) - np.repeat(np.cumsum(n_leaves) - n_leaves, n_leaves)
    return np.minimum(size_S[segment] - place * LEAF, LEAF), segment


def _blocks(leaf_size: Sizes, dimension: int) -> Iterator[tuple[slice, slice]]:
    ends = np.cumsum(leaf_size)
    n_rows = max(LEAF, BLOCK_VALUES // max(1, dimension))
    first, done = 0, 0
    while first < len(leaf_size):
        last = int(np.searchsorted(ends, done + n_rows, side="right"))
        yield slice(first, last), slice(done, int(ends[last - 1]))
        first, done = last, int(ends[last - 1])


def _pairwise(values: Floats, size_S: Sizes) -> Floats:
    """Add rows in pairs until every segment (none is empty) is one row."""
    while len(values) > len(size_S):
        ends = np.cumsum(size_S)
        place = np.arange(len(values)) - np.repeat(ends - size_S, size_S)
        left = np.flatnonzero(place % 2 == 0)
        has_right = place[left] + 1 < np.repeat(size_S, (size_S + 1) // 2)
        paired = values[left]
        paired[has_right] += values[left[has_right] + 1]
        values, size_S = paired, (size_S + 1) // 2
    return values

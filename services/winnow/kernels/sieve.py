"""Squared distances from matrix products with bounds that hold: the rest is compared exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.exact import squared_l2
from winnow.kernels.protocol import Floats, Rows

Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]
Approximate = Rows | Floats

BLOCK_VALUES: Final = 1 << 19
"""Distances held at once: 2 MiB of float32, about a second-level cache."""
ORIGIN_ROWS: Final = 31
FINER: Final = 30
"""An exact distance costs about as much as this many from a float64 product."""


@dataclass(frozen=True, slots=True)
class Sieve:
    """Rows, ready to be multiplied by others of the same origin and type.

    Notes
    -----
    Seen from an origin amid the rows, the squared distance of rows x and y is evaluated as
    |x|² + |y|² - 2 x·y and is off by at most width(x) + width(y),
    width(x) = 2.02 (D + 16) u |x|² + 4 (D + 16) t, where u is 2⁻²⁴ and t = 2⁻¹²⁶ the smallest
    normal number (float32; 2⁻⁵³ and 2⁻¹⁰²² in float64): the three sums of D terms are off by
    D·u·(|x|² + |y|² + 2 |x||y|) in any order of summation (Higham, "Accuracy and Stability of
    Numerical Algorithms", section 3.1), which is at most 2 D·u·(|x|² + |y|²); moving the rows to
    the origin, the remaining sums and a comparison round a few times more (16 for D); 1.01 covers
    terms of second order up to D = 80,000, and the last term products that underflow. Bounds of
    one row each, unlike one for the longest row, stay small for all others beside an outlier.
    """

    rows_ND: Rows
    """As they came: what exact comparisons use."""
    origin_D: Rows
    moved_ND: Approximate
    """Seen from the origin."""
    squares_N: Approximate
    """Squared norms of those."""
    widths_N: Approximate
    """Share of the error that is this row's."""

    @classmethod
    def of(cls, rows_ND: Rows, origin_D: Rows, *, wide: bool = False) -> Sieve:
        """Prepare rows, for float64 if wide; costs a copy of them."""
        kind = np.float64 if wide else np.float32
        moved_ND = np.subtract(rows_ND, origin_D, dtype=kind)
        squares_N = np.einsum("nd,nd->n", moved_ND, moved_ND)
        terms = rows_ND.shape[1] + 16
        share, floor = 2.02 * terms * np.finfo(kind).eps / 2, 4 * terms * np.finfo(kind).tiny
        widths_N = squares_N * kind(share) + kind(floor)
        return cls(rows_ND, origin_D, moved_ND, squares_N, widths_N)

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.rows_ND)

    @property
    def is_wide(self) -> bool:
        """Tell whether this is float64 already."""
        return self.moved_ND.dtype == np.float64

    def at(self, part: slice | Positions) -> Sieve:
        """Give some of the rows; views for a slice."""
        return Sieve(
            self.rows_ND[part],
            self.origin_D,
            self.moved_ND[part],
            self.squares_N[part],
            self.widths_N[part],
        )

    def finer(self) -> Sieve:
        """Give the same rows for float64."""
        return Sieve.of(self.rows_ND, self.origin_D, wide=True)


def origin_of(rows_ND: Rows) -> Rows:
    """Give a point amid the rows, from which most norms are small; decides nothing.

    Medians of a few rows, which an outlier does not move.
    """
    few_KD = rows_ND[:: max(1, len(rows_ND) // ORIGIN_ROWS)]
    if not len(few_KD):
        return np.zeros(rows_ND.shape[1], dtype=np.float32)
    middle_D: Rows = np.partition(few_KD, len(few_KD) // 2, axis=0)[len(few_KD) // 2]
    return middle_D


def lower_halves(rows: Sieve, others: Sieve) -> Approximate:
    """Give [N, K] numbers h with h - width(n) <= d - |n|² <= h + 2 width(k) + width(n).

    d is the exact squared distance of row n and other k, |n|² the row's squared norm, which is
    the same for all others and so decides nothing between them.
    """
    halves_NK: Approximate = rows.moved_ND @ others.moved_ND.T
    halves_NK *= -2.0
    halves_NK += others.squares_N - others.widths_N
    return halves_NK


def closer_than(rows: Sieve, others: Sieve, squared_max: float) -> Flags:
    """Tell [N, K] of each row and other whether their exact squared distance is below a limit.

    Costs N·K·D multiply-adds in float32, again in float64 if that leaves many pairs open, and D
    float64 operations for each pair that is still too close to the limit. Memory 9·N·K bytes (17
    in float64) and those pairs, so the caller gives blocks.
    """
    squared_NK = lower_halves(rows, others)
    limit = squared_NK.dtype.type(min(squared_max, float(np.finfo(np.float32).max)))
    squared_NK += rows.squares_N[:, None]
    maybe_NK = squared_NK < (limit + rows.widths_N)[:, None]
    squared_NK += 2.0 * others.widths_N
    closer_NK: Flags = squared_NK < (limit - rows.widths_N)[:, None]
    row_P, other_P = pairs_of(maybe_NK ^ closer_NK)
    if not rows.is_wide and FINER * len(row_P) > closer_NK.size:
        return closer_than(rows.finer(), others.finer(), squared_max)
    if len(row_P):
        squared_P = exact_pairs(rows, others, row_P, other_P)
        closer_NK[row_P, other_P] = squared_P < squared_max
    return closer_NK


def pairs_of(flags_NK: Flags) -> tuple[Positions, Positions]:
    """Give rows and columns of what is set, in order: `nonzero`, but fast where little is."""
    row_P, column_P = np.divmod(np.flatnonzero(flags_NK), max(1, flags_NK.shape[1]))
    return row_P, column_P


def exact_pairs(rows: Sieve, others: Sieve, row_P: Positions, other_P: Positions) -> Floats:
    """Give the exact squared distances of pairs; memory bounded."""
    squared_P = np.empty(len(row_P))
    step = max(1, BLOCK_VALUES // max(1, rows.rows_ND.shape[1]))
    for start in range(0, len(row_P), step):
        part = slice(start, start + step)
        squared_P[part] = squared_l2(rows.rows_ND[row_P[part]], others.rows_ND[other_P[part]])
    return squared_P

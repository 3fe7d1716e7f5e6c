"""Matrix products with the same bits on every machine, at nearly the speed of BLAS.

BLAS adds in an order that depends on processor, threads and shapes, so its last bits differ. Sums
of whole numbers do not, as long as every partial sum is exact. So each row is cut into slices of
whole numbers so small that sums of `INNER` products of them stay below 2**53, slices are
multiplied by BLAS without any rounding, and the few exact results are added in a fixed order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from winnow.kernels.protocol import Floats

INNER: Final = 1024
"""Products of full slices that are added before the first rounding."""
BITS: Final = 21
"""Of a slice: the first is at most 2**21, further ones 2**20. Sums of 1024 products of the first
slices stay within 2**52, of 1024 products of three further pairs within 3 * 2**51: all exact."""
N_SLICES: Final = 3
"""Together 62 bits: more than the 53 of a float64."""
ROWS_VALUES: Final = 1 << 15
"""Results worked on at once: 256 KiB, so that some passes over them stay in the cache."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A matrix [I, K], ready to be one side of products."""

    side: Literal["left", "right"]
    blocks: tuple[tuple[Floats, Floats], ...]
    """For each `INNER` columns the slices side by side (those of the right side in reverse), whole
    numbers, and [I] the power of two that the first slice counts."""
    n_rows: int


def cut(rows_IK: Floats, *, side: Literal["left", "right"]) -> Cut:
    """Cut finite float64 rows, for any number of products with them.

    Costs some 10 passes over the matrix and three times its memory.
    """
    blocks = list[tuple[Floats, Floats]]()
    for start in range(0, rows_IK.shape[1], INNER):
        block_IK = rows_IK[:, start : start + INNER]
        n_rows, width = block_IK.shape
        _, exponent_I = np.frexp(np.abs(block_IK).max(axis=1, initial=0.0))
        rest_IK = np.ldexp(block_IK, BITS - exponent_I[:, None])
        slices = np.empty((n_rows, N_SLICES, width))
        for place in range(N_SLICES):
            piece_IK = slices[:, place if side == "left" else N_SLICES - 1 - place]
            np.rint(rest_IK, out=piece_IK)
            rest_IK -= piece_IK
            rest_IK *= 2.0**BITS
        scale_I = np.ldexp(np.ones(n_rows), exponent_I - BITS)
        blocks.append((slices.reshape(n_rows, N_SLICES * width), scale_I))
    return Cut(side, tuple(blocks), len(rows_IK))


def product(left: Cut, right: Cut) -> Floats:
    """Give the inner product of each row of one matrix with each row of the other.

    Parameters
    ----------
    left, right
        [I, K] cut as a left side, [J, K] as a right side.

    Returns
    -------
    numpy.ndarray
        float64 [I, J], A·Bᵀ. Entry (i, j) is a function of row i and row j alone: other rows,
        their order and number, threads and machine change no bit of it. It is off by at most
        K·2⁻⁶⁰ times the largest numbers of both rows, and some roundings of the result.

    Notes
    -----
    Six products of this size by BLAS. Relies on BLAS to multiply and add in float64, fused or not,
    in any order: no Strassen, no reduced precision.

    References
    ----------
    Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by using
    fast routines of matrix multiplication and its applications", Numerical Algorithms 59, 2012.

    Examples
    --------
    >>> rows = cut(np.array([[1.0, 2.0]]), side="left")
    >>> product(rows, cut(np.array([[3.0, 4.0], [0.1, 0.0]]), side="right")).tolist()
    [[11.0, 0.1]]
    """
    total_IJ = np.zeros((left.n_rows, right.n_rows))
    step = max(16, ROWS_VALUES // max(1, right.n_rows))
    for start in range(0, left.n_rows, step):
        some = slice(start, start + step)
        for (left_IX, left_I), (right_JX, right_J) in zip(left.blocks, right.blocks, strict=True):
            total_IJ[some] += _exact(left_IX[some], right_JX, left_I[some], right_J)
    return total_IJ


def _exact(left_IX: Floats, right_JX: Floats, left_I: Floats, right_J: Floats) -> Floats:
    """Give the products of one block of columns, rounded a few times in a fixed order."""
    width = left_IX.shape[1] // N_SLICES
    found_IJ: Floats = left_IX @ right_JX.T
    for n_slices in range(N_SLICES - 1, 0, -1):
        found_IJ *= 2.0**-BITS
        found_IJ += left_IX[:, : n_slices * width] @ right_JX[:, -n_slices * width :].T
    found_IJ *= left_I[:, None]
    found_IJ *= right_J
    return found_IJ

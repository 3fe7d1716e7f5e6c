"""A 64-bit hash of what a frame looks like: near frames differ in few bits."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from winnow.constraints.pixels import Grey, area_resize

SIDE = 32
LOW = 8
NOISE = 1e-2
"""Coefficients of a flat image are rounding noise, not structure; luma runs to 255."""


def perceptual_hash(grey: Grey) -> int:
    """Give the DCT hash of an image.

    The image is reduced to 32 x 32; bit *k* tells whether the k-th of the low 8 x 8 DCT-II
    coefficients (row by row) exceeds the median of those without the constant one. The bit of
    the constant coefficient is always 0, so that brightness does not count.

    Parameters
    ----------
    grey
        Luma, float32 [height, width], 0 to 255.

    Returns
    -------
    int
        0 to 2**64 - 1; 0 for a flat image.

    References
    ----------
    C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, §3.2.1.
    """
    basis = _dct_rows()
    low = basis @ area_resize(grey, height=SIDE, width=SIDE).astype(np.float64) @ basis.T
    coefficients = low.ravel()
    bits = coefficients > np.median(coefficients[1:]) + NOISE
    bits[0] = False
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@lru_cache(maxsize=1)
def _dct_rows() -> npt.NDArray[np.float64]:
    steps = np.arange(SIDE)
    waves = np.arange(LOW)[:, None]
    rows: npt.NDArray[np.float64] = np.cos(np.pi * waves * (2 * steps + 1) / (2 * SIDE)) * np.sqrt(
        2 / SIDE
    )
    rows[0] /= np.sqrt(2)
    return rows

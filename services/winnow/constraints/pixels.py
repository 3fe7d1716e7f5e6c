"""From a decoded frame to the small grey arrays that gates, hashes and encoders look at."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
"""RGB, uint8 [height, width, 3]."""
Grey = npt.NDArray[np.float32]
"""Luma, float32 [height, width], 0 to 255."""

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601, as in JPEG and Pillow's conversion to grey."""


def luma(frame: Frame | npt.NDArray[np.float32]) -> Grey:
    """Give the brightness of each pixel of an RGB array [height, width, 3].

    Examples
    --------
    >>> luma(np.full((1, 1, 3), 200, dtype=np.uint8)).round().tolist()
    [[200.0]]
    """
    grey: Grey = np.dot(frame.astype(np.float32), LUMA_WEIGHTS)
    return grey


def area_resize(grey: Grey, *, height: int, width: int) -> Grey:
    """Give the means over the cells of a `height` x `width` grid laid over the image.

    Enlarging repeats pixels; cells that cut a pixel take their share of it. Cost: one product
    with a sparse-like matrix per axis, O(height · H · W).

    Examples
    --------
    >>> area_resize(np.array([[0, 2], [4, 6]], dtype=np.float32), height=1, width=1).tolist()
    [[3.0]]
    """
    rows = _cells(grey.shape[0], height)
    columns = _cells(grey.shape[1], width)
    small: Grey = np.asarray(rows @ grey @ columns.T, dtype=np.float32)
    return small


def shrink(frame: Frame, *, side: int) -> npt.NDArray[np.float32]:
    """Give the mean colours over the cells of a `side` x `side` grid, float32 [side, side, 3].

    What only needs a coarse look starts from here: the luma of this is the reduced luma.
    """
    height, width = frame.shape[:2]
    pixels = frame.reshape(height, width * 3).astype(np.float32)
    strips = (_cells(height, side) @ pixels).reshape(side, width, 3)
    small = np.matmul(_cells(width, side), strips)
    return np.asarray(small, dtype=np.float32)


@lru_cache(maxsize=256)
def _cells(n_in: int, n_out: int) -> Grey:
    edges = np.linspace(0.0, n_in, n_out + 1)
    pixels = np.arange(n_in)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    shares = np.clip(high - low, 0.0, None)  # [n_out, n_in]
    weights: Grey = np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)
    weights.flags.writeable = False
    return weights

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
    red, green, blue = LUMA_WEIGHTS
    grey: Grey = frame[..., 0] * red
    grey += frame[..., 1] * green
    grey += frame[..., 2] * blue
    return grey


def area_resize(grey: Grey, *, height: int, width: int) -> Grey:
    """Give the means over the cells of a `height` x `width` grid laid over the image.

    Enlarging repeats pixels; cells that cut a pixel take their share of it. Cost: one pass over
    the image, by sums and not by matrix products: those of a BLAS wake its threads for each frame,
    which takes longer than the work as soon as other processes want the cores too.

    Examples
    --------
    >>> area_resize(np.array([[0, 2], [4, 6]], dtype=np.float32), height=1, width=1).tolist()
    [[3.0]]
    """
    return _cell_means(_cell_means(grey, height, axis=0), width, axis=1)


def shrink(frame: Frame, *, side: int) -> npt.NDArray[np.float32]:
    """Give the mean colours over the cells of a `side` x `side` grid, float32 [side, side, 3].

    What only needs a coarse look starts from here: the luma of this is the reduced luma.
    """
    return _cell_means(_cell_means(frame, side, axis=0), side, axis=1)


def _cell_means(
    pixels: npt.NDArray[np.uint8 | np.float32], n_out: int, *, axis: int
) -> npt.NDArray[np.float32]:
    n_in = pixels.shape[axis]
    if n_in < n_out:
        return _enlarged(pixels, n_out, axis)
    edges = np.arange(n_out + 1) * (n_in / n_out)
    first = np.minimum(edges.astype(np.int64), n_in - 1)
    cut = (edges - first).astype(np.float32)  # how much of its first pixel lies before a cell
    shape = [1] * pixels.ndim
    shape[axis] = n_out + 1
    before = pixels.take(first, axis=axis) * cut.reshape(shape)
    sums = np.add.reduceat(pixels, first[:-1], axis=axis, dtype=np.float32)
    # The last cell of reduceat runs to the end; its far edge cuts nothing.
    lost, gained = np.split(before, [n_out], axis)[0], np.split(before, [1], axis)[1]
    gained = gained.copy()
    gained[(slice(None),) * axis + (-1,)] = 0
    means: npt.NDArray[np.float32] = (sums - lost + gained) * np.float32(n_out / n_in)
    return means


def _enlarged(
    pixels: npt.NDArray[np.uint8 | np.float32], n_out: int, axis: int
) -> npt.NDArray[np.float32]:
    weights = _shares(pixels.shape[axis], n_out)
    rows = np.moveaxis(pixels, axis, 0).astype(np.float32)
    large = np.einsum("oi,i...->o...", weights, rows)
    return np.ascontiguousarray(np.moveaxis(large, 0, axis), dtype=np.float32)


@lru_cache(maxsize=64)
def _shares(n_in: int, n_out: int) -> Grey:
    edges = np.linspace(0.0, n_in, n_out + 1)
    pixels = np.arange(n_in)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    shares = np.clip(high - low, 0.0, None)  # [n_out, n_in]
    weights: Grey = np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)
    weights.flags.writeable = False
    return weights

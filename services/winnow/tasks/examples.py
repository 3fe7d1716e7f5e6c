"""Labeled frames as arrays: one container for whatever a committee learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from winnow.tasks.decode import decode_small

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
Three = tuple[float, float, float]
"""One number for each channel."""
BLOCK_FRAMES = 256
"""Frames that are looked at as float64 at once."""


@dataclass(frozen=True)
class Examples:
    """N frames, what is to be learned of each, and how much each counts.

    What a row of `values` means is the task's business: classification has one row a frame, the
    class index; detection has one row an object, (class index, x, y, width, height), the last
    four as shares of the frame's width and height.
    """

    pixels: Pixels
    """uint8 [N, 3, H, W]; may be memory-mapped: rows are read batch by batch."""
    values: Values
    """float32 [sum of counts, W]; rows of frame 0 first."""
    counts_N: npt.NDArray[np.int64]
    """Rows that each frame has in `values`."""
    sizes_N2: npt.NDArray[np.int64]
    """Width and height of each upright frame as stored, pixels."""
    weights_N: Values
    """Weight of each frame's loss, not negative, mean 1."""
    features_ND: Values | None = None
    """float32 [N, D]: what a frozen network says of the pixels, see `Task.prepared`."""

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Frame *i* owns the rows offsets[i] to offsets[i + 1] of `values`; int64 [N + 1]."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts_N)])

    def of(self, row: int) -> Values:
        """Give what is to be learned of one frame, float32 [its count, W]."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: npt.NDArray[np.integer] | Sequence[int]) -> Examples:
        """Give some frames, in the order of `rows`; a frame may come twice."""
        rows_N = np.asarray(rows, dtype=np.intp)
        values = [self.of(row) for row in rows_N.tolist()]
        return Examples(
            pixels=self.pixels[rows_N],
            values=np.concatenate([self.values[:0], *values]),
            counts_N=self.counts_N[rows_N],
            sizes_N2=self.sizes_N2[rows_N],
            weights_N=self.weights_N[rows_N],
            features_ND=None if self.features_ND is None else self.features_ND[rows_N],
        )


def examples_of(
    pixels: Pixels,
    targets: Sequence[Values],
    *,
    sizes: Sequence[tuple[int, int]] | None = None,
    weights_N: Values | None = None,
) -> Examples:
    """Put frames and their targets together.

    Parameters
    ----------
    targets
        What `Task.target` gave for each frame; at least one frame.
    sizes
        Width and height of each frame; none: those of the pixels.
    weights_N
        None: all 1.
    """
    n, _, height, width = pixels.shape
    return Examples(
        pixels=pixels,
        values=np.concatenate(targets).astype(np.float32, copy=False),
        counts_N=np.array([len(target) for target in targets], dtype=np.int64),
        sizes_N2=np.array([(width, height)] * n if sizes is None else sizes, dtype=np.int64),
        weights_N=np.ones(n, dtype=np.float32) if weights_N is None else weights_N,
    )


def resized(frame: bytes, *, height: int, width: int) -> tuple[Pixels, tuple[int, int]]:
    """Decode one frame and resize it, not keeping its proportions.

    Returns
    -------
    tuple
        Pixels uint8 [3, height, width]; width and height that the upright frame had. Grey frames
        get three equal channels.

    Raises
    ------
    BadInput
        The bytes are no complete image.
    """
    rgb, size = decode_small(frame, height=height, width=width)
    return rgb.transpose(2, 0, 1), size


def stacked(
    frames: Sequence[bytes], *, height: int, width: int
) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Decode frames; give pixels uint8 [N, 3, height, width] and sizes int64 [N, 2].

    Raises as `resized` does.
    """
    pixels = np.empty((len(frames), 3, height, width), dtype=np.uint8)
    sizes_N2 = np.empty((len(frames), 2), dtype=np.int64)
    for pos, frame in enumerate(frames):
        pixels[pos], sizes_N2[pos] = resized(frame, height=height, width=width)
    return pixels, sizes_N2


def channel_moments(pixels: Pixels) -> tuple[Three, Three]:
    """Give mean and deviation of each channel of uint8 [N, 3, H, W], 0-255; deviations from 1.

    Costs one pass, in blocks that bound the memory.
    """
    sums, squares = np.zeros(3), np.zeros(3)
    for start in range(0, len(pixels), BLOCK_FRAMES):
        block = pixels[start : start + BLOCK_FRAMES].astype(np.float64)
        sums += block.sum(axis=(0, 2, 3))
        squares += np.square(block, out=block).sum(axis=(0, 2, 3))
    n = pixels.size // 3
    mean = sums / n
    # A channel that never varies (or a single grey level) must not be divided by nothing.
    std = np.maximum(np.sqrt(np.maximum(squares / n - mean**2, 0.0)), 1.0)
    return (mean[0].item(), mean[1].item(), mean[2].item()), (
        std[0].item(),
        std[1].item(),
        std[2].item(),
    )

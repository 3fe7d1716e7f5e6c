"""The encoder that needs no download: shapes, edges and colours of a frame, computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.constraints.pixels import Frame, Grey, area_resize, luma, shrink

SIDE = 32
"""All three blocks start from a frame reduced to this square."""
GREY_SIDE = 8
CELLS = 4
ORIENTATIONS = 8
COLOUR_SIDE = 2
DIMENSION = GREY_SIDE**2 + CELLS**2 * ORIENTATIONS + 3 * COLOUR_SIDE**2 + 3

Vector = npt.NDArray[np.float32]


class PixelEncoder:
    """Layout of 8 x 8 greys, orientation histogram of 4 x 4 cells, colours of 2 x 2 cells.

    Deterministic and small (D = 207). The three blocks have equal weight: each is scaled to unit
    length, so that the cosine of two vectors is the mean of the blocks' cosines. Good enough to
    tell near-duplicates and to spread a batch; a trained encoder knows more about meaning.

    References
    ----------
    N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.
    """

    @property
    def version(self) -> str:
        """Name and number; a change of the formula is a new number."""
        return "pixel/1"

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        return DIMENSION

    def encode(self, frames: Sequence[Frame]) -> npt.NDArray[np.float32]:
        """Give `embeddings_ND` of RGB frames; see `winnow.ports.encoder.Encoder`."""
        embeddings_ND = np.empty((len(frames), DIMENSION), dtype=np.float32)
        for pos, frame in enumerate(frames):
            embeddings_ND[pos] = _vector(frame)
        return embeddings_ND


def _vector(frame: Frame) -> Vector:
    small = shrink(frame, side=SIDE)
    grey = luma(small)
    blocks = (_layout(grey), _edges(grey), _colours(small))
    return np.concatenate([_unit(block) for block in blocks])


def _layout(grey: Grey) -> Vector:
    cells = area_resize(grey, height=GREY_SIDE, width=GREY_SIDE).ravel()
    centred: Vector = cells - cells.mean()
    return centred


def _edges(grey: Grey) -> Vector:
    down, right = np.gradient(grey)
    angle = np.arctan2(down, right) % np.pi  # light to dark is dark to light
    position = (angle * (ORIENTATIONS / np.pi)).ravel()
    lower = position.astype(np.int64)
    # Shared between two bins: level and upright edges lie on a border, where noise would tip them.
    upper_share = position - lower
    strength = np.hypot(down, right).ravel()
    histogram = _histogram(lower, strength * (1 - upper_share))
    histogram += _histogram(lower + 1, strength * upper_share)
    edges: Vector = np.sqrt(histogram).astype(np.float32)
    return edges


def _histogram(orientation: npt.NDArray[np.int64], weights: Vector) -> npt.NDArray[np.float64]:
    cell_of_pixel = np.arange(SIDE) * CELLS // SIDE
    cell = (cell_of_pixel[:, None] * CELLS + cell_of_pixel).ravel()
    bins = cell * ORIENTATIONS + orientation % ORIENTATIONS
    counts = np.bincount(bins, weights=weights, minlength=CELLS**2 * ORIENTATIONS)
    return counts.astype(np.float64)


def _colours(small: Vector) -> Vector:
    half = SIDE // COLOUR_SIDE
    cells = small.reshape(COLOUR_SIDE, half, COLOUR_SIDE, half, 3).mean(axis=(1, 3))
    spread = small.reshape(-1, 3).std(axis=0)
    # One grey level keeps the block of a black frame from being zero.
    colours: Vector = np.concatenate([cells.ravel(), spread]) + np.float32(1)
    return colours


def _unit(block: Vector) -> Vector:
    length = np.linalg.norm(block)
    unit: Vector = block / length if length > 0 else block
    return unit

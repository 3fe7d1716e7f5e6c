"""Looks at the sizes that distances give them, and how they are put on a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from winnow.testing.roads.camera import metres_of
from winnow.testing.roads.sketch import Look
from winnow.testing.roads.street import LIT, Packed

THERE_MIN: Final = 90
"""Of 255: how much of a pixel an object must fill to own it."""
SHINES_MIN: Final = 100
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """A look at one distance, cut to the pixels that it owns."""

    pixels: Packed
    """[height, width]: colours, and the distance byte as the fourth."""
    mask: Mask
    """[height, width]: which of them it owns."""
    n_pixels: int
    """How many those are; 0 if it is too thin to be seen."""
    shift: tuple[int, int]
    """Of its top left from that of the whole look at this size, across and down."""
    whole: tuple[int, int]
    """Width and height of the whole look at this size."""


@lru_cache(maxsize=16384)
def print_of(look: Look, byte: int, focal: float) -> Print:
    """Give a look as it appears at a distance; 16,384 are kept (some 40 MB at 160 x 96 pixels)."""
    scale = focal / float(metres_of(byte))
    size = (max(1, round(look.width * scale)), max(1, round(look.height * scale)))
    small = look.image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels = np.asarray(small).copy()
    mask = pixels[..., 3] >= THERE_MIN
    pixels[..., 3] = byte
    if look.lamps:
        shining = look.shining.resize(size, Image.Resampling.BOX)
        pixels[np.asarray(shining) >= SHINES_MIN, 3] = LIT
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        rows = columns = np.zeros(1, dtype=np.intp)
    cut = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mask = np.ascontiguousarray(mask[cut])
    packed = np.ascontiguousarray(pixels.view("<u4")[..., 0][cut], dtype=np.uint32)
    shift = (int(columns[0]), int(rows[0]))
    return Print(packed, mask, int(np.count_nonzero(mask)), shift, size)


@dataclass(frozen=True, slots=True)
class Area:
    """Where a rectangle at (left, top) and a canvas overlap, in the places of both."""

    canvas: tuple[slice, slice]
    own: tuple[slice, slice]


def overlap(left: int, top: int, own: tuple[int, ...], canvas: tuple[int, ...]) -> Area | None:
    """Give the overlap of a rectangle with a canvas (shapes are height, width), if there is one."""
    low, high = max(top, 0), min(top + own[0], canvas[0])
    near, far = max(left, 0), min(left + own[1], canvas[1])
    if low >= high or near >= far:
        return None
    return Area(
        (slice(low, high), slice(near, far)),
        (slice(low - top, high - top), slice(near - left, far - left)),
    )


@lru_cache(maxsize=512)
def shadow_of(width: int, strength: float) -> npt.NDArray[np.uint16]:
    """Give a shadow on the ground, [height, width, 1]: what is left of the light, of 256."""
    height = max(2, width // 6)
    across, down = np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]
    dark = np.clip(1.15 - across**2 - down**2, 0, 1) * strength
    return np.rint(256 * (1 - dark)).astype(np.uint16)[..., None]

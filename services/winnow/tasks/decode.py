"""Encoded frame → pixels, with limits that a hostile file meets before memory does."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

R = TypeVar("R")

_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's names of grey with 16 bits."""

PIXELS_MAX = 50_000_000
"""A 50-megapixel frame is 150 MB of RGB; larger claims are decompression bombs."""
ORIENTATION = 0x0112
UPRIGHT = 1
LYING = (5, 6, 7, 8)
"""EXIF orientations in which width and height are exchanged."""


def decode_rgb(data: bytes, *, pixels_max: int = PIXELS_MAX) -> npt.NDArray[np.uint8]:
    """Decode a still image.

    Parameters
    ----------
    data
        PNG, JPEG, … as stored.
    pixels_max
        Largest width x height that is decoded.

    Returns
    -------
    numpy.ndarray
        RGB, uint8 [height, width, 3], in the orientation that its EXIF data ask for; of grey with
        16 bits the upper eight.

    Raises
    ------
    BadInput
        No image, a truncated one, one that claims more than `pixels_max` pixels, or one with 32
        bits of a channel, of which nobody knows what is white.
    """

    def whole(image: Image) -> npt.NDArray[np.uint8]:
        return np.asarray(_upright(image), dtype=np.uint8)

    return _opened(data, pixels_max, whole)


def decode_small(
    data: bytes, *, height: int, width: int, pixels_max: int = PIXELS_MAX
) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    """Decode a still image and resize it, not keeping its proportions.

    A JPEG that is at least twice as large is decoded at a half, a quarter or an eighth, which
    costs as much less; what is left is averaged as any other image is.

    Returns
    -------
    tuple
        RGB, uint8 [height, width, 3]; width and height that the whole upright image has.

    Raises
    ------
    BadInput
        As `decode_rgb` says.
    """
    from PIL.Image import Resampling

    def small(image: Image) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
        lies = image.getexif().get(ORIENTATION, UPRIGHT) in LYING
        size = (image.height, image.width) if lies else (image.width, image.height)
        image.draft("RGB", (height, width) if lies else (width, height))
        resized = _upright(image).resize((width, height), Resampling.BILINEAR)
        return np.asarray(resized, dtype=np.uint8), size

    return _opened(data, pixels_max, small)


def _upright(image: Image) -> Image:
    from PIL import ImageOps
    from PIL.Image import fromarray

    if image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode in _DEEP:
        # Pillow would cut at 255, so that all but the darkest grey is white.
        return fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        msg = f"expected 8 or 16 bits of a channel, found 32 (mode {image.mode})"
        raise BadInput(msg)
    # Most frames are RGB and upright: they are not copied.
    return image if image.mode == "RGB" else image.convert("RGB")


def _opened(data: bytes, pixels_max: int, job: Callable[[Image], R]) -> R:
    """Give what a job makes of an image, whatever is wrong with it told as `BadInput`."""
    from PIL import Image, UnidentifiedImageError

    try:
        # Pillow's own warning of large images is left alone: to make it an error here would change
        # the filters of the whole process, and threads that do so leave each other's behind.
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > pixels_max:
                msg = f"expected at most {pixels_max} pixels, found {width}x{height}"
                raise BadInput(msg)
            return job(image)
    except BadInput:
        raise
    except UnidentifiedImageError as error:
        msg = "expected an image, found bytes of no known format"
        raise BadInput(msg) from error
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        msg = f"expected a complete image, found: {error}"
        raise BadInput(msg) from error

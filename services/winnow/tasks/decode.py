"""Encoded frame → pixels, with limits that a hostile file meets before memory does."""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput

PIXELS_MAX = 50_000_000
"""A 50-megapixel frame is 150 MB of RGB; larger claims are decompression bombs."""


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
        RGB, uint8 [height, width, 3], in the orientation that its EXIF data ask for.

    Raises
    ------
    BadInput
        No image, a truncated one, or one that claims more than `pixels_max` pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                if width * height > pixels_max:
                    msg = f"expected at most {pixels_max} pixels, found {width}x{height}"
                    raise BadInput(msg)
                upright = ImageOps.exif_transpose(image)
                return np.asarray(upright.convert("RGB"), dtype=np.uint8)
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

"""Kinds of image files, and how large one may be."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

from winnow.domain.errors import BadInput

IMAGE_TYPES = {
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".pgm": "image/x-portable-graymap",
    ".png": "image/png",
    ".ppm": "image/x-portable-pixmap",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
FRAME_BYTES_MAX = 256 * 1024 * 1024
"""A file (or what a zip file claims of one) is read whole; larger ones are no still images."""


def media_type_of(name: str) -> str:
    """Give the media type by the file's ending; unknown endings are plain bytes."""
    return IMAGE_TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")


def media_type_in(data: bytes) -> str:
    """Give the media type by the bytes themselves; what is no image is plain bytes."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            return Image.MIME.get(image.format or "", "application/octet-stream")
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return "application/octet-stream"


def check_frame_bytes(size_bytes: int, *, where: str) -> None:
    """Refuse what would not fit into memory, before it is read.

    Raises
    ------
    BadInput
        It is larger than 256 MiB.
    """
    if size_bytes > FRAME_BYTES_MAX:
        msg = f"{where}: expected a frame of at most {FRAME_BYTES_MAX} bytes, found {size_bytes}"
        raise BadInput(msg)


def read_frame_file(path: Path) -> bytes:
    """Read an image file whole.

    Raises
    ------
    BadInput
        It is too large or cannot be read.
    """
    try:
        check_frame_bytes(path.stat().st_size, where=str(path))
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: expected a readable file, found: {error.strerror or error}"
        raise BadInput(msg) from error

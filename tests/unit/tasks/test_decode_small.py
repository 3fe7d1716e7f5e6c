"""Frames at the size that networks take: the same picture, whatever way it was decoded."""

from __future__ import annotations

import io
import warnings
from typing import IO

import numpy as np
import pytest
from PIL import Image

from winnow.domain.errors import BadInput
from winnow.tasks.decode import decode_rgb, decode_small


def picture(width: int, height: int, *, kind: str, orientation: int = 1) -> bytes:
    coarse = np.random.default_rng(0).integers(0, 256, size=(4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    sink = io.BytesIO()
    image.save(sink, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    return sink.getvalue()


def averaged(
    data: bytes, width: int, height: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    whole = Image.fromarray(decode_rgb(data))
    return np.asarray(whole.resize((width, height), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_it_is_the_whole_picture_made_smaller(kind: str, orientation: int) -> None:
    data = picture(640, 360, kind=kind, orientation=orientation)
    found, size = decode_small(data, height=48, width=80)
    assert found.shape == (48, 80, 3)
    assert size == ((360, 640) if orientation == 6 else (640, 360))
    apart = np.abs(found.astype(int) - averaged(data, 80, 48).astype(int))
    assert apart.mean() < 2
    if kind == "PNG":
        assert apart.max() == 0


def test_a_small_jpeg_is_decoded_as_it_is() -> None:
    data = picture(60, 50, kind="JPEG")
    found, size = decode_small(data, height=48, width=80)
    assert size == (60, 50)
    np.testing.assert_array_equal(found, averaged(data, 80, 48))


def test_what_is_no_complete_image_is_bad_input() -> None:
    data = picture(640, 360, kind="JPEG")
    with pytest.raises(BadInput, match="expected a complete image"):
        decode_small(data[: len(data) // 2], height=48, width=80)
    with pytest.raises(BadInput, match="expected an image"):
        decode_small(b"text", height=48, width=80)
    with pytest.raises(BadInput, match="expected at most 1000 pixels, found 640x360"):
        decode_small(data, height=48, width=80, pixels_max=1000)


def test_of_grey_with_16_bits_the_upper_eight_are_taken() -> None:
    grey = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
    (sink := io.BytesIO()).name = "deep.png"
    Image.fromarray(grey).save(sink)
    rgb = decode_rgb(sink.getvalue())
    np.testing.assert_array_equal(
        rgb, np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
    )
    small, size = decode_small(sink.getvalue(), height=24, width=32)
    assert size == (64, 48)
    assert abs(float(small.mean()) - 127.5) < 2


def test_floating_point_images_are_refused() -> None:
    (sink := io.BytesIO()).name = "heat.tiff"
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(sink)
    with pytest.raises(BadInput, match=r"expected 8 or 16 bits of a channel, found 32 \(mode F\)"):
        decode_rgb(sink.getvalue())


def test_decoding_leaves_the_filters_of_warnings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the process's: threads that put them back leave each other's behind."""
    before, opened, seen = warnings.filters, Image.open, []

    def looked_at(source: IO[bytes]) -> Image.Image:
        seen.append(warnings.filters)
        return opened(source)

    monkeypatch.setattr(Image, "open", looked_at)
    decode_small(picture(60, 50, kind="JPEG"), height=48, width=80)
    assert [filters is before for filters in seen] == [True]

"""Frozen features are computed once for a content and an encoder, and never served damaged."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.domain.errors import BadInput, SchemaMismatch
from winnow.tasks.decode import decode_rgb
from winnow.tasks.features import FeatureCache


class CountingEncoder:
    """Mean colour of a frame; counts what it was asked."""

    dimension = 3

    def __init__(self, version: str = "mean/1") -> None:
        self.version, self.n_asked = version, 0

    def encode(self, frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        self.n_asked += len(frames)
        return np.stack([frame.mean(axis=(0, 1), dtype=np.float32) for frame in frames])


def png(seed: int) -> bytes:
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


FRAMES = [png(seed) for seed in range(20)]
EXPECTED = np.stack([decode_rgb(frame).mean(axis=(0, 1)) for frame in FRAMES])


def test_a_frame_is_encoded_once_also_by_the_next_process(tmp_path: Path) -> None:
    first = CountingEncoder()
    cache = FeatureCache(tmp_path, first)
    np.testing.assert_allclose(cache.features(FRAMES[:8] + FRAMES[:2]), EXPECTED[[*range(8), 0, 1]],
                               rtol=1e-6)  # fmt: skip
    assert first.n_asked == 8
    second = CountingEncoder()
    again = FeatureCache(tmp_path, second)
    np.testing.assert_allclose(again.features(FRAMES[::-1]), EXPECTED[::-1], rtol=1e-6)
    assert second.n_asked == 12
    assert len(again) == 20


def test_another_encoder_version_shares_nothing(tmp_path: Path) -> None:
    FeatureCache(tmp_path, CountingEncoder()).features(FRAMES)
    other = CountingEncoder("mean/2")
    FeatureCache(tmp_path, other).features(FRAMES)
    assert other.n_asked == 20


@pytest.mark.parametrize("cut", [0, 10, 300, -1])
def test_a_damaged_file_is_computed_again(tmp_path: Path, cut: int) -> None:
    FeatureCache(tmp_path, CountingEncoder()).features(FRAMES)
    (pack,) = tmp_path.rglob("*.pack")
    data = bytearray(pack.read_bytes())
    data[-5] ^= 1
    pack.write_bytes(data if cut == -1 else data[:cut])
    encoder = CountingEncoder()
    found = FeatureCache(tmp_path, encoder).features(FRAMES)
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)
    assert encoder.n_asked == 20
    assert len(FeatureCache(tmp_path, encoder)) == 20


def test_what_was_done_before_a_bad_frame_is_kept_and_progress_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winnow.tasks.features.PACK_FRAMES", 16)
    told: list[tuple[int, int]] = []
    cache = FeatureCache(tmp_path, CountingEncoder())
    with pytest.raises(BadInput, match="expected an image"):
        cache.features([*FRAMES, b"no image"], on_progress=lambda *seen: told.append(seen))
    assert told == [(16, 21)]
    assert len(FeatureCache(tmp_path, CountingEncoder())) == 16


def test_decoded_frames_serve_as_well(tmp_path: Path) -> None:
    frames = [decode_rgb(frame) for frame in FRAMES[:3]]
    cache = FeatureCache(tmp_path, PixelEncoder())
    np.testing.assert_array_equal(cache.features(frames), PixelEncoder().encode(frames))
    assert cache.features([]).shape == (0, PixelEncoder().dimension)


def test_vectors_that_are_no_numbers_are_told_and_not_kept(tmp_path: Path) -> None:
    class Broken(CountingEncoder):
        def encode(self, frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
            return super().encode(frames) * np.float32(np.nan)

    with pytest.raises(SchemaMismatch, match="not finite"):
        FeatureCache(tmp_path, Broken()).features(FRAMES)
    assert len(FeatureCache(tmp_path, CountingEncoder())) == 0

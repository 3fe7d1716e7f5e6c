"""Frames block by block: in order, bounded, and whoever fails is told."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.unit.training.toy_world import CLASSES, frame, put_frames
from winnow.adapters.file_blobs import FileBlobs
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, NotFound, Retryable
from winnow.tasks.blocks import READERS, decoded_blocks, pixel_blocks, read_ahead
from winnow.tasks.examples import stacked


@pytest.mark.parametrize("n", [0, 1, 16, 17, 150])
def test_blocks_together_are_all_frames_in_order(n: int) -> None:
    frames = [frame(CLASSES[k % 3], k) for k in range(n)]
    pixels, sizes_N2 = stacked(frames, height=8, width=8)
    for blocks in (
        list(decoded_blocks(frames, height=8, width=8)),
        list(pixel_blocks(pixels, sizes_N2)),
    ):
        assert max(len(block.pixels) for block in blocks) <= 64
        np.testing.assert_array_equal(np.concatenate([one.pixels for one in blocks]), pixels)
        np.testing.assert_array_equal(np.concatenate([one.sizes_N2 for one in blocks]), sizes_N2)


def test_a_frame_far_behind_that_is_none_is_told() -> None:
    frames = [frame("bar", k) for k in range(100)]
    frames[90] = b"no image"
    with pytest.raises(BadInput, match="expected an image"):
        list(decoded_blocks(frames, height=8, width=8))


class Far(FileBlobs):
    """A store whose files are not on this machine."""

    def local_path(self, ref: BlobRef) -> Path | None:
        return None


@pytest.mark.parametrize("store", [FileBlobs, Far])
@pytest.mark.parametrize("n", [0, 1, 4, 9])
def test_bytes_come_in_order_so_many_at_once(
    n: int, store: type[FileBlobs], tmp_path: Path
) -> None:
    blobs = store(tmp_path)
    _, refs = put_frames(blobs, 0, n)
    blocks = list(read_ahead(blobs, refs, size=4))
    assert [len(block) for block in blocks] == [4] * (n // 4) + ([n % 4] if n % 4 else [])
    expected = [blobs.get(ref) for ref in refs]
    assert [data for block in blocks for data in block] == expected
    assert [data for block in blocks for data in block[:]] == expected


@pytest.mark.parametrize("store", [FileBlobs, Far])
def test_bytes_that_are_gone_are_told_to_who_looks(store: type[FileBlobs], tmp_path: Path) -> None:
    gone = BlobRef("files", "frames/gone", "0" * 64, 1, "image/png")
    (block,) = read_ahead(store(tmp_path), [gone], size=4)
    with pytest.raises(NotFound):
        block[0]


def test_a_far_store_is_asked_for_the_next_frames_while_one_waits(tmp_path: Path) -> None:
    asked = threading.Event()

    class Slow(Far):
        def get(self, ref: BlobRef) -> bytes:
            if ref == refs[0]:
                assert asked.wait(timeout=60), "nobody asked for the frames of the next block"
            if ref == refs[2]:
                asked.set()
            return super().get(ref)

    blobs = Slow(tmp_path)
    _, refs = put_frames(blobs, 0, 4)
    assert [len(block[:]) for block in read_ahead(blobs, refs, size=2)] == [2, 2]


def test_who_stops_early_waits_for_no_frames_that_are_not_being_read(tmp_path: Path) -> None:
    n_asked = 0

    class Away(Far):
        def get(self, ref: BlobRef) -> bytes:
            nonlocal n_asked
            n_asked += 1
            give_up.wait()
            msg = "store away"
            raise Retryable(msg)

    give_up = threading.Event()
    refs = [BlobRef("files", f"frames/{k}", "0" * 64, 1, "image/png") for k in range(100)]
    blocks = read_ahead(Away(tmp_path), refs, size=40)
    block = next(blocks)
    threading.Timer(0.1, give_up.set).start()
    blocks.close()  # type: ignore[attr-defined]
    assert n_asked <= 2 * READERS
    assert len(block) == 40

"""Frames block by block: memory does not grow with their number, and decoding runs ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import overload

import numpy as np
import numpy.typing as npt

from winnow.domain.blob_ref import BlobRef
from winnow.ports.blobs import Blobs
from winnow.tasks.examples import Pixels, stacked

FRAMES_AT_ONCE = 64
"""Frames whose outputs of all members are in memory together."""
FRAMES_FIRST = 16
"""The first block: nothing is computed while it is decoded, so it is short."""

READERS = 4
"""An object store answers several requests in the time of one."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some frames, ready for a network."""

    pixels: Pixels
    """uint8 [B, 3, H, W]."""
    sizes_N2: npt.NDArray[np.int64]
    """Width and height of each upright frame as stored."""


def decoded_blocks(frames: Sequence[bytes], *, height: int, width: int) -> Iterator[Block]:
    """Decode in a thread of its own, one block ahead of whoever works on them.

    Raises
    ------
    BadInput
        A frame is no complete image.
    """

    def decode(rows: slice) -> Block:
        return Block(*stacked(frames[rows], height=height, width=width))

    first, *others = _rows(len(frames))
    if not others:
        yield decode(first)
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode") as pool:
        # Nobody computes yet: whoever waits for the first block decodes half of it.
        middle = first.stop // 2
        half = pool.submit(decode, slice(middle, first.stop))
        ahead = pool.submit(decode, others[0])
        yield _together(decode(slice(middle)), half.result())
        for rows in others[1:]:
            block, ahead = ahead.result(), pool.submit(decode, rows)
            yield block
        yield ahead.result()


class Frames(Sequence[bytes]):
    """Frames' bytes, which are there when somebody looks at them.

    Parameters
    ----------
    waits
        Each gives a frame, or raises what `Blobs.get` raises.
    """

    def __init__(self, waits: Sequence[Callable[[], bytes]]) -> None:
        self._waits = waits

    def __len__(self) -> int:
        return len(self._waits)

    @overload
    def __getitem__(self, rows: int) -> bytes: ...
    @overload
    def __getitem__(self, rows: slice) -> list[bytes]: ...
    def __getitem__(self, rows: int | slice) -> bytes | list[bytes]:
        """Wait for one frame, or for some."""
        if isinstance(rows, slice):
            return [wait() for wait in self._waits[rows]]
        return self._waits[rows]()


def read_ahead(blobs: Blobs, refs: Sequence[BlobRef], *, size: int) -> Iterator[Frames]:
    """Give frames, so many at once, while they and the next ones are read, several at a time.

    At most twice `size` frames are in memory. Files of this machine are read by whoever looks at
    them: handing a small one from thread to thread costs four times as much as reading it.
    """
    here = len(refs) > 0 and blobs.local_path(refs[0]) is not None
    with ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="read") as pool:

        def begun(ref: BlobRef) -> Callable[[], bytes]:
            return partial(blobs.get, ref) if here else pool.submit(blobs.get, ref).result

        ahead = Frames([])
        try:
            for start in (*range(0, len(refs), size), len(refs)):
                block = ahead
                ahead = Frames([begun(ref) for ref in refs[start : start + size]])
                if start:
                    yield block
        except GeneratorExit:
            # Of a store that is away, each of hundreds of frames would be waited for in vain.
            pool.shutdown(cancel_futures=True)
            raise


def pixel_blocks(pixels: Pixels, sizes_N2: npt.NDArray[np.int64]) -> Iterator[Block]:
    """Cut what is decoded already."""
    for rows in _rows(len(pixels)):
        yield Block(pixels[rows], sizes_N2[rows])


def _together(one: Block, other: Block) -> Block:
    return Block(
        np.concatenate([one.pixels, other.pixels]), np.concatenate([one.sizes_N2, other.sizes_N2])
    )


def _rows(n: int) -> list[slice]:
    """Give at least one, which is empty for no frames."""
    edges = [0, *range(min(FRAMES_FIRST, n), n, FRAMES_AT_ONCE), n]
    return [slice(start, stop) for start, stop in pairwise(edges)]

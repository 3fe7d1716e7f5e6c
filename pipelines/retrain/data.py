"""Dataset snapshot and holdout to arrays: decoded once, used by every member."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from winnow.contracts.artifacts import (
    DATASET,
    HOLDOUT,
    Dataset,
    Manifest,
    read_manifest,
    read_table,
    write_manifest,
)
from winnow.contracts.references import COLUMNS, frame_refs
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.ports.blobs import Blobs
from winnow.tasks.task import Task

ARRAY = "application/x-npy"
Example = tuple[str, BlobRef, str]
"""(frame_id, reference of its bytes, label)"""


class Pack(Manifest):
    """Frames as one array, with their class indices."""

    frame_ids: tuple[str, ...]
    targets: tuple[int, ...]
    pixels: BlobRef
    """uint8 [N, 3, P, P]"""
    n_left_out: int


def training_examples(blobs: Blobs, dataset: Dataset) -> Iterator[Example]:
    """Give the labels of a dataset snapshot."""
    return _examples(blobs, dataset.table, DATASET)


def holdout_examples(blobs: Blobs, dataset: Dataset) -> Iterator[Example]:
    """Give the labels of all holdouts."""
    for ref in dataset.holdouts:
        yield from _examples(blobs, ref, HOLDOUT)


def pack(
    blobs: Blobs,
    examples: Iterable[Example],
    *,
    task: Task,
    class_names: Sequence[str],
    input_pixels: int,
    prefix: str,
) -> BlobRef:
    """Decode frames and store them as one array; give the reference of the `Pack`.

    Frames that cannot be read or whose label is no class are left out and counted.
    """
    index = {name: c for c, name in enumerate(class_names)}
    frame_ids, targets, pixels, n_left_out = [], [], [], 0
    for frame_id, ref, label in examples:
        square = _decoded(task, blobs.get(ref), input_pixels) if label in index else None
        if square is None:
            n_left_out += 1
            continue
        frame_ids.append(frame_id)
        targets.append(index[label])
        pixels.append(square)
    shape = (len(pixels), 3, input_pixels, input_pixels)
    array = np.stack(pixels) if pixels else np.empty(shape, dtype=np.uint8)
    document = Pack(
        frame_ids=tuple(frame_ids),
        targets=tuple(targets),
        pixels=put_array(blobs, array, prefix=prefix),
        n_left_out=n_left_out,
    )
    return write_manifest(blobs, document, prefix=prefix)


def unpack(blobs: Blobs, ref: BlobRef) -> tuple[Pack, npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Load a pack: its manifest, pixels and class indices."""
    document = read_manifest(blobs, ref, Pack)
    pixels = get_array(blobs, document.pixels).astype(np.uint8, copy=False)
    return document, pixels, np.array(document.targets, dtype=np.int64)


def calibration_mask(frame_ids: Sequence[str], share: float) -> npt.NDArray[np.bool_]:
    """Tell which frames fit the temperature instead of training: by hash, the same every round.

    With so few frames that nothing would be left to train on, none is kept out.
    """
    kept_out = np.array([_fraction(frame_id) < share for frame_id in frame_ids], dtype=np.bool_)
    return np.zeros_like(kept_out) if kept_out.all() else kept_out


def put_array(blobs: Blobs, array: npt.NDArray[np.generic], *, prefix: str) -> BlobRef:
    """Store an array; equal arrays have equal keys."""
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    return blobs.put(sink.getvalue(), prefix=prefix, media_type=ARRAY)


def get_array(blobs: Blobs, ref: BlobRef) -> npt.NDArray[np.generic]:
    """Load an array."""
    array: npt.NDArray[np.generic] = np.load(io.BytesIO(blobs.get(ref)), allow_pickle=False)
    return array


def _examples(blobs: Blobs, ref: BlobRef, schema: object) -> Iterator[Example]:
    table = read_table(blobs, ref, schema, columns=["frame_id", *COLUMNS, "label"])
    ids, labels = (table.column(name).to_pylist() for name in ("frame_id", "label"))
    yield from zip(ids, frame_refs(table), labels, strict=True)


def _decoded(task: Task, frame: bytes, input_pixels: int) -> npt.NDArray[np.uint8] | None:
    try:
        return task.pixels(frame, input_pixels=input_pixels)
    except BadInput:
        return None


def _fraction(frame_id: str) -> float:
    digest = hashlib.sha256(f"calibration\x1f{frame_id}".encode()).hexdigest()
    return int(digest[:8], 16) / 2**32

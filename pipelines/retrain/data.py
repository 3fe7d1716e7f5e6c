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
from winnow.tasks.examples import Examples, resized
from winnow.tasks.task import Task

ARRAY = "application/x-npy"
Labeled = tuple[str, BlobRef, str]
"""(frame_id, reference of its bytes, label)"""


class Pack(Manifest):
    """Frames as arrays, decoded once; see `winnow.tasks.examples.Examples`."""

    frame_ids: tuple[str, ...]
    pixels: BlobRef
    values: BlobRef
    counts: BlobRef
    sizes: BlobRef
    n_left_out: int


def training_examples(blobs: Blobs, dataset: Dataset) -> Iterator[Labeled]:
    """Give the labels of a dataset snapshot."""
    return _examples(blobs, dataset.table, DATASET)


def holdout_examples(blobs: Blobs, dataset: Dataset) -> Iterator[Labeled]:
    """Give the labels of all holdouts."""
    for ref in dataset.holdouts:
        yield from _examples(blobs, ref, HOLDOUT)


def pack(
    blobs: Blobs,
    labeled: Iterable[Labeled],
    *,
    task: Task,
    class_names: Sequence[str],
    height: int,
    width: int,
    prefix: str,
) -> BlobRef:
    """Decode frames and store them as arrays; give the reference of the `Pack`.

    Frames that cannot be read or whose label does not fit are left out and counted.
    """
    frame_ids, targets, pixels, sizes, n_left_out = [], [], [], [], 0
    for frame_id, ref, label in labeled:
        try:
            small, size = resized(blobs.get(ref), height=height, width=width)
            target = task.target(label, class_names=class_names, size=size)
        except BadInput:
            n_left_out += 1
            continue
        frame_ids.append(frame_id)
        targets.append(target)
        pixels.append(small)
        sizes.append(size)
    shape = (len(pixels), 3, height, width)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "pixels": np.stack(pixels) if pixels else np.empty(shape, dtype=np.uint8),
        "values": np.concatenate(targets) if targets else np.empty((0, 1), dtype=np.float32),
        "counts": np.array([len(target) for target in targets], dtype=np.int64),
        "sizes": np.array(sizes, dtype=np.int64).reshape(len(sizes), 2),
    }
    refs = {name: put_array(blobs, array, prefix=prefix) for name, array in arrays.items()}
    document = Pack(frame_ids=tuple(frame_ids), n_left_out=n_left_out, **refs)
    return write_manifest(blobs, document, prefix=prefix)


def unpack(blobs: Blobs, ref: BlobRef) -> tuple[Pack, Examples]:
    """Load a pack: its manifest, and its frames with equal weights."""
    document = read_manifest(blobs, ref, Pack)
    counts_N = get_array(blobs, document.counts).astype(np.int64, copy=False)
    examples = Examples(
        pixels=get_array(blobs, document.pixels).astype(np.uint8, copy=False),
        values=get_array(blobs, document.values).astype(np.float32, copy=False),
        counts_N=counts_N,
        sizes_N2=get_array(blobs, document.sizes).astype(np.int64, copy=False),
        weights_N=np.ones(len(counts_N), dtype=np.float32),
    )
    return document, examples


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


def _examples(blobs: Blobs, ref: BlobRef, schema: object) -> Iterator[Labeled]:
    table = read_table(blobs, ref, schema, columns=["frame_id", *COLUMNS, "label"])
    ids, labels = (table.column(name).to_pylist() for name in ("frame_id", "label"))
    yield from zip(ids, frame_refs(table), labels, strict=True)


def _fraction(frame_id: str) -> float:
    digest = hashlib.sha256(f"calibration\x1f{frame_id}".encode()).hexdigest()
    return int(digest[:8], 16) / 2**32

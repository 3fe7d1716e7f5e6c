"""Dataset snapshot and holdout to arrays: decoded once, used by every member."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from winnow.calibration.slices import slices_of
from winnow.contracts.artifacts import read_manifest, read_table, write_manifest
from winnow.contracts.manifests import Dataset, Manifest
from winnow.contracts.references import COLUMNS, frame_refs
from winnow.contracts.tables import DATASET, HOLDOUT
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.estimation import inclusion_weights, training_weights
from winnow.policy.training_section import TrainingSection
from winnow.ports.blobs import Blobs
from winnow.tasks.evaluation import Grouping
from winnow.tasks.examples import Examples, Values, resized
from winnow.tasks.task import Task

ARRAY = "application/x-npy"
ORIGINS = ("inclusion_probability", "lure_weight", "session", "cluster")
"""Columns of a data set that say how a frame came to have its label, and where it is from."""
MISTAKES_SHOWN = 5
SLICED = ("site", "sensor", "vehicle")
"""Columns of the holdout that are looked at value by value, beside the tags."""


@dataclass(frozen=True, slots=True)
class Labeled:
    """One frame and its label."""

    frame_id: str
    frame: BlobRef
    label: str
    inclusion_probability: float | None = None
    lure_weight: float | None = None
    session: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    labeled: Labeled
    pixels: npt.NDArray[np.uint8]
    size: tuple[int, int]
    target: Values


class Pack(Manifest):
    """Frames as arrays; see `winnow.tasks.examples.Examples`."""

    frame_ids: tuple[str, ...]
    pixels: BlobRef
    values: BlobRef
    counts: BlobRef
    sizes: BlobRef
    inclusion_probabilities: tuple[float | None, ...]
    lure_weights: tuple[float | None, ...] = ()
    sessions: tuple[str | None, ...] = ()
    clusters: tuple[str | None, ...] = ()
    """Of duplicates. Empty, as the two before, in packs of earlier versions."""
    n_left_out: int
    """Frames that could not be read; of a holdout also those whose label does not fit."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How frames become arrays."""

    task: Task
    class_names: tuple[str, ...]
    height: int
    width: int
    prefix: str
    strict: bool
    """Labels that do not fit are mistakes; otherwise their frames are left out and counted."""


def training_labels(blobs: Blobs, dataset: Dataset) -> list[Labeled]:
    """Give the labels of a dataset snapshot.

    Raises
    ------
    BadInput
        A frame is also in a holdout: what is measured there would be worth nothing.
    """
    columns = ["frame_id", *COLUMNS, "label", *ORIGINS]
    labels = list(_labels(read_table(blobs, dataset.table, DATASET, columns=columns), *ORIGINS))
    held_out = {one.frame_id for one in holdout_labels(blobs, dataset)}
    if both := sorted(held_out & {one.frame_id for one in labels}):
        shown = ", ".join(both[:MISTAKES_SHOWN])
        msg = f"dataset snapshot {dataset.table.key}: expected no frame of a holdout, found "
        raise BadInput(f"{msg}{len(both)}: {shown}")
    return labels


def holdout_labels(blobs: Blobs, dataset: Dataset) -> list[Labeled]:
    """Give the labels of all holdouts."""
    columns = ["frame_id", *COLUMNS, "label"]
    tables = [read_table(blobs, ref, HOLDOUT, columns=columns) for ref in dataset.holdouts]
    return [one for table in tables for one in _labels(table)]


def holdout_grouping(
    blobs: Blobs, dataset: Dataset, frame_ids: Sequence[str], *, rare: tuple[str, ...]
) -> Grouping:
    """Give sessions and slices of holdout frames, in the order of `frame_ids`.

    A frame that has no session is one of its own.
    """
    names = ["frame_id", "session", "tags", *SLICED]
    rows = {
        row["frame_id"]: row
        for ref in dataset.holdouts
        for row in read_table(blobs, ref, HOLDOUT, columns=names).select(names).to_pylist()
    }
    chosen = [rows[frame_id] for frame_id in frame_ids]
    columns = {name: [row[name] or "" for row in chosen] for name in SLICED}
    return Grouping(
        sessions=[
            f"{row['vehicle']}/{row['session']}" if row["session"] else row["frame_id"]
            for row in chosen
        ],
        slices=slices_of(columns, tags=[row["tags"] or "" for row in chosen]),
        rare=rare,
    )


def pack(blobs: Blobs, labeled: Iterable[Labeled], recipe: Recipe) -> tuple[BlobRef, Pack]:
    """Decode frames and store them as arrays; frames that cannot be read are left out.

    Raises
    ------
    BadInput
        The recipe is strict and labels do not fit; all are counted, the first five told.
    """
    rows: list[_Row] = []
    n_left_out, mistakes = 0, []
    for one in labeled:
        try:
            pixels, size = resized(blobs.get(one.frame), height=recipe.height, width=recipe.width)
        except BadInput:
            n_left_out += 1
            continue
        try:
            target = recipe.task.target(one.label, class_names=recipe.class_names, size=size)
        except BadInput as error:
            n_left_out += 1
            mistakes.append(f"frame {one.frame_id}: {error}")
            continue
        rows.append(_Row(one, pixels, size, target))
    if mistakes and recipe.strict:
        shown = "; ".join(mistakes[:MISTAKES_SHOWN])
        msg = f"dataset snapshot: {len(mistakes)} labels cannot be learned from: {shown}"
        raise BadInput(msg)
    document = _stored(blobs, rows, recipe, n_left_out)
    return write_manifest(blobs, document, prefix=recipe.prefix), document


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


def labels_by_class(values: Values, class_names: Sequence[str]) -> dict[str, int]:
    """Give how many labels (of detection: objects) each class has."""
    counts = np.bincount(values[:, 0].astype(np.int64), minlength=len(class_names))
    return dict(zip(class_names, counts.tolist(), strict=True))


def label_weights(
    document: Pack, training: TrainingSection, rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Give how much some labels count in the loss: as the policy says, all 1 by default.

    Raises
    ------
    BadInput
        An inclusion probability outside (0, 1].
    """
    known = known_weights(document, training)
    given = [known[row] for row in rows.tolist()]
    if training.weights == "inclusion":
        return inclusion_weights(given, weight_max=training.weight_max)
    once = np.array([1.0 if one is None else one for one in given])
    return training_weights(once, weight_max=training.weight_max)


def known_weights(document: Pack, training: TrainingSection) -> tuple[float | None, ...]:
    """Give of each label what its weight is made of, None where undefined: it counts once."""
    if training.weights == "inclusion":
        return document.inclusion_probabilities
    nothing = (None,) * len(document.frame_ids)
    return document.lure_weights or nothing if training.weights == "lure" else nothing


def put_array(blobs: Blobs, array: npt.NDArray[np.generic], *, prefix: str) -> BlobRef:
    """Store an array; equal arrays have equal keys."""
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    return blobs.put(sink.getvalue(), prefix=prefix, media_type=ARRAY)


def get_array(blobs: Blobs, ref: BlobRef) -> npt.NDArray[np.generic]:
    """Load an array."""
    array: npt.NDArray[np.generic] = np.load(io.BytesIO(blobs.get(ref)), allow_pickle=False)
    return array


def _labels(table: pa.Table, *more: str) -> Iterator[Labeled]:
    ids, *columns = (table.column(name).to_pylist() for name in ("frame_id", "label", *more))
    rows = zip(ids, frame_refs(table), *columns, strict=True)
    return (Labeled(*row) for row in rows)


def _stored(
    blobs: Blobs,
    rows: Sequence[_Row],
    recipe: Recipe,
    n_left_out: int,
) -> Pack:
    width = rows[0].target.shape[1] if rows else 1
    nothing = np.empty((0, 3, recipe.height, recipe.width), dtype=np.uint8)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "pixels": np.stack([row.pixels for row in rows]) if rows else nothing,
        "values": np.concatenate([np.empty((0, width), np.float32), *(r.target for r in rows)]),
        "counts": np.array([len(row.target) for row in rows], dtype=np.int64),
        "sizes": np.array([row.size for row in rows], dtype=np.int64).reshape(len(rows), 2),
    }
    refs = {name: put_array(blobs, one, prefix=recipe.prefix) for name, one in arrays.items()}
    return Pack(
        frame_ids=tuple(row.labeled.frame_id for row in rows),
        inclusion_probabilities=tuple(row.labeled.inclusion_probability for row in rows),
        lure_weights=tuple(row.labeled.lure_weight for row in rows),
        sessions=tuple(row.labeled.session for row in rows),
        clusters=tuple(row.labeled.cluster for row in rows),
        n_left_out=n_left_out,
        **refs,
    )

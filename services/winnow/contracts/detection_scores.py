"""What a detection committee said of a pool: as columns for a choice, as boxes for people."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.acquisition.detection import (
    DETECTION_ACQUISITIONS,
    box_columns,
    information_columns,
)
from winnow.contracts.artifacts import read_table
from winnow.contracts.manifests import Scores
from winnow.contracts.tables import DETECTION_SCORES
from winnow.domain.boxes import Box, label_of
from winnow.domain.errors import SchemaMismatch
from winnow.ports.blobs import Blobs

Floats = npt.NDArray[np.float64]


def detection_columns(
    blobs: Blobs, scores: Scores, frame_ids: pa.ChunkedArray, names: Collection[str]
) -> tuple[npt.NDArray[np.bool_], dict[str, Floats]]:
    """Give which frames were scored, and their scores by name, NaN where they were not.

    Parameters
    ----------
    names
        Scores that a policy asks for; boxes are read only if one of them looks at boxes.

    Returns
    -------
    tuple
        [G] flags, and name -> float64 [G]: the maps' information, that of each class, and the
        scores by boxes among `names`.

    Raises
    ------
    SchemaMismatch
        Rows of another number of classes than the manifest names.

    Notes
    -----
    One part's boxes are in memory at a time.
    """
    by_boxes = sorted(n for n in names if n in DETECTION_ACQUISITIONS and _looks_at_boxes(n))
    found: dict[str, list[Floats]] = {}
    ids: list[pa.ChunkedArray] = [pa.chunked_array([[]], type=pa.string())]
    for part in scores.parts:
        columns = ["frame_id", "information", *(["boxes"] if by_boxes else [])]
        table = read_table(blobs, part, DETECTION_SCORES, columns=columns)
        of_part = information_columns(_information(table, scores), scores.class_names)
        if by_boxes:
            of_part |= box_columns(table["boxes"].to_pylist(), by_boxes)
        for name, values in of_part.items():
            found.setdefault(name, []).append(values)
        ids.append(table["frame_id"])
    known = pa.chunked_array([chunk for one in ids for chunk in one.chunks], type=pa.string())
    rows = pc.index_in(frame_ids, value_set=known.combine_chunks())
    row_N = rows.fill_null(-1).to_numpy().astype(np.int64)
    scored = row_N >= 0
    columns_of_frames: dict[str, Floats] = {}
    for name, parts in found.items():
        column = np.full(len(row_N), np.nan)
        column[scored] = np.concatenate(parts)[row_N[scored]]
        columns_of_frames[name] = column
    return scored, columns_of_frames


def shown_boxes(
    blobs: Blobs, scores: Scores, frame_ids: Sequence[str], *, score_min: float
) -> list[tuple[str, float] | None]:
    """Give what annotators are shown of each frame: a detection label and how sure it is.

    Parameters
    ----------
    score_min
        Boxes with a lower score are left out.

    Returns
    -------
    list
        For each frame the label's text and the mean score of its boxes; where no box is left, one
        minus the best score that was left out. None where the committee did not answer.
    """
    wanted = pa.array(list(frame_ids), type=pa.string())
    found: dict[str, str] = {}
    for table in _box_tables(blobs, scores):
        some = table.filter(pc.is_in(table["frame_id"], value_set=wanted))
        found |= zip(some["frame_id"].to_pylist(), some["boxes"].to_pylist(), strict=True)
    return [
        shown_label(found[frame_id], score_min) if frame_id in found else None
        for frame_id in frame_ids
    ]


def _box_tables(blobs: Blobs, scores: Scores) -> Iterator[pa.Table]:
    for part in scores.parts:
        yield read_table(blobs, part, DETECTION_SCORES, columns=["frame_id", "boxes"])


def shown_label(text: str, score_min: float) -> tuple[str, float]:
    """Give the label of a committee's boxes from a score on, and how sure it is of it."""
    boxes = json.loads(text)
    kept = [box for box in boxes if box["score"] >= score_min]
    label = label_of(Box(box["class"], *box["box"]) for box in kept)
    if kept:
        return label, float(np.mean([box["score"] for box in kept]))
    return label, 1.0 - max((float(box["score"]) for box in boxes), default=0.0)


def _looks_at_boxes(name: str) -> bool:
    return DETECTION_ACQUISITIONS[name].boxes is not None


def _information(table: pa.Table, scores: Scores) -> npt.NDArray[np.float32]:
    width = len(scores.class_names)
    lengths = pc.list_value_length(table["information"])
    if not pc.all(pc.equal(lengths, width), min_count=0).as_py():
        msg = f"scores of {scores.round_id}: expected {width} classes in each row of information"
        raise SchemaMismatch(msg)
    values = pc.list_flatten(table["information"]).to_numpy()
    information: npt.NDArray[np.float32] = values.astype(np.float32).reshape(-1, width)
    return information

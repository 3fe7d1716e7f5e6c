"""Embeddings of the frames that a policy names as examples, from a stored snapshot."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from winnow.contracts.artifacts import read_table
from winnow.contracts.frame_columns import TAGS, columns_of
from winnow.contracts.manifests import Snapshot
from winnow.contracts.tables import EMBEDDED, LABELED, SNAPSHOT_PART
from winnow.domain.errors import BadInput
from winnow.policy.examples import ExamplesSection
from winnow.ports.blobs import Blobs
from winnow.strategies.protocol import Flags


def examples_in(
    blobs: Blobs, snapshot: Snapshot, section: ExamplesSection | None
) -> npt.NDArray[np.float32]:
    """Give [E, D] embeddings of examples: frames of the pool, gated or not, and labeled ones.

    Reads embeddings of parts that hold an example. A column that no frame of a part has matches
    nothing there; named frames that have no embedding are left out.

    Raises
    ------
    BadInput
        The policy names no examples, or none of them is there.
    """
    if section is None:
        msg = "selection.examples: expected what to look for, found none"
        raise BadInput(msg)
    found: list[list[float]] = []
    n_known = snapshot.n_frames
    for part in snapshot.parts:
        frames = read_table(blobs, part.part, SNAPSHOT_PART, columns=["row", *_names(section)])
        rows = frames["row"].filter(pa.array(_wanted(frames, section)))
        if len(rows):
            embedded = read_table(blobs, part.embedded, EMBEDDED, columns=["embedding"])
            found += embedded.take(rows)["embedding"].drop_null().to_pylist()
    if snapshot.labeled is not None:
        columns = ["embedding", *_names(section)]
        labeled = read_table(blobs, snapshot.labeled, LABELED, columns=columns)
        n_known += labeled.num_rows
        found += labeled["embedding"].filter(pa.array(_wanted(labeled, section))).to_pylist()
    if not found:
        msg = f"selection.examples: expected {section}, found none of them among {n_known} frames"
        raise BadInput(msg)
    return np.array(found, dtype=np.float32)


def _names(section: ExamplesSection) -> list[str]:
    name = section.column
    if name is None:
        return ["frame_id"]
    return sorted({"frame_id", name if name in SNAPSHOT_PART.names else TAGS})


def _wanted(frames: pa.Table, section: ExamplesSection) -> Flags:
    ids = np.array(frames["frame_id"].to_pylist(), dtype=np.str_)
    wanted: Flags = np.isin(ids, np.array(section.frame_ids, dtype=np.str_))
    if section.column is not None and _have(frames, section.column):
        wanted |= section.in_column(columns_of(frames, {section.column})[section.column])
    return wanted


def _have(frames: pa.Table, name: str) -> bool:
    """Tell whether any of these frames has a column or tag."""
    if name in frames.column_names or TAGS not in frames.column_names:
        return name in frames.column_names
    return any(name in json.loads(text or "{}") for text in frames[TAGS].unique().to_pylist())

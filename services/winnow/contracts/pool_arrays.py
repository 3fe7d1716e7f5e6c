"""Arrays of a choice, read from the tables of a snapshot and its scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.contracts.artifacts import read_table
from winnow.contracts.manifests import Scores, Snapshot, SnapshotPart
from winnow.contracts.tables import EMBEDDED, HELD_FRAMES, LABELED, SCORES, SNAPSHOT_PART
from winnow.domain.errors import SchemaMismatch
from winnow.ports.blobs import Blobs


def pool_embeddings(blobs: Blobs, snapshot: Snapshot) -> npt.NDArray[np.float32]:
    """Give the embeddings of all eligible frames, [G, D], in the snapshot's order."""
    dimension = snapshot.embedding_dimension
    rows_ND = np.empty((snapshot.n_eligible, dimension), dtype=np.float32)
    filled = 0
    for part in snapshot.parts:
        rows = _part_embeddings(blobs, part, dimension)
        if filled + len(rows) > len(rows_ND):
            msg = f"snapshot {snapshot.round_id}: expected {len(rows_ND)} eligible, found more"
            raise SchemaMismatch(msg)
        rows_ND[filled : filled + len(rows)] = rows
        filled += len(rows)
    return rows_ND[:filled]


def _part_embeddings(blobs: Blobs, part: SnapshotPart, dimension: int) -> npt.NDArray[np.float32]:
    frames = read_table(blobs, part.part, SNAPSHOT_PART, columns=["frame_id", "row", "gate"])
    frames = frames.filter(pc.equal(frames["gate"], ""))
    embedded = read_table(blobs, part.embedded, EMBEDDED, columns=["frame_id", "embedding"])
    taken = embedded.take(frames["row"])
    if taken["frame_id"].to_pylist() != frames["frame_id"].to_pylist():
        msg = f"{part.part.key}: column row: expected the rows of {part.embedded.key}, found others"
        raise SchemaMismatch(msg)
    return _vectors(taken["embedding"], dimension, where=part.embedded.key)


def label_centers(blobs: Blobs, snapshot: Snapshot) -> npt.NDArray[np.float32]:
    """Give the embeddings of the labeled frames, [L, D]."""
    if snapshot.labeled is None:
        return np.empty((0, snapshot.embedding_dimension), dtype=np.float32)
    labeled = read_table(blobs, snapshot.labeled, LABELED, columns=["embedding"])
    return _vectors(labeled["embedding"], snapshot.embedding_dimension, where=snapshot.labeled.key)


def held_centers(blobs: Blobs, snapshot: Snapshot) -> npt.NDArray[np.float32]:
    """Give the embeddings of frames that other rounds held when the snapshot was taken, [K, D].

    Frames without an embedding are left out; earlier snapshots tell of none.
    """
    if snapshot.held is None:
        return np.empty((0, snapshot.embedding_dimension), dtype=np.float32)
    held = read_table(blobs, snapshot.held, HELD_FRAMES, columns=["embedding"])
    rows = held["embedding"].drop_null()
    return _vectors(rows, snapshot.embedding_dimension, where=snapshot.held.key)


def _vectors(column: pa.ChunkedArray, dimension: int, *, where: str) -> npt.NDArray[np.float32]:
    lengths = pc.list_value_length(column)
    if column.null_count or not pc.all(pc.equal(lengths, dimension), min_count=0).as_py():
        msg = f"{where}: column embedding: expected {dimension} numbers in each row"
        raise SchemaMismatch(msg)
    values = pc.list_flatten(column).to_numpy().astype(np.float32, copy=False)
    vectors: npt.NDArray[np.float32] = values.reshape(len(column), dimension)
    return vectors


def class_probabilities(
    blobs: Blobs, scores: Scores | None, frame_ids: pa.ChunkedArray
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32] | None]:
    """Give which frames have scores, and these in the frames' order."""
    if scores is None:
        return np.zeros(len(frame_ids), dtype=np.bool_), None
    shape = (-1, len(scores.members), len(scores.class_names))
    table = pa.concat_tables(
        [read_table(blobs, part, SCORES) for part in scores.parts] or [SCORES.empty_table()]
    )
    width = shape[1] * shape[2]
    probs = _vectors(table["probs"], width, where=f"scores of {scores.round_id}")
    rows = pc.index_in(frame_ids, value_set=table["frame_id"].combine_chunks())
    row_N = rows.fill_null(-1).to_numpy().astype(np.int64)
    scored = row_N >= 0
    probs_NMC: npt.NDArray[np.float32] = probs[row_N[scored]].reshape(shape)
    return scored, probs_NMC

"""The pool as arrays, and the snapshot of it that a round is pinned to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.constraints.duplicates import Positions, duplicate_clusters, representatives
from winnow.constraints.gates import Gate
from winnow.contracts.artifacts import read_table, write_table
from winnow.contracts.manifests import SnapshotPart
from winnow.contracts.tables import (
    EMBEDDED,
    FRAMES,
    HELD_FRAMES,
    HOLDOUT,
    LABELED_FRAMES,
    SNAPSHOT_PART,
)
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import SchemaMismatch
from winnow.policy.round_sections import GateSection
from winnow.ports.blobs import Blobs

PREFIX = "snapshots"

Strings = npt.NDArray[np.str_]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pool:
    """All frames of all shards, in the order of `shards`."""

    shards: tuple[BlobRef, ...]
    """EMBEDDED tables."""
    starts: tuple[int, ...]
    """First position of each shard, and the number of frames at the end."""
    frame_ids_N: Strings
    sha256_N: Strings
    gates_N: Strings
    """First gate measured at embedding, or empty."""
    phash_N: npt.NDArray[np.uint64]
    embedded_N: Flags
    """Frames that were decoded: they have a hash and a vector."""
    embeddings_ND: npt.NDArray[np.float32]
    """Zero where not embedded."""


@dataclass(frozen=True, slots=True)
class GatedPool:
    """A pool after all gates: what a snapshot says of each frame."""

    gates_N: Strings
    details_N: tuple[str, ...]
    representative_N: Positions
    cluster_sizes_N: Positions
    taken_N: Flags
    """Frames with a label, or in the hands of an open round: left out."""

    @property
    def n_frames(self) -> int:
        """Frames that the snapshot lists."""
        return int((~self.taken_N).sum())

    @property
    def n_eligible(self) -> int:
        """Frames that no gate blocks."""
        return int((~self.taken_N & (self.gates_N == "")).sum())

    def blocked(self) -> dict[str, int]:
        """Give how many listed frames each gate blocks."""
        counts = Counter(self.gates_N[~self.taken_N].tolist())
        return {gate: n for gate, n in sorted(counts.items()) if gate}


def read_pool(blobs: Blobs, shards: Sequence[BlobRef]) -> Pool:
    """Load what gates and clusters need of every frame; O(N · D) memory.

    Raises
    ------
    SchemaMismatch
        Embeddings of different lengths.
    """
    columns = ["frame_id", "sha256", "gate", "phash", "embedding"]
    tables = [read_table(blobs, ref, EMBEDDED, columns=columns) for ref in shards]
    pool = pa.concat_tables(tables or [EMBEDDED.empty_table().select(columns)])
    embedded_N = np.asarray(pc.is_valid(pool["embedding"]).to_numpy(), dtype=np.bool_)
    return Pool(
        shards=tuple(shards),
        starts=tuple(np.cumsum([0, *(len(table) for table in tables)]).tolist()),
        frame_ids_N=_strings(pool["frame_id"]),
        sha256_N=_strings(pool["sha256"]),
        gates_N=_strings(pool["gate"]),
        phash_N=pool["phash"].fill_null(0).to_numpy().astype(np.uint64, copy=False),
        embedded_N=embedded_N,
        embeddings_ND=_vectors(pool["embedding"], embedded_N),
    )


def gate_pool(
    pool: Pool, section: GateSection, *, taken: Collection[str], holdout_sha256: Collection[str]
) -> GatedPool:
    """Cluster duplicates over the whole pool and say what blocks each frame.

    Of a cluster one frame stays; none if one of its frames is taken, or has the bytes of a
    holdout frame (then the whole cluster belongs to the holdout's side).

    Parameters
    ----------
    taken
        Frames that have a label or are held by an open round.
    holdout_sha256
        Digests of frames that measure the committee.
    """
    cluster_N = duplicate_clusters(
        pool.sha256_N.tolist(),
        pool.phash_N,
        hashed_N=pool.embedded_N,
        embeddings_ND=pool.embeddings_ND,
        hash_bits_max=section.duplicate_hash_bits,
        cosine_min=section.duplicate_cosine,
    )
    taken_N = np.isin(pool.frame_ids_N, np.array(sorted(taken), dtype=np.str_))
    leaking_N = np.isin(pool.sha256_N, np.array(sorted(holdout_sha256), dtype=np.str_))
    chosen_N = representatives(
        cluster_N, pool.frame_ids_N.tolist(), labeled_N=taken_N, blocked_N=pool.gates_N != ""
    )
    gates_N = pool.gates_N.astype("U32")
    passing_N = gates_N == ""
    held_N = np.isin(cluster_N, np.unique(cluster_N[leaking_N]))
    gates_N[passing_N & held_N] = Gate.HOLDOUT
    gates_N[passing_N & ~held_N & (chosen_N != np.arange(len(chosen_N)))] = Gate.DUPLICATE
    return GatedPool(
        gates_N=gates_N,
        details_N=_details(gates_N, pool.frame_ids_N, chosen_N, taken_N),
        representative_N=chosen_N,
        cluster_sizes_N=np.bincount(cluster_N, minlength=len(cluster_N))[cluster_N],
        taken_N=taken_N,
    )


def write_parts(blobs: Blobs, pool: Pool, gated: GatedPool) -> tuple[SnapshotPart, ...]:
    """Store the snapshot part by part: one for each shard that still has frames to list."""
    parts = []
    for pos, shard in enumerate(pool.shards):
        start, end = pool.starts[pos], pool.starts[pos + 1]
        rows = np.flatnonzero(~gated.taken_N[start:end])
        if not len(rows):
            continue
        table = _part(blobs, shard, pool, gated, rows=rows, positions=rows + start)
        ref = write_table(blobs, table, SNAPSHOT_PART, prefix=PREFIX)
        parts.append(SnapshotPart(part=ref, embedded=shard, n_frames=len(rows)))
    return tuple(parts)


def write_labeled(
    blobs: Blobs, pool: Pool, gated: GatedPool, values: Mapping[str, str]
) -> BlobRef | None:
    """Store labels with embeddings and provenance, by frame; None if there are none.

    Parameters
    ----------
    values
        Canonical JSON of the answer for each labeled frame.
    """
    found, columns = _by_frame(blobs, pool, gated, values.keys())
    embedded = pool.embedded_N[found]
    found, table = found[embedded], pa.table(columns).filter(embedded)
    if not len(found):
        return None
    labels = [label_text(values[frame_id]) for frame_id in table["frame_id"].to_pylist()]
    vectors = pa.array(list(pool.embeddings_ND[found]), LABELED_FRAMES.field("embedding").type)
    table = table.append_column("label", [labels]).append_column("embedding", vectors)
    return write_table(blobs, table, LABELED_FRAMES, prefix=PREFIX)


def write_held(
    blobs: Blobs, pool: Pool, gated: GatedPool, frame_ids: Collection[str]
) -> BlobRef | None:
    """Store provenance and embeddings of frames on their way to a label; None if there are none."""
    found, columns = _by_frame(blobs, pool, gated, frame_ids)
    if not len(found):
        return None
    pairs = zip(pool.embedded_N[found].tolist(), found.tolist(), strict=True)
    rows = [pool.embeddings_ND[pos] if embedded else None for embedded, pos in pairs]
    vectors = pa.array(rows, HELD_FRAMES.field("embedding").type)
    table = pa.table(columns).append_column("embedding", vectors)
    return write_table(blobs, table, HELD_FRAMES, prefix=PREFIX)


def holdout_digests(blobs: Blobs, holdouts: Sequence[BlobRef]) -> frozenset[str]:
    """Give the digests of all holdout frames' bytes."""
    tables = [read_table(blobs, ref, HOLDOUT, columns=["sha256"]) for ref in holdouts]
    return frozenset().union(*(table["sha256"].to_pylist() for table in tables))


def label_text(value: str) -> str:
    """Give the class that an answer names.

    Examples
    --------
    >>> label_text('"cat"'), label_text('{"label":"cat"}')
    ('cat', 'cat')
    """
    try:
        answer = json.loads(value)
    except json.JSONDecodeError:
        return value
    return str(answer["label"]) if isinstance(answer, dict) and "label" in answer else str(answer)


def _by_frame(
    blobs: Blobs, pool: Pool, gated: GatedPool, frame_ids: Collection[str]
) -> tuple[Positions, dict[str, object]]:
    """Give positions of these frames, by frame id, and their columns of HELD_FRAMES."""
    known_N = np.isin(pool.frame_ids_N, np.array(sorted(frame_ids), dtype=np.str_))
    found = np.flatnonzero(known_N)
    order = np.argsort(pool.frame_ids_N[found])
    frames = _provenance(blobs, pool, found).take(pa.array(order))
    found = found[order]
    clusters = pool.frame_ids_N[gated.representative_N[found]].tolist()
    columns = {name: frames[name] for name in frames.column_names}
    return found, {**columns, "cluster": pa.array(clusters, pa.string())}


def _provenance(blobs: Blobs, pool: Pool, positions: Positions) -> pa.Table:
    """Give where frames of the pool are from; positions ascend, and other shards stay unread."""
    names = [name for name in HELD_FRAMES.names if name in FRAMES.names]
    tables = [FRAMES.empty_table().select(names)]
    for pos, shard in enumerate(pool.shards):
        start, end = pool.starts[pos], pool.starts[pos + 1]
        rows = positions[(positions >= start) & (positions < end)] - start
        if len(rows):
            frames = read_table(blobs, shard, EMBEDDED, columns=names)
            tables.append(frames.take(pa.array(rows)))
    return pa.concat_tables(tables)


def _part(
    blobs: Blobs,
    shard: BlobRef,
    pool: Pool,
    gated: GatedPool,
    *,
    rows: Positions,
    positions: Positions,
) -> pa.Table:
    """Give a shard's part: `rows` of its table, which stand at `positions` of the pool."""
    frames = read_table(blobs, shard, EMBEDDED, columns=[*FRAMES.names, "gate_detail"])
    kept = frames.take(pa.array(rows))
    measured = kept["gate_detail"].to_pylist()
    details = [gated.details_N[pos] or old for pos, old in zip(positions, measured, strict=True)]
    columns = {
        "row": rows,
        "gate": gated.gates_N[positions].tolist(),
        "gate_detail": details,
        "cluster": pool.frame_ids_N[gated.representative_N[positions]].tolist(),
        "cluster_size": gated.cluster_sizes_N[positions],
    }
    table = kept.select(FRAMES.names)
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, SNAPSHOT_PART.field(name).type))
    return table


def _details(
    gates_N: Strings, frame_ids_N: Strings, chosen_N: Positions, taken_N: Flags
) -> tuple[str, ...]:
    details = [""] * len(gates_N)
    for pos in np.flatnonzero(gates_N == Gate.DUPLICATE).tolist():
        other = int(chosen_N[pos])
        kind = "labeled or held" if taken_N[other] else "chosen"
        details[pos] = f"near-duplicate of {kind} frame {frame_ids_N[other]}"
    for pos in np.flatnonzero(gates_N == Gate.HOLDOUT).tolist():
        details[pos] = "same bytes as a holdout frame, or a near-duplicate of such a frame"
    return tuple(details)


def _vectors(column: pa.ChunkedArray, embedded_N: Flags) -> npt.NDArray[np.float32]:
    lengths = pc.unique(pc.list_value_length(column).drop_null()).to_pylist()
    if len(lengths) > 1:
        msg = f"pool: expected embeddings of one length, found {sorted(lengths)}"
        raise SchemaMismatch(msg)
    dimension = lengths[0] if lengths else 0
    vectors_ND = np.zeros((len(column), dimension), dtype=np.float32)
    values = pc.list_flatten(column).to_numpy()
    vectors_ND[embedded_N] = values.reshape(-1, dimension) if dimension else 0
    return vectors_ND


def _strings(column: pa.ChunkedArray) -> Strings:
    return np.array(column.to_pylist(), dtype=np.str_)

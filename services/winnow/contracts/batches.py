"""From stored artifacts to the arrays that a selection takes, and from its proposal back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.acquisition.registry import RECORDED
from winnow.contracts.artifacts import (
    BATCH,
    CANDIDATES,
    EMBEDDED,
    LABELED,
    LABELED_FRAMES,
    SCORES,
    SNAPSHOT_PART,
    Batch,
    Scores,
    Snapshot,
    SnapshotPart,
    read_manifest,
    read_table,
)
from winnow.contracts.frame_columns import TAGS, columns_of, texts_of
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import SchemaMismatch
from winnow.domain.ids import RoundId, batch_id_of, round_number_of
from winnow.policy.constraining import CAPTURED
from winnow.policy.inputs import SelectionInputs
from winnow.policy.model import parse_policy
from winnow.policy.needs import Needs, needs_of
from winnow.policy.proposal import Proposal
from winnow.policy.select import SELECTOR_VERSION
from winnow.policy.switch import Standing
from winnow.ports.blobs import Blobs
from winnow.strategies.protocol import Column

PREFIX: Final = "selection"
_BLOB_COLUMNS: Final = ("bucket", "key", "sha256", "size_bytes", "media_type")
_POOL_COLUMNS: Final = ["frame_id", "row", "gate", "gate_detail", "cluster"]


@dataclass(frozen=True, slots=True)
class Sources:
    """References that a choice is pinned to, and what the ledger said when it was made."""

    round_id: RoundId
    snapshot: BlobRef
    scores: BlobRef | None
    policy: BlobRef
    seed: int
    affordable_micros: int
    held: tuple[str, ...] = ()
    """Frames with a label or on their way to one; those outside the pool do not matter."""
    n_asked: int | None = None
    """Frames that an adaptive batch size came to; none: those of the policy."""
    acquisitions: tuple[str, ...] = RECORDED
    """Functions whose scores go on the candidate records, beside that of the policy."""


def load_inputs(blobs: Blobs, sources: Sources) -> SelectionInputs:
    """Read the arrays of a choice.

    Only embeddings of frames that pass the gates are read, and only if the strategy needs them;
    memory is that of these arrays and one part.
    """
    policy = parse_policy(blobs.get(sources.policy), where=sources.policy.key)
    snapshot = read_manifest(blobs, sources.snapshot, Snapshot)
    scores = None if sources.scores is None else read_manifest(blobs, sources.scores, Scores)
    labels = _labels(blobs, snapshot)
    standing = Standing.of(
        has_committee=scores is not None,
        n_labeled=len(labels),
        labels=labels.tolist(),
        class_names=snapshot.class_names,
        round_number=round_number_of(sources.round_id),
    )
    needs = needs_of(policy, standing)
    pool, passed = _frames_of(blobs, snapshot, needs)
    scored, probs_NMC = _probabilities(blobs, scores, passed["frame_id"])
    eligible = set(passed["frame_id"].to_pylist()) if sources.held else set()
    with_embeddings = needs.reads("embeddings")
    columns, labeled_columns = _columns(passed, _labeled_frames(blobs, snapshot), needs)
    return SelectionInputs(
        policy=policy,
        seed=sources.seed,
        affordable_micros=sources.affordable_micros,
        frame_ids=_strings(pool["frame_id"]),
        gates=_strings(pool["gate"]),
        gate_details=_strings(pool["gate_detail"]),
        clusters=_strings(pool["cluster"]),
        embeddings_ND=_embeddings(blobs, snapshot) if with_embeddings else None,
        centers_LD=_centers(blobs, snapshot) if with_embeddings else None,
        scored=scored,
        probs_NMC=probs_NMC,
        held=tuple(sorted(eligible & set(sources.held))),
        n_asked=sources.n_asked,
        acquisitions=sources.acquisitions,
        round_number=standing.round_number,
        counted=standing,
        class_names=snapshot.class_names,
        labels=labels,
        sessions=texts_of(passed["session"]) if needs.reads("sessions") else None,
        captured_us=_micros(passed["captured_at"]) if needs.reads("times") else None,
        columns=columns,
        labeled_columns=labeled_columns,
    )


def _frames_of(blobs: Blobs, snapshot: Snapshot, needs: Needs) -> tuple[pa.Table, pa.Table]:
    """Give all frames of the snapshot, and those that pass its gates with what is needed."""
    wanted = {"session"} if needs.reads("sessions") else set()
    wanted |= {"captured_at"} if needs.reads("times") else set()
    for name in needs.columns:
        wanted.add(name if name in SNAPSHOT_PART.names else TAGS)
    columns = [*_POOL_COLUMNS, *sorted(wanted - set(_POOL_COLUMNS))]
    tables = [read_table(blobs, p.part, SNAPSHOT_PART, columns=columns) for p in snapshot.parts]
    pool = pa.concat_tables(tables or [SNAPSHOT_PART.empty_table().select(columns)])
    return pool, pool.filter(pc.equal(pool["gate"], ""))


def _labeled_frames(blobs: Blobs, snapshot: Snapshot) -> pa.Table:
    """Give where the labeled frames are from; earlier snapshots do not say, and so count none."""
    if snapshot.labeled is None:
        return LABELED_FRAMES.empty_table()
    names = [name for name in LABELED_FRAMES.names if name not in LABELED.names]
    return read_table(blobs, snapshot.labeled, LABELED, columns=["frame_id", *names])


def _columns(
    passed: pa.Table, labeled: pa.Table, needs: Needs
) -> tuple[dict[str, Column], dict[str, Column]]:
    """Give the columns of the pool and, as far as they are known, of the labeled frames.

    Both are read as one, so that a tag has one type.
    """
    n_frames = len(passed)
    known = {n for n in needs.columns if n in labeled.column_names or n not in SNAPSHOT_PART.names}
    if TAGS not in labeled.column_names:
        known &= set(labeled.column_names)
    columns = columns_of(passed, needs.columns - known)
    of_labeled: dict[str, Column] = {}
    if known:
        shared = [name for name in passed.column_names if name in labeled.column_names]
        both = pa.concat_tables([passed.select(shared), labeled.select(shared)])
        for name, column in columns_of(both, known).items():
            columns[name], of_labeled[name] = column[:n_frames], column[n_frames:]
    if needs.reads("sessions") and "session" in labeled.column_names:
        of_labeled["session"] = texts_of(labeled["session"])
    if needs.reads("times") and "captured_at" in labeled.column_names:
        of_labeled[CAPTURED] = _micros(labeled["captured_at"])
    return columns, of_labeled


def _micros(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    micros: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return micros


def _labels(blobs: Blobs, snapshot: Snapshot) -> npt.NDArray[np.str_]:
    if snapshot.labeled is None:
        return np.empty(0, dtype="<U1")
    return _strings(read_table(blobs, snapshot.labeled, LABELED, columns=["label"])["label"])


def _embeddings(blobs: Blobs, snapshot: Snapshot) -> npt.NDArray[np.float32]:
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


def _centers(blobs: Blobs, snapshot: Snapshot) -> npt.NDArray[np.float32]:
    if snapshot.labeled is None:
        return np.empty((0, snapshot.embedding_dimension), dtype=np.float32)
    labeled = read_table(blobs, snapshot.labeled, LABELED, columns=["embedding"])
    return _vectors(labeled["embedding"], snapshot.embedding_dimension, where=snapshot.labeled.key)


def _vectors(column: pa.ChunkedArray, dimension: int, *, where: str) -> npt.NDArray[np.float32]:
    lengths = pc.list_value_length(column)
    if column.null_count or not pc.all(pc.equal(lengths, dimension), min_count=0).as_py():
        msg = f"{where}: column embedding: expected {dimension} numbers in each row"
        raise SchemaMismatch(msg)
    values = pc.list_flatten(column).to_numpy().astype(np.float32, copy=False)
    vectors: npt.NDArray[np.float32] = values.reshape(len(column), dimension)
    return vectors


def _probabilities(
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


def _strings(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    return np.array(column.fill_null("").to_pylist(), dtype=np.str_)


def candidates_table(inputs: SelectionInputs, proposal: Proposal) -> pa.Table:
    """Give the candidate score records, in the snapshot's order."""
    ranks = proposal.ranks
    columns = {
        "frame_id": inputs.frame_ids.tolist(),
        "cluster": inputs.clusters.tolist(),
        "gate": proposal.gates.tolist(),
        "score": _nullable(proposal.scores),
        "components": list(proposal.components),
        "selected": ranks >= 0,
        "rank": pa.array(ranks.astype(np.int32), mask=ranks < 0),
        "arm": proposal.arms.tolist(),
        "utility": _nullable(proposal.utilities),
        "reason": list(proposal.reasons),
        "inclusion_probability": _nullable(proposal.inclusion),
        "draw_probability": _nullable(proposal.draw),
        "price_micros": proposal.price_micros,
    }
    return pa.table(columns, schema=CANDIDATES)


def batch_table(
    blobs: Blobs, snapshot: Snapshot, inputs: SelectionInputs, proposal: Proposal
) -> pa.Table:
    """Give the proposed batch in rank order."""
    chosen = proposal.batch
    frames = _frames(blobs, snapshot, inputs.frame_ids[chosen].tolist())
    names = np.array([*snapshot.class_names, ""], dtype=np.str_)
    columns = {
        "rank": np.arange(len(chosen), dtype=np.int32),
        **{name: frames[name] for name in ("frame_id", *_BLOB_COLUMNS, "session", "site")},
        "cluster": inputs.clusters[chosen].tolist(),
        "arm": proposal.arms[chosen].tolist(),
        "score": _nullable(proposal.scores[chosen]),
        "utility": _nullable(proposal.utilities[chosen]),
        "reason": [proposal.reasons[pos] for pos in chosen.tolist()],
        "inclusion_probability": _nullable(proposal.inclusion[chosen]),
        "draw_probability": _nullable(proposal.draw[chosen]),
        "price_micros": proposal.price_micros[chosen],
        "pre_label": names[proposal.pre_label].tolist(),
        "pre_label_score": _nullable(proposal.pre_label_score),
    }
    return pa.table(columns, schema=BATCH)


def _frames(blobs: Blobs, snapshot: Snapshot, frame_ids: list[str]) -> pa.Table:
    """Give references, session and site of these frames, in this order; one part at a time."""
    wanted = pa.array(frame_ids, type=pa.string())
    columns = ["frame_id", *_BLOB_COLUMNS, "session", "site"]
    found = [SNAPSHOT_PART.empty_table().select(columns)]
    for part in snapshot.parts:
        frames = read_table(blobs, part.part, SNAPSHOT_PART, columns=columns)
        found.append(frames.filter(pc.is_in(frames["frame_id"], value_set=wanted)))
    table = pa.concat_tables(found)
    return table.take(pc.index_in(wanted, value_set=table["frame_id"].combine_chunks()))


def _nullable(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values, type=pa.float64(), mask=np.isnan(values))


def label_schema_sha256(label_task: str, class_names: tuple[str, ...]) -> str:
    """Give the digest that a batch, its project and its export must agree on."""
    schema = {"label_task": label_task, "class_names": list(class_names)}
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def batch_manifest(
    sources: Sources,
    snapshot: Snapshot,
    inputs: SelectionInputs,
    proposal: Proposal,
    *,
    table: BlobRef,
    candidates: BlobRef,
    candidate_record: BlobRef | None,
    scored_by: str,
) -> Batch:
    """Give the manifest of a proposed batch; `scored_by` is the committee version of its scores."""
    policy = inputs.policy
    return Batch(
        round_id=sources.round_id,
        batch_id=batch_id_of(sources.round_id),
        label_task=snapshot.label_task,
        class_names=snapshot.class_names,
        instructions=policy.label.instructions,
        label_schema_sha256=label_schema_sha256(snapshot.label_task, snapshot.class_names),
        snapshot=sources.snapshot,
        scores=sources.scores,
        policy=sources.policy,
        seed=sources.seed,
        selector_version=SELECTOR_VERSION,
        table=table,
        candidates=candidates,
        n_frames=len(proposal.batch),
        slots=policy.label.slots,
        price_micros=int(proposal.price_micros[proposal.batch].sum()),
        pre_label_model=scored_by,
        holdouts=snapshot.holdouts,
        budget_ids=snapshot.budget_ids,
        affordable_micros=sources.affordable_micros,
        held=inputs.held,
        n_asked=inputs.n_asked,
        strategy=proposal.strategy,
        acquisitions=sources.acquisitions,
        candidate_record=candidate_record,
    )


def sources_of(batch: Batch) -> Sources:
    """Give what a stored batch was chosen from."""
    return Sources(
        round_id=RoundId(batch.round_id),
        snapshot=batch.snapshot,
        scores=batch.scores,
        policy=batch.policy,
        seed=batch.seed,
        affordable_micros=batch.affordable_micros,
        held=batch.held,
        n_asked=batch.n_asked,
        acquisitions=batch.acquisitions,
    )

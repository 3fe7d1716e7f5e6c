"""From stored artifacts to the arrays that a selection takes, and from its proposal back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.acquisition.detection import is_detection_score
from winnow.acquisition.registry import RECORDED
from winnow.contracts.artifacts import read_manifest, read_table
from winnow.contracts.detection_scores import detection_columns, shown_boxes
from winnow.contracts.examples import examples_in
from winnow.contracts.frame_columns import TAGS, columns_of, texts_of
from winnow.contracts.manifests import Batch, Scores, Snapshot
from winnow.contracts.pool_arrays import (
    class_probabilities,
    held_centers,
    label_centers,
    pool_embeddings,
)
from winnow.contracts.tables import (
    CANDIDATES,
    EMBEDDED,
    HELD_FRAMES,
    LABELED,
    SNAPSHOT_PART,
    batch_schema,
)
from winnow.domain.blob_ref import BlobRef
from winnow.domain.boxes import classes_in
from winnow.domain.ids import RoundId, batch_id_of, round_number_of
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.policy.constraining import CAPTURED
from winnow.policy.inputs import SelectionInputs
from winnow.policy.model import stored_policy
from winnow.policy.needs import Needs, needs_of
from winnow.policy.proposal import Proposal
from winnow.policy.select import SELECTOR_VERSION
from winnow.policy.switch import Standing
from winnow.ports.blobs import Blobs
from winnow.strategies.protocol import Column

PREFIX: Final = "selection"
_BLOB_COLUMNS: Final = ("bucket", "key", "sha256", "size_bytes", "media_type")
_SIZED: Final = ["frame_id", "width", "height"]
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
    """Frames with a label or on their way to one; those outside the snapshot do not matter."""
    n_asked: int | None = None
    """Frames that an adaptive batch size came to; none: those of the policy."""
    acquisitions: tuple[str, ...] = RECORDED
    """Functions whose scores go on the candidate records, beside that of the policy."""


def load_inputs(blobs: Blobs, sources: Sources) -> SelectionInputs:
    """Read the arrays of a choice.

    Only embeddings of frames that pass the gates are read, and only if the strategy needs them;
    memory is that of these arrays and one part.
    """
    policy = stored_policy(blobs.get(sources.policy), where=sources.policy.key)
    snapshot = read_manifest(blobs, sources.snapshot, Snapshot)
    scores = None if sources.scores is None else read_manifest(blobs, sources.scores, Scores)
    detects = snapshot.label_kind == DETECTION
    labels = _labels(blobs, snapshot)
    standing = Standing.of(
        has_committee=scores is not None,
        n_labeled=len(labels),
        labels=_classes(labels.tolist(), snapshot.label_kind),
        class_names=snapshot.class_names,
        round_number=round_number_of(sources.round_id),
    )
    needs = needs_of(policy, standing)
    asked = frozenset(name for name in needs.columns if detects and is_detection_score(name))
    needs = replace(needs, columns=needs.columns - asked)
    pool, passed = _frames_of(blobs, snapshot, needs)
    said: dict[str, npt.NDArray[np.float64]] = {}
    if detects and scores is not None:
        scored, said = detection_columns(blobs, scores, passed["frame_id"], asked)
        probs_NMC = None
    else:
        scored, probs_NMC = class_probabilities(blobs, scores, passed["frame_id"])
    held = pool.filter(pc.is_in(pool["frame_id"], value_set=pa.array(sources.held, pa.string())))
    with_embeddings = needs.reads("embeddings")
    columns, labeled_columns = _columns(passed, _taken_frames(blobs, snapshot, held), needs)
    return SelectionInputs(
        policy=policy,
        seed=sources.seed,
        affordable_micros=sources.affordable_micros,
        frame_ids=_strings(pool["frame_id"]),
        gates=_strings(pool["gate"]),
        gate_details=_strings(pool["gate_detail"]),
        clusters=_strings(pool["cluster"]),
        embeddings_ND=pool_embeddings(blobs, snapshot) if with_embeddings else None,
        centers_LD=label_centers(blobs, snapshot) if with_embeddings else None,
        held_centers_KD=held_centers(blobs, snapshot) if with_embeddings else None,
        scored=scored & (probs_NMC is not None),
        probs_NMC=probs_NMC,
        held=tuple(sorted(held["frame_id"].to_pylist())),
        n_asked=sources.n_asked,
        acquisitions=sources.acquisitions,
        round_number=standing.round_number,
        counted=standing,
        class_names=snapshot.class_names,
        labels=None if detects else labels,
        sessions=texts_of(passed["session"]) if needs.reads("sessions") else None,
        captured_us=_micros(passed["captured_at"]) if needs.reads("times") else None,
        columns={**columns, **said},
        labeled_columns=labeled_columns,
        examples_ED=(
            examples_in(blobs, snapshot, policy.selection.examples)
            if needs.reads("examples")
            else None
        ),
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


def _taken_frames(blobs: Blobs, snapshot: Snapshot, held: pa.Table) -> pa.Table:
    """Give where the frames are from that have a label or that other rounds hold.

    Earlier snapshots do not say it of their labels, and so count none. `held` are the snapshot's
    frames that were taken since, with the columns that are needed.
    """
    names = [name for name in HELD_FRAMES.names if name in held.column_names]
    tables = [held.select(names)]
    for ref, least in ((snapshot.labeled, LABELED), (snapshot.held, HELD_FRAMES)):
        if ref is not None:
            table = read_table(blobs, ref, least, columns=names)
            tables += [table] if set(names) <= set(table.column_names) else []
    return pa.concat_tables(tables)


def _columns(
    passed: pa.Table, labeled: pa.Table, needs: Needs
) -> tuple[dict[str, Column], dict[str, Column]]:
    """Give the columns of the pool and, as far as they are known, of the labeled and held frames.

    Both are read as one, so that a tag has one type.
    """
    n_frames = len(passed)
    known = {n for n in needs.columns if n in labeled.column_names or n not in SNAPSHOT_PART.names}
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


def _classes(labels: Sequence[str], label_kind: str) -> Sequence[str]:
    """Give the class of each label; of detection each frame counts for every class on it."""
    if label_kind != DETECTION:
        return labels
    return [name for label in labels for name in classes_in(label)]


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
    blobs: Blobs,
    snapshot: Snapshot,
    inputs: SelectionInputs,
    proposal: Proposal,
    *,
    scores: BlobRef | None,
) -> pa.Table:
    """Give the proposed batch in rank order."""
    chosen = proposal.batch
    frames = frames_named(blobs, snapshot, inputs.frame_ids[chosen].tolist())
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
        "lure_weight": _nullable(proposal.lure),
    }
    if snapshot.label_kind == DETECTION:
        shown = _boxes_shown(blobs, scores, frames["frame_id"].to_pylist(), inputs)
        columns |= {name: frames[name] for name in ("width", "height")}
    else:
        names = np.array([*snapshot.class_names, ""], dtype=np.str_)
        shown = names[proposal.pre_label].tolist(), proposal.pre_label_score
    columns |= {"pre_label": shown[0], "pre_label_score": _nullable(shown[1])}
    return pa.table(columns, schema=batch_schema(snapshot.label_kind))


def _boxes_shown(
    blobs: Blobs, scores: BlobRef | None, frame_ids: list[str], inputs: SelectionInputs
) -> tuple[list[str], npt.NDArray[np.float64]]:
    if scores is None:
        return [""] * len(frame_ids), np.full(len(frame_ids), np.nan)
    manifest = read_manifest(blobs, scores, Scores)
    least = inputs.policy.label.pre_label_score_min
    shown = shown_boxes(blobs, manifest, frame_ids, score_min=least)
    pairs = [("", np.nan) if one is None else one for one in shown]
    return [text for text, _ in pairs], np.array([score for _, score in pairs], dtype=np.float64)


def frames_named(blobs: Blobs, snapshot: Snapshot, frame_ids: Sequence[str]) -> pa.Table:
    """Give what a batch says of these frames of a snapshot, in this order; one part at a time.

    References, session and site; of detection also width and height, where they are known.
    """
    wanted = pa.array(list(frame_ids), type=pa.string())
    columns = ["frame_id", *_BLOB_COLUMNS, "session", "site"]
    found = [SNAPSHOT_PART.empty_table().select(columns)]
    sizes = [EMBEDDED.empty_table().select(_SIZED)]
    for part in snapshot.parts if frame_ids else ():
        frames = read_table(blobs, part.part, SNAPSHOT_PART, columns=columns)
        some = frames.filter(pc.is_in(frames["frame_id"], value_set=wanted))
        found.append(some)
        if snapshot.label_kind == DETECTION and some.num_rows:
            embedded = read_table(blobs, part.embedded, EMBEDDED, columns=_SIZED)
            rows = pc.index_in(some["frame_id"], value_set=embedded["frame_id"].combine_chunks())
            sizes.append(embedded.take(rows))
    table = pa.concat_tables(found)
    if snapshot.label_kind == DETECTION:
        sized = pa.concat_tables(sizes)
        table = table.append_column("width", sized["width"])
        table = table.append_column("height", sized["height"])
    return table.take(pc.index_in(wanted, value_set=table["frame_id"].combine_chunks()))


def _nullable(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values, type=pa.float64(), mask=np.isnan(values))


def label_schema_sha256(
    label_task: str, class_names: tuple[str, ...], label_kind: str = CLASSIFICATION
) -> str:
    """Give the digest that a batch, its project and its export must agree on."""
    schema: dict[str, object] = {"label_task": label_task, "class_names": list(class_names)}
    if label_kind != CLASSIFICATION:
        schema["label_kind"] = label_kind
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
        label_schema_sha256=label_schema_sha256(
            snapshot.label_task, snapshot.class_names, snapshot.label_kind
        ),
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
        acquisitions=() if snapshot.label_kind == DETECTION else sources.acquisitions,
        candidate_record=candidate_record,
        label_kind=snapshot.label_kind,
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

"""What a report tells, read from the ledger and the object store of one world."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from winnow.cli.report.measures import Measure
from winnow.cli.report.paired import Run
from winnow.contracts import artifacts, manifests
from winnow.contracts import tables as schemas
from winnow.domain import tables
from winnow.domain.blob_ref import BlobRef
from winnow.domain.labels import CLASSIFICATION, LabelState
from winnow.domain.money import Account, Balances, Budget, Operation
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Ledger, Transaction

ACCEPTED = frozenset(
    {
        LabelState.QA_PASSED,
        LabelState.APPROVED_FOR_TRAINING,
        LabelState.APPROVED_FOR_SAFETY_EVIDENCE,
    }
)


@dataclass(frozen=True, slots=True)
class Pick:
    """One chosen frame and why."""

    rank: int
    frame_id: str
    frame: BlobRef
    arm: str
    reason: str
    pre_label: str
    label: str
    """The promoted label, empty if there is none."""
    tags: Mapping[str, str]
    """What the vehicle said of the frame."""


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """One round: what was chosen out of what, and what came of it."""

    number: int
    state: str
    reason: str
    batch_id: str
    batch_state: str
    """Of the last batch (see `BatchRow`); empty where none was proposed yet."""
    picks: tuple[Pick, ...]
    scores_N: npt.NDArray[np.float64]
    """Acquisition scores of the eligible frames; empty without a committee."""
    scores_picked_B: npt.NDArray[np.float64]
    n_labels: int
    """Labels approved up to and including this round."""
    metrics: Mapping[str, float]
    stop: Mapping[str, object]
    label_kind: str
    asked: BlobRef | None
    """Members of the committee that chose; none in a cold start."""
    trained: BlobRef | None
    """Members of the committee that the round trained."""
    evaluation: manifests.Evaluation | None
    """Of that committee."""


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """A budget's balances and its way there."""

    budget: Budget
    period: str
    balances: Balances
    spent_steps: tuple[tuple[datetime, int], ...]
    """(time, spent so far), one step per entry."""
    committed_steps: tuple[tuple[datetime, int], ...]
    """(time, spent and reserved so far)."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A near-duplicate cluster of the pool."""

    representative: str
    frames: tuple[BlobRef, ...]
    size: int


@dataclass(frozen=True, slots=True)
class WorldFacts:
    """Everything that the report of one world draws."""

    sources: tuple[str, ...]
    class_names: tuple[str, ...]
    n_frames: int
    n_holdout: int
    refused: Mapping[str, int]
    """Gate → frames it keeps from costing money."""
    rounds: tuple[RoundFacts, ...]
    budgets: tuple[BudgetFacts, ...]
    label_states: Mapping[int, Mapping[LabelState, int]]
    """Round number → state → frames."""
    n_accepted: int
    clusters: tuple[Cluster, ...]
    map_frame_ids: tuple[str, ...]
    map_embeddings_ND: npt.NDArray[np.float32]

    label_kind: str
    """Of the last round."""


def run_of(rounds: Sequence[RoundFacts], measure: Measure) -> Run:
    """Give labels and the measure after each round that trained a committee."""
    points = [
        (facts.n_labels, value)
        for facts in rounds
        if facts.evaluation and (value := measure.of(facts.evaluation)) is not None
    ]
    return tuple(count for count, _ in points), tuple(value for _, value in points)


def read_rounds(tx: Transaction, blobs: Blobs) -> tuple[RoundFacts, ...]:
    """Read what each round chose and came to, in order."""
    rows = sorted(tx.records.find(tables.ROUNDS), key=_number)
    return tuple(_round_facts(row, tx, blobs) for row in rows)


def read_facts(ledger: Ledger, blobs: Blobs, *, map_frames_max: int = 3000) -> WorldFacts:
    """Read the facts of a world.

    Parameters
    ----------
    map_frames_max
        Most frames on the embedding map; chosen frames are always on it.
    """
    with ledger.snapshot() as tx:
        rows = tx.records.find(tables.ROUNDS)
        rounds = read_rounds(tx, blobs)
        sources = tx.records.find(tables.SOURCES)
        budgets = tuple(_budgets(tx))
        states = _label_states(tx)
        shards = tx.records.find(tables.POOL_SHARDS)
    first = next((row for row in sorted(rows, key=_number) if row.snapshot), None)
    refused, clusters = _snapshot_facts(first.snapshot, blobs) if first else (_blocked(shards), ())
    chosen = {pick.frame_id for facts in rounds for pick in facts.picks}
    frame_ids, embeddings_ND = _map_points(shards, blobs, chosen, map_frames_max)
    holdouts = [source.holdout for source in sources if source.holdout]
    return WorldFacts(
        sources=tuple(source.key for source in sources),
        class_names=tuple(sorted({name for source in sources for name in source.class_names})),
        n_frames=sum(shard.n_frames for shard in shards),
        n_holdout=sum(_n_rows(blobs, ref) for ref in holdouts),
        refused=refused,
        rounds=rounds,
        budgets=budgets,
        label_states=states,
        n_accepted=sum(
            count for by_state in states.values() for state, count in by_state.items()
            if state in ACCEPTED
        ),
        clusters=clusters,
        map_frame_ids=frame_ids,
        map_embeddings_ND=embeddings_ND,
        label_kind=rounds[-1].label_kind if rounds else CLASSIFICATION,
    )  # fmt: skip


def _number(row: tables.RoundRow) -> int:
    return row.number


def _n_rows(blobs: Blobs, ref: BlobRef) -> int:
    table = artifacts.read_table(blobs, ref, schemas.HOLDOUT, columns=["frame_id"])
    return int(table.num_rows)


def _round_facts(row: tables.RoundRow, tx: Transaction, blobs: Blobs) -> RoundFacts:
    batches = tx.records.find(tables.BATCHES, group=row.key)
    promotions = tx.records.find(tables.PROMOTIONS, group=row.key)
    labels: dict[str, str] = {
        label.key.frame_id: json.loads(label.value).get("label", "") if label.value else ""
        for label in tx.labels.find(round_id=row.key, states=tuple(ACCEPTED))
    }
    picks: tuple[Pick, ...] = ()
    label_kind, asked = CLASSIFICATION, None
    scores: npt.NDArray[np.float64] = np.empty(0)
    picked: npt.NDArray[np.float64] = np.empty(0)
    if batches:
        batch = artifacts.read_manifest(blobs, batches[-1].manifest, manifests.Batch)
        table = artifacts.read_table(blobs, batch.table, schemas.BATCH)
        picks = tuple(_picks(table, labels, _tags(blobs, batch.snapshot)))
        scores, picked = _scores(blobs, batch.candidates)
        label_kind, asked = batch.label_kind, row.members if batch.scores else None
    committees = tx.records.find(tables.COMMITTEES, group=row.key)
    trained = committees[-1].members if committees else None
    return RoundFacts(
        number=row.number,
        state=row.state,
        reason=row.reason,
        batch_id=batches[-1].key if batches else "",
        batch_state=batches[-1].state if batches else "",
        picks=picks,
        scores_N=scores,
        scores_picked_B=picked,
        n_labels=promotions[-1].n_labels if promotions else 0,
        metrics=dict(row.metrics),
        stop=json.loads(row.stop) if row.stop else {},
        label_kind=label_kind,
        asked=asked,
        trained=trained,
        evaluation=_evaluation(blobs, trained),
    )


def _evaluation(blobs: Blobs, members: BlobRef | None) -> manifests.Evaluation | None:
    if members is None:
        return None
    ref = artifacts.read_manifest(blobs, members, manifests.Members).evaluation
    return None if ref is None else artifacts.read_manifest(blobs, ref, manifests.Evaluation)


def _tags(blobs: Blobs, snapshot: BlobRef) -> dict[str, str]:
    """Give the tags of each frame of a snapshot that has any, as JSON."""
    tags: dict[str, str] = {}
    for part in artifacts.read_manifest(blobs, snapshot, manifests.Snapshot).parts:
        columns = ["frame_id", "tags"]
        table = artifacts.read_table(blobs, part.part, schemas.SNAPSHOT_PART, columns=columns)
        pairs = zip(table["frame_id"].to_pylist(), table["tags"].to_pylist(), strict=True)
        tags |= {frame_id: text for frame_id, text in pairs if text}
    return tags


def _picks(table: pa.Table, labels: Mapping[str, str], tags: Mapping[str, str]) -> Iterable[Pick]:
    for row in table.to_pylist():
        yield Pick(
            rank=row["rank"],
            frame_id=row["frame_id"],
            frame=_blob(row),
            arm=row["arm"],
            reason=row["reason"],
            pre_label=row["pre_label"] or "",
            label=labels.get(row["frame_id"], ""),
            tags=json.loads(tags.get(row["frame_id"], "{}")),
        )


def _blob(row: Mapping[str, object]) -> BlobRef:
    return BlobRef(
        bucket=str(row["bucket"]),
        key=str(row["key"]),
        sha256=str(row["sha256"]),
        size_bytes=int(str(row["size_bytes"])),
        media_type=str(row["media_type"]),
    )


def _scores(blobs: Blobs, ref: BlobRef) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    columns = ["score", "selected", "gate"]
    table = artifacts.read_table(blobs, ref, schemas.CANDIDATES, columns=columns)
    scores = table["score"].to_numpy(zero_copy_only=False).astype(np.float64)
    known = np.isfinite(scores)
    chosen = table["selected"].to_numpy(zero_copy_only=False).astype(bool)
    return scores[known], scores[known & chosen]


def _budgets(tx: Transaction) -> Iterable[BudgetFacts]:
    for budget in tx.money.budgets():
        spent, reserved = 0, 0
        spent_steps, committed_steps = [], []
        for entry in tx.money.entries(budget.budget_id):
            sign = {entry.debit: -entry.amount, entry.credit: entry.amount}
            spent += sign.get(Account.SPENT, 0)
            reserved += sign.get(Account.RESERVED, 0)
            if entry.operation is not Operation.ALLOCATE:
                spent_steps.append((entry.at, spent))
                committed_steps.append((entry.at, spent + reserved))
        for period, _closed in tx.money.periods(budget.budget_id)[-1:]:
            yield BudgetFacts(
                budget=budget,
                period=period,
                balances=tx.money.balances(budget.budget_id, period),
                spent_steps=tuple(spent_steps),
                committed_steps=tuple(committed_steps),
            )


def _label_states(tx: Transaction) -> dict[int, dict[LabelState, int]]:
    counts: dict[int, dict[LabelState, int]] = {}
    for round_id, state, count in tx.labels.counts():
        number = int(round_id.removeprefix("r") or 0)
        counts.setdefault(number, {})[state] = count
    return counts


def _blocked(shards: Sequence[tables.EmbeddedShardRow]) -> dict[str, int]:
    """Give refusals by gate as embedding found them: no round has looked for duplicates yet."""
    counts: Counter[str] = Counter()
    for shard in shards:
        counts.update(dict(shard.n_blocked_by_gate))
    return dict(counts.most_common())


def _snapshot_facts(
    ref: BlobRef | None, blobs: Blobs, *, clusters_max: int = 12, frames_max: int = 8
) -> tuple[dict[str, int], tuple[Cluster, ...]]:
    """Give refusals by gate and the largest duplicate clusters of the first snapshot."""
    if ref is None:
        return {}, ()
    snapshot = artifacts.read_manifest(blobs, ref, manifests.Snapshot)
    refused: Counter[str] = Counter()
    members: dict[str, list[BlobRef]] = {}
    for part in snapshot.parts:
        table = artifacts.read_table(blobs, part.part, schemas.SNAPSHOT_PART)
        refused.update(gate for gate in table["gate"].to_pylist() if gate)
        many = np.flatnonzero(table["cluster_size"].to_numpy() > 1)
        for row in table.take(pa.array(many)).to_pylist():
            members.setdefault(row["cluster"], []).append(_blob(row))
    largest = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))[:clusters_max]
    clusters = tuple(
        Cluster(representative=name, frames=tuple(frames[:frames_max]), size=len(frames))
        for name, frames in largest
    )
    return dict(refused.most_common()), clusters


def _map_points(
    shards: Sequence[tables.EmbeddedShardRow],
    blobs: Blobs,
    chosen: set[str],
    frames_max: int,
) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    """Give frame ids and embeddings of all chosen frames and of a fixed thinning of the rest."""
    n_frames = sum(shard.n_frames for shard in shards)
    every = max(1, -(-n_frames // max(1, frames_max)))
    frame_ids: list[str] = []
    vectors: list[npt.NDArray[np.float32]] = []
    for shard in shards:
        columns = ["frame_id", "embedding"]
        table = artifacts.read_table(blobs, shard.embedded, schemas.EMBEDDED, columns=columns)
        for pos, (frame_id, vector) in enumerate(
            zip(table["frame_id"].to_pylist(), table["embedding"], strict=True)
        ):
            if vector.is_valid and (pos % every == 0 or frame_id in chosen):
                frame_ids.append(frame_id)
                vectors.append(vector.values.to_numpy(zero_copy_only=False))
    empty = np.empty((0, 0), dtype=np.float32)
    return tuple(frame_ids), np.stack(vectors) if vectors else empty

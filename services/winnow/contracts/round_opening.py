"""What a round is opened with: read from the ledger, written as a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from winnow.contracts.artifacts import read_manifest, write_manifest
from winnow.contracts.manifests import Members, Snapshot
from winnow.contracts.snapshots import (
    PREFIX,
    gate_pool,
    holdout_digests,
    read_pool,
    write_held,
    write_labeled,
    write_parts,
)
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, Conflict, NotFound
from winnow.domain.ids import RoundId, round_number_of
from winnow.domain.labels import DETECTION, LabelState
from winnow.domain.money import BudgetKind
from winnow.domain.tables import (
    COMMITTEES,
    POOL_SHARDS,
    SHARDS,
    SOURCES,
    CommitteeRow,
    EmbeddedShardRow,
    RoundRow,
    SourceRow,
)
from winnow.policy.model import Policy
from winnow.policy.rounds import UNDER_WAY
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Records, Transaction

LIVE = tuple(state for state in LabelState if state is not LabelState.REJECTED)
"""A frame with a label revision in one of these is labeled, or on its way to be."""
ANSWERED = frozenset(LIVE) - {LabelState.CANDIDATE, LabelState.PRE_LABELED}


@dataclass(frozen=True, slots=True)
class World:
    """What the ledger says at one moment, as far as a snapshot depends on it."""

    shards: tuple[EmbeddedShardRow, ...]
    class_names: tuple[str, ...]
    holdouts: tuple[BlobRef, ...]
    taken: Mapping[str, str]
    """Frame → its answer (empty while it has none), for frames that are left out."""
    committee: CommitteeRow | None
    budget_ids: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WrittenSnapshot:
    """A stored snapshot, what it holds and what blocks the rest."""

    ref: BlobRef
    snapshot: Snapshot
    blocked: Mapping[str, int]
    n_members: int


def look(view: Transaction, policy: Policy) -> World:
    """Read what a snapshot taken now would depend on."""
    sources = view.records.find(SOURCES)
    labels = view.labels.find(states=LIVE, label_task=policy.label.task)
    return World(
        shards=tuple(view.records.find(POOL_SHARDS)),
        class_names=class_names_of(view.records, policy),
        holdouts=tuple(source.holdout for source in sources if source.holdout is not None),
        taken={r.key.frame_id: r.value if r.state in ANSWERED else "" for r in labels},
        committee=_newest(view.records.find(COMMITTEES, state="active")),
        budget_ids=tuple(sorted((str(b.kind), b.budget_id) for b in view.money.budgets())),
    )


def class_names_of(records: Records, policy: Policy) -> tuple[str, ...]:
    """Give the policy's classes, or those of all sources, sorted."""
    if policy.label.class_names:
        return policy.label.class_names
    sources = records.find(SOURCES)
    return tuple(sorted({name for source in sources for name in source.class_names}))


def why_not_yet(view: Transaction) -> str:
    """Say what the pool still lacks before a snapshot of it can be taken; empty if nothing."""
    registered = {shard.key for shard in view.records.find(SHARDS)}
    pooled = {shard.key: shard.encoder_version for shard in view.records.find(POOL_SHARDS)}
    n_missing = len(registered - pooled.keys())
    if not registered:
        return "waits for frames: none are ingested"
    if n_missing:
        return f"waits for {n_missing} of {len(registered)} shards to be embedded"
    versions = sorted(set(pooled.values()))
    if len(versions) > 1:
        return f"waits for one encoder: the pool holds vectors of {', '.join(versions)}"
    return ""


def check_may_open(
    tx: Transaction, policy: Policy, rounds: Sequence[RoundRow], *, open_max: int
) -> None:
    """Refuse a round that could not do anything.

    Raises
    ------
    NotFound
        No frames, or no budget for annotations.
    Conflict
        Too many rounds are under way.
    BadInput
        Too few classes (classification: two, detection: one), or sources whose known labels are of
        another kind than the policy's.
    """
    if not tx.records.find(SHARDS, limit=1):
        msg = "round.open: expected frames, found none; winnow ingest PATH"
        raise NotFound(msg)
    under_way = sorted((r for r in rounds if r.state in UNDER_WAY), key=lambda r: r.number)
    if len(under_way) >= open_max:
        names = ", ".join(f"{row.key} ({row.state})" for row in under_way)
        msg = f"round.open: expected fewer than {open_max} rounds under way, found {names}"
        raise Conflict(msg)
    class_names = class_names_of(tx.records, policy)
    least = 1 if policy.label.kind == DETECTION else 2
    if len(set(class_names)) < least:
        found = ", ".join(class_names) or "none"
        words = {1: "one class", 2: "two classes"}[least]
        msg = (
            f"round.open: expected at least {words}, found {found}; "
            "name them in the policy: label.class_names"
        )
        raise BadInput(msg)
    _check_kind(tx.records.find(SOURCES), policy)
    if not any(b.kind is BudgetKind.HUMAN_ANNOTATION for b in tx.money.budgets()):
        msg = "round.open: expected a budget; winnow budget allocate human_annotation 100.00"
        raise NotFound(msg)


def _check_kind(sources: Sequence[SourceRow], policy: Policy) -> None:
    others = [s for s in sources if s.class_names and s.label_kind != policy.label.kind]
    if others:
        names = ", ".join(f"{source.key} ({source.label_kind})" for source in others)
        msg = (
            f"round.open: expected known labels of kind {policy.label.kind} (label.kind), found "
            f"{names}; winnow ingest --labels boxes takes the boxes of a COCO file"
        )
        raise BadInput(msg)


def write_snapshot(blobs: Blobs, row: RoundRow, policy: Policy, world: World) -> WrittenSnapshot:
    """Take and store the snapshot of a round; the same world gives the same bytes.

    A committee that learned other classes, or another kind of labels, is left aside: the round
    starts cold.
    """
    pool = read_pool(blobs, [shard.embedded for shard in world.shards])
    gated = gate_pool(
        pool,
        policy.gates,
        taken=world.taken.keys(),
        holdout_sha256=holdout_digests(blobs, world.holdouts),
    )
    members = _members(blobs, world, policy.label.kind)
    committee = world.committee if members is not None else None
    answers = {frame_id: value for frame_id, value in world.taken.items() if value}
    snapshot = Snapshot(
        round_id=row.key,
        label_task=policy.label.task,
        class_names=world.class_names,
        encoder_version=world.shards[0].encoder_version if world.shards else "",
        embedding_dimension=pool.embeddings_ND.shape[1],
        parts=write_parts(blobs, pool, gated),
        n_frames=gated.n_frames,
        n_eligible=gated.n_eligible,
        labeled=write_labeled(blobs, pool, gated, answers),
        committee_version=committee.key if committee else "",
        members=committee.members if committee else None,
        holdouts=world.holdouts,
        budget_ids=world.budget_ids,
        label_kind=policy.label.kind,
        held=write_held(blobs, pool, gated, world.taken.keys() - answers.keys()),
    )
    ref = write_manifest(blobs, snapshot, prefix=PREFIX)
    return WrittenSnapshot(ref, snapshot, gated.blocked(), len(members.members) if members else 0)


def _members(blobs: Blobs, world: World, label_kind: str) -> Members | None:
    if world.committee is None:
        return None
    members = read_manifest(blobs, world.committee.members, Members)
    same = (members.label_kind, members.class_names) == (label_kind, world.class_names)
    return members if same else None


def _newest(committees: Sequence[CommitteeRow]) -> CommitteeRow | None:
    return max(
        committees, key=lambda c: (round_number_of(RoundId(c.round_id)), c.generation), default=None
    )

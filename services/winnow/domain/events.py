"""The twelve facts that cross the bus, and the envelope that each travels in.

Field by field these are design table 5; `contracts/mapping.py` turns them into protobuf and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, get_args
from uuid import UUID

from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import (
    BatchId,
    CommitteeVersion,
    FrameId,
    RoundId,
    ShardId,
    TaskId,
)


class TaskOutcome(StrEnum):
    """How a task ended."""

    LABELED = "labeled"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class VerdictKind(StrEnum):
    """What QA decided on one task's label."""

    PASSED = "passed"
    RETURNED = "returned"
    REJECTED = "rejected"


class AllowedUse(StrEnum):
    """What a promoted label may be used for."""

    EXPLORATORY_TRAINING = "exploratory_training"
    PRODUCTION_TRAINING = "production_training"
    VALIDATION = "validation"
    GOLD_QA = "gold_qa"
    SAFETY_EVIDENCE = "safety_evidence"


class ScoreKind(StrEnum):
    """What stands behind `pool.scored`: nothing in round 0, a committee after it."""

    NONE = "none"
    COMMITTEE = "committee"


class Stage(StrEnum):
    """Which stage halted a round."""

    SCORING = "scoring"
    SELECTION = "selection"
    QA = "qa"
    RETRAIN = "retrain"
    ROLLOUT = "rollout"


@dataclass(frozen=True, slots=True)
class FramesIngested:
    """A shard of frames lies in the object store and is registered."""

    type: ClassVar[str] = "frames.ingested.v1"
    shard_id: ShardId
    source: str
    vehicle: str
    captured_from: datetime
    captured_to: datetime
    n_frames: int
    manifest: BlobRef


@dataclass(frozen=True, slots=True)
class FramesEmbedded:
    """Every frame of a shard has hashes, gate results and, if readable, an embedding."""

    type: ClassVar[str] = "frames.embedded.v1"
    shard_id: ShardId
    encoder_version: str
    n_frames: int
    n_blocked_by_gate: tuple[tuple[str, int], ...]
    """(gate, frames it blocks), sorted by gate; a frame counts under its first gate."""
    embedded: BlobRef


@dataclass(frozen=True, slots=True)
class RoundOpened:
    """A pool snapshot is fixed: from here on a round refers to nothing that can change."""

    type: ClassVar[str] = "round.opened.v1"
    round_id: RoundId
    committee_version: CommitteeVersion
    n_frames: int
    policy: BlobRef
    policy_sha256: str
    seed: int
    budget_ids: tuple[tuple[str, str], ...]
    """(budget kind, budget id), sorted by kind."""
    snapshot: BlobRef


@dataclass(frozen=True, slots=True)
class PoolScored:
    """The committee's answers over the snapshot, as far as they came."""

    type: ClassVar[str] = "pool.scored.v1"
    round_id: RoundId
    kind: ScoreKind
    n_frames: int
    n_scored: int
    members_expected: tuple[str, ...]
    members_answered: tuple[str, ...]
    gpu_ms: int
    scores: BlobRef | None
    snapshot: BlobRef
    policy: BlobRef
    seed: int


@dataclass(frozen=True, slots=True)
class BatchSelected:
    """An approved batch whose annotation money is reserved."""

    type: ClassVar[str] = "batch.selected.v1"
    round_id: RoundId
    batch_id: BatchId
    n_tasks: int
    manifest: BlobRef


@dataclass(frozen=True, slots=True)
class TaskClosed:
    """One order for one annotation has ended."""

    type: ClassVar[str] = "task.closed.v1"
    task_id: TaskId
    round_id: RoundId
    batch_id: BatchId
    frame_id: FrameId
    outcome: TaskOutcome
    modality: str
    annotator: str
    """Pseudonym; empty unless labeled."""
    schema_version: int
    slot: int
    attempt: int
    effort_ms: int
    answer: BlobRef | None


@dataclass(frozen=True, slots=True)
class LabelReviewed:
    """QA's verdict on one label."""

    type: ClassVar[str] = "label.reviewed.v1"
    task_id: TaskId
    round_id: RoundId
    batch_id: BatchId
    frame_id: FrameId
    verdict: VerdictKind
    defects: tuple[str, ...]
    attempt: int


@dataclass(frozen=True, slots=True)
class DatasetPromoted:
    """Labels got permission to be used; the dataset snapshot lists them all."""

    type: ClassVar[str] = "dataset.promoted.v1"
    round_id: RoundId
    promotion_seq: int
    n_labels: int
    allowed_use: AllowedUse
    label_schema: str
    snapshot: BlobRef


@dataclass(frozen=True, slots=True)
class RoundTrained:
    """N members are trained and evaluated on the holdout."""

    type: ClassVar[str] = "round.trained.v1"
    round_id: RoundId
    committee_version: CommitteeVersion
    dataset_sha256: str
    metrics: tuple[tuple[str, float], ...]
    """(name, value), sorted: `accuracy`, `nll`, `ece`, …"""
    members: BlobRef


@dataclass(frozen=True, slots=True)
class CommitteeRolled:
    """A committee version really answers; the next round may use it."""

    type: ClassVar[str] = "committee.rolled.v1"
    round_id: RoundId
    committee_version: CommitteeVersion
    endpoints: tuple[str, ...]
    generation: int
    members: BlobRef


@dataclass(frozen=True, slots=True)
class RoundHalted:
    """A stage gave up on a round; its reservations go back."""

    type: ClassVar[str] = "round.halted.v1"
    round_id: RoundId
    stage: Stage
    reason: str
    kept: str


@dataclass(frozen=True, slots=True)
class LabelApprovalEnded:
    """A permission ended; the data sets that used the label are named."""

    type: ClassVar[str] = "label.approval_ended.v1"
    round_id: RoundId
    frame_id: FrameId
    label_task: str
    revision: int
    reason: str
    dataset_ids: tuple[str, ...]


Event = (
    FramesIngested
    | FramesEmbedded
    | RoundOpened
    | PoolScored
    | BatchSelected
    | TaskClosed
    | LabelReviewed
    | DatasetPromoted
    | RoundTrained
    | CommitteeRolled
    | RoundHalted
    | LabelApprovalEnded
)
EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A CloudEvent: the fact and where it came from. (source, event_id) is its identity."""

    event_id: UUID
    source: str
    """Name of the service that states the fact."""
    time: datetime
    data: Event
    traceparent: str
    causation_id: str
    """Id of the message that made the producer state it; empty at the start of a chain."""

    @property
    def round_id(self) -> str:
        """Correlation id: the round, or empty on the frame plane."""
        return getattr(self.data, "round_id", "")

"""Rows of the services' own tables: one frozen type each.

All tell the same four things about themselves (key, group, state, due_at), because nobody asks
more of them than "this one", "those of this round", "those in this state" and "those due".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from winnow.domain.blob_ref import BlobRef
from winnow.domain.labels import CLASSIFICATION


class Row(Protocol):
    """What a row must tell about itself. `group` is a round or batch id, or empty."""

    @property
    def key(self) -> str:
        """Unique within the table."""
        ...

    @property
    def group(self) -> str:
        """What it belongs to."""
        ...

    @property
    def state(self) -> str:
        """Where it stands."""
        ...

    @property
    def due_at(self) -> datetime | None:
        """When a tick must look at it."""
        ...


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A registered source of frames: what its labels may be and where its holdout lies."""

    key: str
    class_names: tuple[str, ...]
    holdout: BlobRef | None
    """Shard manifest (Parquet, with column `label`) of frames that are never queried."""
    oracle: BlobRef | None
    """Parquet (frame_id, label): known answers, for scripted annotators only."""
    group: str = ""
    state: str = "registered"
    due_at: datetime | None = None
    label_kind: str = CLASSIFICATION
    """What its known labels are."""


@dataclass(frozen=True, slots=True)
class ShardRow:
    """A registered shard."""

    key: str
    source: str
    n_frames: int
    manifest: BlobRef
    state: str = "registered"
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """Its source."""
        return self.source


@dataclass(frozen=True, slots=True)
class EmbeddedShardRow:
    """A shard in the pool: embedding output, as rounds received it."""

    key: str
    encoder_version: str
    n_frames: int
    n_blocked_by_gate: tuple[tuple[str, int], ...]
    embedded: BlobRef
    group: str = ""
    state: str = "embedded"
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A round: everything it is pinned to and how it went."""

    key: str
    number: int
    state: str
    """requested, open, training, closed, halted."""
    policy: BlobRef
    policy_sha256: str
    seed: int
    committee_version: str
    members: BlobRef | None
    snapshot: BlobRef | None
    n_frames: int
    opened_by: str
    metrics: tuple[tuple[str, float], ...] = ()
    stop: str = ""
    """Canonical JSON of the stopping rule's numbers once the round closed."""
    reason: str = ""
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """The round itself."""
        return self.key


@dataclass(frozen=True, slots=True)
class ScoringRunRow:
    """Scoring's barrier over the parts of one snapshot."""

    key: str
    state: str
    """scoring, scored, incomplete."""
    n_parts: int
    parts: tuple[tuple[int, BlobRef], ...]
    """(position of the part in the snapshot, its SCORES table), in the order they were scored."""
    answered: tuple[tuple[str, ...], ...]
    """Members that answered every frame of the part, for each of `parts`."""
    gpu_ms: int
    members_answered: tuple[str, ...]
    """Members that answered all of `parts`."""
    committee_version: str
    members: BlobRef
    snapshot: BlobRef
    policy: BlobRef
    seed: int
    due_at: datetime | None = None
    n_again: int = 0
    """Times that it began anew with a newer committee."""

    @property
    def group(self) -> str:
        """Its round."""
        return self.key


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A proposed or approved batch."""

    key: str
    round_id: str
    state: str
    """proposed, approved, rejected, cancelled."""
    n_frames: int
    n_tasks: int
    manifest: BlobRef
    price_micros: int
    decided_by: str = ""
    due_at: datetime | None = None
    evidence: BlobRef | None = None
    """The annotation batch artifact, once approved."""

    @property
    def group(self) -> str:
        """Its round."""
        return self.round_id


@dataclass(frozen=True, slots=True)
class RunRow:
    """A pipeline run that a service asked for, until it ended."""

    key: str
    pipeline: str
    round_id: str
    state: str
    """requested, succeeded, failed."""
    arguments: tuple[tuple[str, str], ...]
    attempts: int = 0
    error: str = ""
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """Its round."""
        return self.round_id


@dataclass(frozen=True, slots=True)
class CommitteeRow:
    """A committee version: trained members and whether they serve."""

    key: str
    round_id: str
    state: str
    """active, retired; refused: it was worse than the active one and never served."""
    members: BlobRef
    dataset_sha256: str
    generation: int = 0
    endpoints: tuple[str, ...] = ()
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """The round that trained it."""
        return self.round_id


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One trained member: registered by retrain, with what its training cost."""

    key: str
    round_id: str
    committee_version: str
    checkpoint: BlobRef
    compute_ms: int
    metrics: tuple[tuple[str, float], ...]
    state: str = "registered"
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """Its committee version."""
        return self.committee_version


@dataclass(frozen=True, slots=True)
class CommandRow:
    """What a person asked a service to do, through the console."""

    key: str
    service: str
    name: str
    """`round.open`, `batch.approve`, `batch.reject`, `label.promote`, …"""
    arguments: str
    """Canonical JSON."""
    actor: str
    role: str
    state: str
    """pending, done, refused."""
    answer: str = ""
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """The service that must do it."""
        return self.service


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act of a person, allowed or refused; never changed."""

    key: str
    actor: str
    role: str
    act: str
    arguments: str
    outcome: str
    at: datetime
    group: str = ""
    state: str = "recorded"
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person (or machine account) with roles; the token is stored as its SHA-256."""

    key: str
    roles: tuple[str, ...]
    token_sha256: str
    group: str = ""
    state: str = "active"
    due_at: datetime | None = None

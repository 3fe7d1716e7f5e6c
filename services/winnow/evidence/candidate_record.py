"""Candidate score record: what a choice was made from, and what became of every frame."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from winnow.domain.blob_ref import BlobRef
from winnow.evidence.artifact import Artifact


class MemberOutputs(BaseModel):
    """Which member answered, and the digest of all it said about this snapshot."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    member: str
    outputs_sha256: str


class Chosen(Artifact):
    """What every version of the record says."""

    artifact: Literal["candidate_record"] = "candidate_record"
    batch_id: str
    source_snapshot: BlobRef
    scores: BlobRef | None
    policy: BlobRef
    policy_sha256: str
    selector_version: str
    seed: int
    committee_version: str
    members: tuple[MemberOutputs, ...]
    acquisition: str
    """How the final score is composed, e.g. `bald`; empty without a score."""
    weights: dict[str, float]
    """Score component → its weight in the final score."""
    strategy: str
    budget_id: str
    price_micros: int
    """Of one frame, all its slots, where frames have no prices of their own."""
    affordable_micros: int
    held: tuple[str, ...]
    n_frames: int
    """Of the snapshot."""
    n_asked: int
    n_eligible: int
    n_selected: int
    n_random: int
    refused_by_gate: dict[str, int]
    records: BlobRef
    """Parquet, one row a frame of the snapshot; its SHA-256 is in the reference."""
    batch: BlobRef
    """Parquet, the proposed batch in rank order."""


class CandidateRecord1(Chosen):
    """As selector 1 wrote it."""

    model_config = ConfigDict(
        json_schema_extra={"$id": "urn:winnow:evidence:candidate_record:1"},
    )
    schema_version: Literal[1] = 1


class CandidateRecord(Chosen):
    """One document a batch; the record of each frame is a row of `records`.

    A row says source frame, duplicate cluster, gate, score and its components, rank, arm, reason,
    inclusion and draw probability and price.
    """

    model_config = ConfigDict(
        json_schema_extra={"$id": "urn:winnow:evidence:candidate_record:2"},
    )
    schema_version: Literal[2] = 2
    cold_start: bool
    because: str
    """Why it was this strategy's turn: every rule of the policy that decided it, with numbers."""
    strategy_options: dict[str, JsonValue]
    notes: tuple[str, ...]
    """What the policy asks for and could not be had."""

"""Annotation batch: what was ordered, under which schema and instructions, at which price."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from winnow.domain.blob_ref import BlobRef
from winnow.evidence.artifact import Artifact


class TaskOrder(BaseModel):
    """One annotation ordered, and the reservation that pays for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task_id: str
    frame_id: str
    slot: int
    reservation_id: UUID


class RecordedAmendment(BaseModel):
    """How an approver changed the proposed batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    author: str
    at: str
    removed: tuple[str, ...]
    added: tuple[str, ...]
    reason: str


class AnnotationBatch(Artifact):
    """Written once, when a batch is approved and its money is reserved."""

    model_config = ConfigDict(
        json_schema_extra={"$id": "urn:winnow:evidence:annotation_batch:1"},
    )
    artifact: Literal["annotation_batch"] = "annotation_batch"
    schema_version: Literal[1] = 1
    batch_id: str
    manifest: BlobRef
    label_task: str
    class_names: tuple[str, ...]
    label_schema_sha256: str
    instructions: str
    instructions_sha256: str
    source_snapshots: tuple[BlobRef, ...]
    pre_label_model: str
    """Committee version whose predictions are shown; empty without one."""
    slots: int
    """Independent annotations of each frame."""
    tasks: tuple[TaskOrder, ...]
    """In rank order."""
    budget_id: str
    price_micros_per_task: int
    price_micros: int
    due_at: datetime
    approved_by: str
    amendments: tuple[RecordedAmendment, ...]

"""Promotion record: permission to use labels, by whom, for what and until when."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from winnow.domain.blob_ref import BlobRef
from winnow.evidence.artifact import Artifact


class Approver(BaseModel):
    """Who approved, and as what."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    role: str


class PromotionRecord(Artifact):
    """Permission to use a batch's labels."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"$id": "urn:winnow:evidence:promotion_record:1"},
    )
    artifact: Literal["promotion_record"] = "promotion_record"
    schema_version: Literal[1] = 1
    batch_id: str
    label_task: str
    allowed_use: str
    expires_at: str
    """UTC; from then on the labels are no longer approved."""
    approvers: tuple[Approver, ...]
    order: Literal["standing", "command"]
    """By the policy's standing order, or by a person's command for this batch."""
    reason: str
    n_labels: int
    revisions_sha256: str
    """Of the lines `frame_id/label_task/revision`, sorted."""
    qa_report_id: UUID
    qa_report: BlobRef
    dataset: BlobRef
    dataset_ids: tuple[str, ...]
    """Data sets that use the labels from the beginning."""
    restrictions: tuple[str, ...] = ()

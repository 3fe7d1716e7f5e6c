"""Promotion record: which labels may be used, for what, until when, and who said so."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict

from winnow.domain.blob_ref import BlobRef
from winnow.evidence.artifact import Artifact


class PromotionRecord(Artifact):
    """Written with each promotion."""

    model_config = ConfigDict(json_schema_extra={"$id": "urn:winnow:evidence:promotion_record:1"})
    schema_version: Literal[1] = 1
    promotion_seq: int
    label_task: str
    label_snapshot: BlobRef
    n_labels: int
    n_newly_approved: int
    revisions_sha256: str
    """Digest over the sorted (frame, revision) of what this promotion approved."""
    allowed_use: str
    expires_at: datetime
    approvers: tuple[str, ...]
    approver_role: Literal["data_steward"] = "data_steward"
    basis: Literal["standing_order", "decision"]
    """By the policy's standing order, or decided on this batch."""
    reason: str
    qa_report_ids: tuple[UUID, ...]
    downstream_dataset_ids: tuple[str, ...]
    """Digests of the dataset snapshots that hold these labels."""

"""Pre-annotation record: which predictions people saw before they answered."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from winnow.evidence.artifact import Artifact


class Shown(BaseModel):
    """One prediction that goes with one frame's tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    frame_id: str
    label: str
    score: float


class PreAnnotationRecord(Artifact):
    """Written once a batch, before its tasks are visible. A prediction is never a label.

    What people made of each (accepted unchanged, edited) is in their answers and in the QA report.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"$id": "urn:winnow:evidence:pre_annotation:1"},
    )
    artifact: Literal["pre_annotation"] = "pre_annotation"
    schema_version: Literal[1] = 1
    batch_id: str
    label_task: str
    label_schema_sha256: str
    model_version: str
    """Committee version that predicted."""
    score_kind: str = "largest class probability of the committee's mean"
    review_status: Literal["not_reviewed"] = "not_reviewed"
    predictions: tuple[Shown, ...]
    """In rank order; frames without a prediction are left out."""

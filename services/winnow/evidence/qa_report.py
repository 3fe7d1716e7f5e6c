"""QA report: what was inspected, by which plan, what was found."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from winnow.domain.blob_ref import BlobRef
from winnow.evidence.artifact import Artifact


class SliceCoverage(BaseModel):
    """How much of one slice was inspected."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    n_labels: int
    n_inspected: int
    n_defects: int


class QaReport(Artifact):
    """Written once for each batch, when its last label is settled. NaN is written as null."""

    model_config = ConfigDict(json_schema_extra={"$id": "urn:winnow:evidence:qa_report:1"})
    schema_version: Literal[1] = 1
    batch_id: str
    plan_kind: Literal["risk_weighted_poisson"] = "risk_weighted_poisson"
    plan: BlobRef | None
    """Parquet: each label's inclusion probability and whether it was drawn; null if no label."""
    seed: int
    n_labels: int
    n_inspected: int
    n_passed: int
    n_rejected: int
    n_unlabeled: int
    defect_rate: float | None
    """Hájek estimate over the lot, at first inspection."""
    defect_rate_horvitz_thompson: float | None
    defect_rate_low: float | None
    defect_rate_high: float | None
    defect_rate_max: float
    interval_method: Literal["wilson_95_effective_n"] = "wilson_95_effective_n"
    lot_decision: Literal["accepted", "inspected_fully", "empty"]
    defects: tuple[tuple[str, int], ...]
    """(defect code, count), sorted."""
    rework_rate: float | None
    """Labels with at least one rework over labels inspected."""
    first_pass_yield: float | None
    """Labels inspected that passed at first, over labels inspected."""
    agreement_alpha: float | None
    """Nominal Krippendorff alpha between slots; null with one annotation a frame."""
    slices: tuple[SliceCoverage, ...]
    reviewers: tuple[str, ...]
    """Pseudonyms."""

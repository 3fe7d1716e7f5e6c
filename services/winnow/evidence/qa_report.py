"""QA report: how a batch's labels were checked and what was found."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from winnow.domain.blob_ref import BlobRef
from winnow.evidence.artifact import Artifact


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rate(_Part):
    """An estimated share with its 95 % interval; null where nothing was inspected."""

    mean: float | None
    lower: float | None
    upper: float | None
    n: int
    """Inspected items that it rests on."""


class SamplingPlan(_Part):
    """How it was decided which labels to inspect, and what followed for the others."""

    kind: Literal["risk_weighted_poisson"] = "risk_weighted_poisson"
    seed: int
    step: int
    """Random draws are Philox numbers keyed by (seed, step, frame id)."""
    sample_share: float
    """Share that was planned for; less than the policy's where money was short."""
    inclusion_floor: float
    risk_weight_disagreement: float
    risk_weight_rare_class: float
    n_lot: int
    n_drawn: int
    expected_size: float
    defect_rate_max: float
    """The rest passes by lot if the estimated defect rate is at most this."""
    decision: Literal["lot_accepted", "all_inspected", "accepted_by_steward"]


class Slice(_Part):
    """The same for a part of the lot."""

    name: str
    value: str
    n_labels: int
    n_inspected: int
    n_defects: int
    defect_rate: Rate


class QaReport(Artifact):
    """Written once, when a batch is settled.

    Rates are over first answers, before any rework; `defect_rate` speaks for the whole lot by the
    stored inclusion probabilities (Horvitz-Thompson, Poisson sampling).
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"$id": "urn:winnow:evidence:qa_report:1"},
    )
    artifact: Literal["qa_report"] = "qa_report"
    schema_version: Literal[1] = 1
    batch_id: str
    label_task: str
    plan: SamplingPlan
    items: BlobRef
    """Parquet: one row for each answer with its inclusion probability and verdict."""
    method: str = "horvitz_thompson, poisson sampling, normal interval"
    defect_rate: Rate
    defects: tuple[tuple[str, int], ...]
    """(defect code, how often), sorted by code."""
    decisions: tuple[tuple[str, int], ...]
    """(verdict of reviewers, how often), sorted by verdict."""
    n_labels: tuple[tuple[str, int], ...]
    """(how it ended, frames), sorted: passed, rejected, unlabeled."""
    n_adjudicated: int
    rework_rate: float | None
    """Inspected frames that went back at least once."""
    first_pass_yield: float | None
    """Inspected frames that passed at the first answer."""
    agreement_alpha: float | None
    """Krippendorff's alpha between independent annotators; null with one slot, and for boxes."""
    pre_label_agreement: float | None
    """First answers equal to the prediction that was shown; of boxes the mean F1 of those matched
    at an intersection over union of 0.5."""
    slices: tuple[Slice, ...]
    reviewers: tuple[str, ...]

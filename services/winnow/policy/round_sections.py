"""What surrounds a choice: the labels asked for, gates, random arm, money, QA, training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from winnow.policy.section import NAME_LENGTH_MAX, Section, Share
from winnow.policy.stopping_section import RescoringSection

Price = Annotated[int, Field(ge=0, le=10**10)]
"""Micros. Ten thousand currency units a label times the largest batch still fits 64 bits."""


class LabelSection(Section):
    """What people are asked."""

    task: str = Field(default="classification", description="Name of the label task.")
    kind: Literal["classification", "detection"] = Field(
        default="classification",
        description="What a label is: the class of the frame, or boxes with a class each.",
    )
    class_names: tuple[str, ...] = Field(
        default=(), description="Classes; empty takes those of the ingested sources."
    )
    instructions: str = Field(
        default="Choose the class that the frame shows.", description="Shown to annotators."
    )
    pre_label_score_min: Share = Field(
        default=0.4,
        description="Detection: the committee's boxes are shown to annotators from this score on.",
    )
    slots: int = Field(default=1, ge=1, le=9, description="Independent annotations per frame.")
    attempts_max: int = Field(
        default=3, ge=1, le=9, description="First answer and reworks together."
    )
    task_timeout_hours: float = Field(
        default=336.0, gt=0, description="A task without an answer expires after this."
    )


class GateSection(Section):
    """What blocks a frame before any money is reserved. Measured at embedding, applied here."""

    duplicate_hash_bits: int = Field(
        default=4,
        ge=0,
        le=32,
        description="Perceptual hashes this close make near-duplicates.",
    )
    duplicate_cosine: Annotated[float, Field(ge=-1.0, le=1.0)] = Field(
        default=0.995,
        description="… if their embeddings are also at least this similar.",
    )


class RandomArmSection(Section):
    """A simple random sample of the gated pool, paid first: what choosing is measured against."""

    share: Share = Field(default=0.1, description="Part of the batch that is drawn at random.")


class MoneySection(Section):
    """What a label may cost. Amounts in micros of the budgets' currency."""

    label_price_micros: Price = Field(default=80_000, description="One annotation.")
    price_column: str | None = Field(
        default=None,
        min_length=1,
        max_length=NAME_LENGTH_MAX,
        description=(
            "Column (or tag) of the frames with the price of one annotation of each, in micros; "
            "frames without a number there cost label_price_micros."
        ),
    )
    review_price_micros: Price = Field(default=40_000, description="One QA inspection.")
    batch_micros_max: int | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        description="Most that one batch may cost; none: the budget's rest.",
    )
    scoring_ms_per_frame: int = Field(
        default=20,
        ge=0,
        description="Reserved committee milliseconds per eligible frame; commit is measured.",
    )


class ApprovalSection(Section):
    """Who lets a proposed batch go."""

    mode: Literal["automatic", "person"] = Field(
        default="automatic", description="`person`: `winnow batch approve` lets it go."
    )


class ScoringSection(Section):
    """When a partial committee answer is enough."""

    coverage_min: Share = Field(default=0.98, description="Scored share of eligible frames.")
    members_min: int = Field(default=2, ge=1, description="Members that must have answered.")
    deadline_minutes: float = Field(
        default=120.0, gt=0, description="After this a partial answer is judged as it is."
    )
    rescoring: RescoringSection = Field(
        default=RescoringSection(), description="When scores are too old to choose by."
    )


class QaSection(Section):
    """How labels are checked."""

    sample_share: Share = Field(
        default=0.2, description="Expected share of labels that is inspected."
    )
    inclusion_floor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=0.05, description="Least probability of inspection of any label."
    )
    risk_weight_disagreement: float = Field(
        default=4.0,
        ge=1.0,
        description="How much likelier a label is inspected if it differs from the pre-label.",
    )
    risk_weight_rare_class: float = Field(
        default=3.0, ge=1.0, description="How much likelier a label of a rare class is inspected."
    )
    effort_ms_floor: int = Field(
        default=300, ge=0, description="Accepted unchanged faster than this: always inspected."
    )
    reworks_max: int = Field(default=2, ge=0, le=2, description="Returns before rejection.")
    defect_rate_max: Share = Field(
        default=0.2, description="Estimated defect rate above which nobody promotes by policy."
    )
    promotion: Literal["automatic", "person"] = Field(
        default="automatic",
        description="`automatic`: the standing order of the data steward named below.",
    )
    data_steward: str = Field(default="steward", description="Who answers for promotions.")
    allowed_use: Literal["exploratory_training", "production_training", "validation"] = Field(
        default="production_training", description="What promoted labels may be used for."
    )
    approval_months: int = Field(
        default=24, ge=1, le=24, description="After so many months a permission ends."
    )

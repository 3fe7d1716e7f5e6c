"""Label revisions, their seven states and the log of steps between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from winnow.domain.ids import FrameId

CLASSIFICATION: Final = "classification"
"""Kind of labels that name the class of a frame."""
DETECTION: Final = "detection"
"""Kind of labels that are boxes, as text: see `winnow.domain.boxes`."""


class LabelState(StrEnum):
    """Where a label revision stands."""

    CANDIDATE = "candidate"
    PRE_LABELED = "pre_labeled"
    HUMAN_LABELED = "human_labeled"
    QA_PASSED = "qa_passed"
    APPROVED_FOR_TRAINING = "approved_for_training"
    APPROVED_FOR_SAFETY_EVIDENCE = "approved_for_safety_evidence"
    REJECTED = "rejected"


class Role(StrEnum):
    """Who acts. The first four are services, the rest people."""

    SELECTOR = "selector"
    AUTO_LABELER = "auto_labeler"
    GATEWAY = "gateway"
    QA_SERVICE = "qa_service"
    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    ADJUDICATOR = "adjudicator"
    DATA_STEWARD = "data_steward"
    SAFETY_REVIEWER = "safety_reviewer"
    BUDGET_OWNER = "budget_owner"
    PRIVACY_OFFICER = "privacy_officer"
    ML_ENGINEER = "ml_engineer"
    PLATFORM_ENGINEER = "platform_engineer"


@dataclass(frozen=True, slots=True, order=True)
class LabelKey:
    """One revision of the label of one frame for one label task; its content never changes."""

    frame_id: FrameId
    label_task: str
    revision: int


@dataclass(frozen=True, slots=True)
class Actor:
    """Who steps, and as what. `name` is a pseudonym for people."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class LabelRevision:
    """The fold of a revision's transition log."""

    key: LabelKey
    state: LabelState
    version: int
    """Number of transitions so far: the compare-and-set token."""
    round_id: str
    batch_id: str
    parent_revision: int | None
    value: str
    """Canonical JSON of the answer; empty before `human_labeled`."""
    annotator: str
    allowed_use: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the append-only log."""

    key: LabelKey
    version: int
    from_state: LabelState | None
    to_state: LabelState
    actor: Actor
    evidence: str
    """Reference or canonical JSON of what the step rests on."""
    reason: str
    at: datetime

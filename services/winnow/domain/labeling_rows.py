"""Rows of labeling_gateway and qa: what `rows.py` says of rows holds for these too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from winnow.domain.blob_ref import BlobRef


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A batch in the labeling tool: where its manifest lies and which project holds its tasks."""

    key: str
    """The batch."""
    round_id: str
    manifest: BlobRef
    pre_annotations: BlobRef | None = None
    """The pre-annotation record, if predictions are shown."""
    state: str = "open"
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """Its round."""
        return self.round_id


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One order for one annotation, as the gateway sees it."""

    key: str
    batch_id: str
    round_id: str
    frame_id: str
    frame: BlobRef
    slot: int
    attempt: int
    rank: int
    price_micros: int
    state: str
    """pending, submitted, labeled, skipped, cancelled, expired."""
    project_id: str = ""
    revision: int = 1
    """Label revision that an answer makes: the next one at each rework."""
    annotator: str = ""
    answer_id: str = ""
    due_at: datetime | None = None
    label: str = ""
    pre_label: str = ""
    """Prediction shown to the annotator; empty without one."""
    pre_label_score: float = 0.0
    defects: tuple[str, ...] = ()
    """Why the earlier answer came back."""
    excluded_annotators: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """Its batch."""
        return self.batch_id


@dataclass(frozen=True, slots=True)
class CursorRow:
    """How far a service has read from something outside."""

    key: str
    cursor: str
    group: str = ""
    state: str = "current"
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """Something a person must decide, e.g. an answer that came after its money expired."""

    key: str
    service: str
    kind: str
    subject: str
    detail: str
    state: str
    """open, resolved."""
    round_id: str = ""
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """Its round."""
        return self.round_id


@dataclass(frozen=True, slots=True)
class QaBatchRow:
    """QA of one batch: the sampling plan and how many tasks are still out."""

    key: str
    round_id: str
    state: str
    """collecting, promoted, rejected."""
    manifest: BlobRef
    n_tasks: int
    plan: BlobRef | None = None
    report: BlobRef | None = None
    due_at: datetime | None = None
    stage: str = "answers"
    """What it waits for: answers, sample, rest, lot, steward, approval or halting; empty at the
    end."""
    decided_by: str = ""
    """Who ordered the promotion."""
    reason: str = ""
    forced: bool = False
    """A person took the rest of the lot although the estimate spoke against it."""
    dataset: BlobRef | None = None
    record: BlobRef | None = None
    """The promotion record."""
    expires_at: datetime | None = None
    """When the approvals end."""

    @property
    def group(self) -> str:
        """Its round."""
        return self.round_id


@dataclass(frozen=True, slots=True)
class QaItemRow:
    """One answer's way through QA: its label, inspection and verdict. A rework is a new row."""

    key: str
    batch_id: str
    round_id: str
    frame_id: str
    task_id: str
    state: str
    """planned, answered, reworked, sampled, inspecting; in the end voted (the frame goes by
    another slot's row), passed, returned, rejected or unlabeled."""
    slot: int
    attempt: int
    revision: int
    inclusion_probability: float
    inspected: bool
    label: str = ""
    annotator: str = ""
    effort_ms: int = 0
    defects: tuple[str, ...] = ()
    due_at: datetime | None = None
    reviewer: str = ""
    adjudicated: bool = False
    """Annotators disagreed evenly: an expert decides, paid from `expert_review`."""
    annotators: tuple[str, ...] = ()
    """All who answered the frame; none of them may judge it."""

    @property
    def group(self) -> str:
        """Its batch."""
        return self.batch_id


@dataclass(frozen=True, slots=True)
class PromotionRow:
    """A promoted dataset snapshot."""

    key: str
    round_id: str
    promotion_seq: int
    n_labels: int
    allowed_use: str
    snapshot: BlobRef
    record: BlobRef
    state: str = "promoted"
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """Its round."""
        return self.round_id

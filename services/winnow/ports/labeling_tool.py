"""The labeling tool: where people answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import BatchId, FrameId, TaskId
from winnow.domain.labels import CLASSIFICATION


@dataclass(frozen=True, slots=True)
class PreAnnotation:
    """A prediction shown to the annotator; never a label by itself."""

    label: str
    score: float
    model_version: str


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One order for one annotation, under a key that the tool keeps."""

    task_id: TaskId
    batch_id: BatchId
    frame_id: FrameId
    frame: BlobRef
    rank: int
    pre_annotation: PreAnnotation | None
    defects: tuple[str, ...] = ()
    """Why an earlier answer came back; empty at the first attempt."""
    excluded_annotators: tuple[str, ...] = ()
    """Who must not answer (already answered this frame)."""


@dataclass(frozen=True, slots=True)
class Project:
    """Fixed frame of a batch: schema and instructions never change inside it."""

    batch_id: BatchId
    class_names: tuple[str, ...]
    instructions: str
    schema_sha256: str
    label_kind: str = CLASSIFICATION
    """What is asked for: the class of a frame, or boxes as text (`winnow.domain.boxes`)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one task; delivered at least once, in any order."""

    task_id: TaskId
    answer_id: str
    """The tool's identity of this answer: the dedupe key."""
    annotator: str
    skipped: bool
    label: str
    effort_ms: int
    submitted_at: datetime
    raw: bytes
    """The tool's own payload, kept as evidence."""


class LabelingTool(Protocol):
    """Any tool in which people label: scripted annotators, Label Studio, CVAT."""

    def ensure_project(self, project: Project) -> str:
        """Create the project of a batch or find it again; give the tool's id of it."""
        ...

    def submit(self, project_id: str, items: Sequence[WorkItem]) -> None:
        """Put tasks into the queue; those it already has (by task id) stay as they are."""
        ...

    def poll(self, cursor: str) -> tuple[Sequence[Answer], str]:
        """Give answers after the cursor (empty: from the start) and the next cursor."""
        ...

    def cancel(self, project_id: str, task_ids: Sequence[TaskId]) -> None:
        """Take tasks out of the queue; unknown and answered ones are left alone."""
        ...

"""From an approved batch to tasks, and from a task to what the labeling tool is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from winnow.contracts.artifacts import read_table
from winnow.contracts.manifests import Batch
from winnow.contracts.orders import FIRST_ATTEMPT
from winnow.contracts.references import frame_refs
from winnow.contracts.tables import BATCH, DETECTION_BATCH
from winnow.domain.boxes import boxes_of, objects_told
from winnow.domain.errors import BadInput
from winnow.domain.ids import BatchId, FrameId, TaskId, task_id_of
from winnow.domain.labeling_rows import TaskRow
from winnow.domain.labels import DETECTION
from winnow.evidence.pre_annotation import Shown
from winnow.ports.blobs import Blobs
from winnow.ports.labeling_tool import Answer, PreAnnotation, Project, WorkItem

OPEN = frozenset({"pending", "submitted"})
"""States of a task that may still be answered."""
Size = tuple[int, int]
"""Width and height of an upright frame, pixels."""


def task_rows(blobs: Blobs, batch: Batch, *, due_at: datetime) -> list[TaskRow]:
    """Give the tasks of a batch: one for each frame and slot, in rank order."""
    table = read_table(blobs, batch.table, BATCH)
    columns = ("frame_id", "rank", "price_micros", "pre_label", "pre_label_score")
    frames = zip(*(table[name].to_pylist() for name in columns), frame_refs(table), strict=True)
    batch_id = BatchId(batch.batch_id)
    return [
        TaskRow(
            key=task_id_of(batch_id, FrameId(frame_id), slot, FIRST_ATTEMPT),
            batch_id=batch.batch_id,
            round_id=batch.round_id,
            frame_id=frame_id,
            frame=frame,
            slot=slot,
            attempt=FIRST_ATTEMPT,
            rank=rank,
            price_micros=price // batch.slots,
            state="pending",
            due_at=due_at,
            pre_label=pre_label or "",
            pre_label_score=score if pre_label else 0.0,
        )
        for frame_id, rank, price, pre_label, score, frame in frames
        for slot in range(batch.slots)
    ]


def shown_to_people(rows: Sequence[TaskRow]) -> tuple[Shown, ...]:
    """Give the predictions that go with these tasks, one a frame."""
    return tuple(
        Shown(frame_id=row.frame_id, label=row.pre_label, score=row.pre_label_score)
        for row in rows
        if row.pre_label and row.slot == 0
    )


def next_attempt(
    row: TaskRow,
    *,
    revision: int,
    defects: tuple[str, ...],
    excluded: tuple[str, ...],
    due_at: datetime,
) -> TaskRow:
    """Give the task that asks for the same frame again, of somebody else."""
    attempt = row.attempt + 1
    key = task_id_of(BatchId(row.batch_id), FrameId(row.frame_id), row.slot, attempt)
    return replace(
        row,
        key=key,
        attempt=attempt,
        revision=revision,
        state="pending",
        annotator="",
        answer_id="",
        label="",
        defects=defects,
        excluded_annotators=excluded,
        due_at=due_at,
    )


def project_of(batch: Batch) -> Project:
    """Give the fixed frame in which a batch is worked."""
    return Project(
        batch_id=BatchId(batch.batch_id),
        class_names=batch.class_names,
        instructions=batch.instructions,
        schema_sha256=batch.label_schema_sha256,
        label_kind=batch.label_kind,
    )


def frame_sizes(blobs: Blobs, batch: Batch) -> dict[str, Size]:
    """Give the size of a detection batch's frames, where it is known."""
    if batch.label_kind != DETECTION:
        return {}
    columns = ["frame_id", "width", "height"]
    rows = read_table(blobs, batch.table, DETECTION_BATCH, columns=columns).to_pylist()
    return {row["frame_id"]: (row["width"], row["height"]) for row in rows if row["width"]}


def no_label(text: str, batch: Batch, *, size: Size | None) -> str:
    """Say why an answer is no label of this batch; empty if it is one.

    Boxes must not leave a frame of this size; without a size that is not asked.
    """
    if batch.label_kind != DETECTION:
        known = ", ".join(batch.class_names)
        return "" if text in batch.class_names else f"expected one of {known}, found {text!r}"
    try:
        boxes_of(text, class_names=batch.class_names, size=size)
    except BadInput as error:
        return str(error)
    return ""


def answer_told(answer: Answer, batch: Batch, *, size: Size | None) -> str:
    """Give an answer as people read it: boxes by class, what is no label with the reason."""
    if answer.skipped:
        return "skipped"
    if why := no_label(answer.label, batch, size=size):
        return f"{answer.label!r} ({why})"
    if batch.label_kind == DETECTION:
        return objects_told(box.class_name for box in boxes_of(answer.label))
    return repr(answer.label)


def work_item(row: TaskRow, *, pre_label_model: str) -> WorkItem:
    """Give what the labeling tool is told of a task."""
    shown = PreAnnotation(row.pre_label, row.pre_label_score, pre_label_model)
    return WorkItem(
        task_id=TaskId(row.key),
        batch_id=BatchId(row.batch_id),
        frame_id=FrameId(row.frame_id),
        frame=row.frame,
        rank=row.rank,
        pre_annotation=shown if row.pre_label else None,
        defects=row.defects,
        excluded_annotators=row.excluded_annotators,
    )


def slots_of(row: TaskRow, n_slots: int) -> list[TaskId]:
    """Give the tasks whose answers make one label together: a rework stands for itself."""
    if row.attempt > FIRST_ATTEMPT:
        return [TaskId(row.key)]
    return earlier_tasks(row, n_slots)


def earlier_tasks(row: TaskRow, n_slots: int) -> list[TaskId]:
    """Give the ids of all tasks of this frame up to this attempt, whether they exist or not."""
    batch_id, frame_id = BatchId(row.batch_id), FrameId(row.frame_id)
    return [
        task_id_of(batch_id, frame_id, slot, attempt)
        for attempt in range(FIRST_ATTEMPT, row.attempt + 1)
        for slot in range(n_slots)
    ]

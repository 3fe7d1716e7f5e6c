"""What the labeling gateway does with its inputs: one function each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from labeling_gateway import metrics
from winnow.contracts.answers import write_answer
from winnow.contracts.artifacts import JSON, read_manifest
from winnow.contracts.manifests import Batch
from winnow.contracts.task_ends import Ending, close_task, problem_of
from winnow.contracts.task_starts import (
    attach_predictions,
    pre_annotation_record,
    reserve_rework,
)
from winnow.contracts.tasks import (
    OPEN,
    Size,
    answer_told,
    earlier_tasks,
    frame_sizes,
    next_attempt,
    project_of,
    task_rows,
    work_item,
)
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound
from winnow.domain.events import BatchSelected, Event, LabelReviewed, TaskOutcome, VerdictKind
from winnow.domain.ids import FrameId, TaskId, derived_uuid
from winnow.domain.labeling_rows import ExceptionRow, ProjectRow, TaskRow
from winnow.domain.tables import (
    CURSORS,
    GATEWAY_EXCEPTIONS,
    PROJECTS,
    TASKS,
    CursorRow,
)
from winnow.evidence.artifact import Producer
from winnow.evidence.pre_annotation import PreAnnotationRecord
from winnow.policy.model import Policy, stored_policy
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.labeling_tool import Answer, LabelingTool
from winnow.ports.ledger import Ledger, Transaction

CURSOR = "answers"
PREFIX = "labeling_gateway"


@dataclass(frozen=True, slots=True)
class Ports:
    """What the handlers work with."""

    ledger: Ledger
    blobs: Blobs
    clock: Clock
    tool: LabelingTool
    producer: Producer
    tasks_per_tick: int


def on_batch_selected(event: BatchSelected, /, *, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Make the batch's tasks; record the predictions that people will see before they see them."""
    batch = read_manifest(ports.blobs, event.manifest, Batch)
    now = ports.clock.now()
    rows = task_rows(ports.blobs, batch, due_at=now + _patience(_policy(ports, batch)))
    evidence = pre_annotation_record(batch, rows, producer=ports.producer, at=now)
    record = None if evidence is None else _stored(ports, evidence)
    project = ProjectRow(event.batch_id, event.round_id, event.manifest, record)
    if not tx.records.insert(PROJECTS, project):
        return []
    revisions = attach_predictions(tx, batch, rows, record, at=now)
    tx.records.insert_many(
        TASKS, [replace(row, revision=revisions.get(row.frame_id, 1)) for row in rows]
    )
    metrics.TASKS.labels("ordered").inc(len(rows))
    return []


def on_submit_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Put waiting tasks into the labeling tool. It keeps those that it already has."""
    with ports.ledger.snapshot() as view:
        rows = view.records.find(TASKS, state="pending", limit=ports.tasks_per_tick)
    for project_id, some in _submit(ports, rows):
        for row in some:
            tx.records.update(TASKS, row.key, partial(_submitted, project_id=project_id))
    return []


def on_reconcile_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Submit all open tasks again: a tool that lost some (or all) of them gets them back."""
    del tx
    with ports.ledger.snapshot() as view:
        rows = view.records.find(TASKS, state="submitted")
    _submit(ports, rows)
    return []


def on_collect_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Take a page of answers: each once, whatever order they come in."""
    with ports.ledger.snapshot() as view:
        found = view.records.get(CURSORS, CURSOR)
    answers, after = ports.tool.poll(found.cursor if found else "")
    if not answers:
        return []
    with ports.ledger.snapshot() as view:
        rows = [view.records.get(TASKS, answer.task_id) for answer in answers]
        batches = _batches(view, ports, {row.batch_id for row in rows if row})
    sizes = {key: frame_sizes(ports.blobs, batch) for key, batch in batches.items()}
    documents = [
        write_answer(ports.blobs, answer, pre_label=row.pre_label if row else "", prefix=PREFIX)
        for answer, row in zip(answers, rows, strict=True)
    ]
    now = ports.clock.now()
    events: list[Event] = []
    for answer, document in zip(answers, documents, strict=True):
        events += _take(tx, batches, answer, document, now, sizes=sizes)
    if not tx.records.insert(CURSORS, CursorRow(CURSOR, after)):
        tx.records.update(CURSORS, CURSOR, lambda row: replace(row, cursor=after))
    return events


def on_expire_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """End tasks that nobody answered in time; their money goes back."""
    now = ports.clock.now()
    with ports.ledger.snapshot() as view:
        cursor = view.records.get(CURSORS, CURSOR)
        rows = view.records.find(TASKS, due_before=now, limit=ports.tasks_per_tick)
        batches = _batches(view, ports, {row.batch_id for row in rows})
    if not rows or ports.tool.poll(cursor.cursor if cursor else "")[0]:
        return []  # answers that lie in the tool were given in time: they are taken first
    for project_id, some in groupby(sorted(rows, key=_by_project), key=_by_project):
        if project_id:
            ports.tool.cancel(project_id, [TaskId(row.key) for row in some])
    events: list[Event] = []
    for row in rows:
        fresh = tx.records.get(TASKS, row.key)
        if fresh is not None and fresh.state in OPEN:
            ending = Ending(TaskOutcome.EXPIRED, now, "no answer in time")
            events.append(close_task(tx, fresh, batches[row.batch_id], ending))
            metrics.TASKS.labels("expired").inc()
    return events


def on_label_reviewed(event: LabelReviewed, /, *, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Order a returned label again, of somebody else; end it if that cannot be paid for."""
    if event.verdict is not VerdictKind.RETURNED:
        return []
    with ports.ledger.snapshot() as view:
        row = view.records.get(TASKS, event.task_id)
        if row is None:
            msg = f"task {event.task_id}: expected one that was answered, found none"
            raise NotFound(msg)
        batch = _batches(view, ports, {row.batch_id})[row.batch_id]
    policy, now = _policy(ports, batch), ports.clock.now()
    asked = [tx.records.get(TASKS, key) for key in earlier_tasks(row, batch.slots)]
    newest = tx.labels.latest(FrameId(row.frame_id), batch.label_task)
    again = next_attempt(
        row,
        revision=newest.key.revision + 1 if newest else row.revision + 1,
        defects=event.defects,
        excluded=tuple(sorted({one.annotator for one in asked if one and one.annotator})),
        due_at=now + _patience(policy),
    )
    if not tx.records.insert(TASKS, again):
        return []
    refusal = reserve_rework(tx, again, batch, policy, now)
    metrics.TASKS.labels("cancelled" if refusal else "ordered").inc()
    if refusal:
        return [close_task(tx, again, batch, Ending(TaskOutcome.CANCELLED, now, refusal))]
    return []


def _take(
    tx: Transaction,
    batches: Mapping[str, Batch],
    answer: Answer,
    document: BlobRef,
    now: datetime,
    *,
    sizes: Mapping[str, Mapping[str, Size]],
) -> list[Event]:
    """Take one answer, or leave it to a person if it cannot be taken; never lose it."""
    row = tx.records.get(TASKS, answer.task_id)
    if row is not None and row.answer_id == answer.answer_id:
        metrics.ANSWERS.labels("duplicate").inc()
        return []
    batch = batches.get(row.batch_id) if row else None
    size = sizes.get(row.batch_id, {}).get(row.frame_id) if row else None
    problem = problem_of(tx, row, batch, answer, size=size)
    if problem:
        said = answer_told(answer, batch, size=size) if batch else repr(answer.label)
        round_id = row.round_id if row else ""
        _keep_exception(tx, answer, document, problem, said, round_id=round_id)
    if row is None or batch is None or problem not in {"", "unpaid"}:
        return []
    ending = Ending(TaskOutcome.LABELED, now, answer=answer, document=document)
    if problem:
        ending = replace(ending, outcome=TaskOutcome.CANCELLED, reason=problem)
    elif answer.skipped:
        ending = replace(ending, outcome=TaskOutcome.SKIPPED, reason="skipped")
    else:
        metrics.ANSWERS.labels("taken").inc()
        metrics.EFFORT_SECONDS.observe(answer.effort_ms / 1000)
    metrics.TASKS.labels(ending.outcome.value).inc()
    return [close_task(tx, row, batch, ending)]


def _keep_exception(
    tx: Transaction, answer: Answer, document: BlobRef, kind: str, said: str, *, round_id: str
) -> None:
    row = ExceptionRow(
        key=str(derived_uuid("exception", kind, answer.task_id, answer.answer_id)),
        service="labeling_gateway",
        kind=kind,
        subject=answer.task_id,
        detail=f"answer {said} by {answer.annotator}: {document.key}",
        state="open",
        round_id=round_id,
    )
    if tx.records.insert(GATEWAY_EXCEPTIONS, row):
        metrics.ANSWERS.labels("exception").inc()
        metrics.EXCEPTIONS.labels(kind).inc()
    else:
        metrics.ANSWERS.labels("duplicate").inc()


def _submit(ports: Ports, rows: Sequence[TaskRow]) -> list[tuple[str, list[TaskRow]]]:
    """Give tasks to the tool, batch by batch; give each batch's project with its tasks."""
    done = []
    with ports.ledger.snapshot() as view:
        batches = _batches(view, ports, {row.batch_id for row in rows})
    for batch_id, some in groupby(sorted(rows, key=_by_batch), key=_by_batch):
        tasks, batch = list(some), batches[batch_id]
        project_id = ports.tool.ensure_project(project_of(batch))
        model = batch.pre_label_model
        ports.tool.submit(project_id, [work_item(row, pre_label_model=model) for row in tasks])
        done.append((project_id, tasks))
    return done


def _submitted(row: TaskRow, *, project_id: str) -> TaskRow:
    if row.state != "pending":
        return row
    return replace(row, state="submitted", project_id=project_id)


def _stored(ports: Ports, record: PreAnnotationRecord) -> BlobRef:
    data = record.model_dump_json().encode()
    return ports.blobs.put(data, prefix=f"{PREFIX}/evidence", media_type=JSON)


def _batches(view: Transaction, ports: Ports, batch_ids: set[str]) -> dict[str, Batch]:
    projects = [view.records.get(PROJECTS, batch_id) for batch_id in sorted(batch_ids)]
    return {row.key: read_manifest(ports.blobs, row.manifest, Batch) for row in projects if row}


def _policy(ports: Ports, batch: Batch) -> Policy:
    return stored_policy(ports.blobs.get(batch.policy), where=batch.policy.key)


def _patience(policy: Policy) -> timedelta:
    return timedelta(hours=policy.label.task_timeout_hours)


def _by_batch(row: TaskRow) -> str:
    return row.batch_id


def _by_project(row: TaskRow) -> str:
    return row.project_id

"""Reviews in the review tool: given to it, and taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from winnow.contracts.inspections import review_item, review_project
from winnow.contracts.manifests import Batch
from winnow.contracts.qa_items import frames_of
from winnow.domain.ids import TaskId
from winnow.domain.labeling_rows import QaItemRow
from winnow.ports.blobs import Blobs
from winnow.ports.labeling_tool import LabelingTool


def submit_reviews(
    tool: LabelingTool, blobs: Blobs, batches: Mapping[str, Batch], items: Sequence[QaItemRow]
) -> None:
    """Give labels to reviewers, batch by batch; the tool keeps those that it already has."""
    for batch, some in _by_batch(batches, items):
        frames = frames_of(blobs, batch)
        project_id = tool.ensure_project(review_project(batch))
        tool.submit(project_id, [review_item(item, frames[item.frame_id]) for item in some])


def cancel_reviews(
    tool: LabelingTool, batches: Mapping[str, Batch], items: Sequence[QaItemRow]
) -> None:
    """Take reviews back that nobody needs any more."""
    for batch, some in _by_batch(batches, items):
        project_id = tool.ensure_project(review_project(batch))
        tool.cancel(project_id, [TaskId(item.task_id) for item in some])


def _by_batch(
    batches: Mapping[str, Batch], items: Sequence[QaItemRow]
) -> Iterator[tuple[Batch, list[QaItemRow]]]:
    for batch_id, some in groupby(sorted(items, key=_batch_of), key=_batch_of):
        yield batches[batch_id], list(some)


def _batch_of(item: QaItemRow) -> str:
    return item.batch_id

"""What one person answered for one task: the document behind `task.closed`."""

from __future__ import annotations

import base64
import hashlib

from winnow.contracts.artifacts import read_manifest, write_manifest
from winnow.contracts.manifests import Manifest
from winnow.domain.blob_ref import BlobRef
from winnow.ports.blobs import Blobs
from winnow.ports.labeling_tool import Answer

SCHEMA_VERSION = 1


class AnswerDocument(Manifest):
    """A person's answer, with the tool's own payload and its digest as evidence."""

    task_id: str
    answer_id: str
    annotator: str
    label: str
    pre_label: str
    review_status: str
    """accepted_unchanged or edited if a prediction was shown, else redrawn."""
    effort_ms: int
    submitted_at: str
    raw: str
    """Base64 of the tool's payload."""
    raw_sha256: str


def review_status(label: str, pre_label: str) -> str:
    """Say what a person did with the prediction that they saw."""
    if not pre_label:
        return "redrawn"
    return "accepted_unchanged" if label == pre_label else "edited"


def write_answer(blobs: Blobs, answer: Answer, *, pre_label: str, prefix: str) -> BlobRef:
    """Store an answer; the same answer has one key."""
    document = AnswerDocument(
        schema_version=SCHEMA_VERSION,
        task_id=answer.task_id,
        answer_id=answer.answer_id,
        annotator=answer.annotator,
        label=answer.label,
        pre_label=pre_label,
        review_status=review_status(answer.label, pre_label),
        effort_ms=answer.effort_ms,
        submitted_at=answer.submitted_at.isoformat(),
        raw=base64.b64encode(answer.raw).decode(),
        raw_sha256=hashlib.sha256(answer.raw).hexdigest(),
    )
    return write_manifest(blobs, document, prefix=prefix)


def read_answer(blobs: Blobs, ref: BlobRef) -> AnswerDocument:
    """Load an answer."""
    return read_manifest(blobs, ref, AnswerDocument)

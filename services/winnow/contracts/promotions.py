"""A promotion: the data set of all approved labels, its record, and the approvals themselves."""

from __future__ import annotations

import hashlib
import json
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from winnow.contracts.artifacts import read_manifest, read_table, write_manifest, write_table
from winnow.contracts.inspections import QA
from winnow.contracts.manifests import Batch, Dataset
from winnow.contracts.tables import BATCH, DATASET
from winnow.domain.blob_ref import BlobRef
from winnow.domain.events import LabelApprovalEnded
from winnow.domain.ids import RoundId, derived_uuid
from winnow.domain.labeling_rows import PromotionRow, QaBatchRow
from winnow.domain.labels import Actor, LabelRevision, LabelState, Role, Transition
from winnow.evidence.artifact import Producer
from winnow.evidence.promotion_record import Approver, PromotionRecord
from winnow.evidence.qa_report import QaReport
from winnow.policy.model import Policy
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Transaction

PREFIX = "datasets"
_FRAME_COLUMNS = (
    "frame_id", "bucket", "key", "sha256", "size_bytes", "media_type", "arm",
    "inclusion_probability", "lure_weight", "session", "cluster",
)  # fmt: skip


def dataset_id_of(round_id: str) -> str:
    """Give the id of the data set that a round's promotion makes."""
    return f"{round_id}-dataset"


def write_dataset(
    blobs: Blobs,
    batch: Batch,
    policy: Policy,
    *,
    fresh: Sequence[LabelRevision],
    approved: Sequence[LabelRevision],
    promotions: Sequence[PromotionRow],
) -> BlobRef:
    """Store the snapshot of all labels of one use: those approved before, and the fresh ones.

    Parameters
    ----------
    fresh
        Labels of this batch that are about to be approved.
    approved
        Labels that are approved for this use now; those whose approval ended are left out.
    promotions
        Earlier promotions; their data sets say where the frames of `approved` lie.
    """
    rows = _earlier_rows(blobs, batch, policy, approved, promotions)
    rows += _fresh_rows(blobs, batch, fresh)
    rows.sort(key=lambda row: str(row["frame_id"]))
    table = pa.Table.from_pylist(rows, schema=DATASET)
    dataset = Dataset(
        round_id=batch.round_id,
        promotion_seq=len(promotions) + 1,
        label_task=batch.label_task,
        class_names=batch.class_names,
        allowed_use=policy.qa.allowed_use,
        table=write_table(blobs, table, DATASET, prefix=PREFIX),
        n_labels=len(rows),
        holdouts=batch.holdouts,
        policy=batch.policy,
        seed=batch.seed,
        label_kind=batch.label_kind,
    )
    return write_manifest(blobs, dataset, prefix=PREFIX)


def promotion_record(
    row: QaBatchRow,
    batch: Batch,
    policy: Policy,
    fresh: Sequence[LabelRevision],
    *,
    report: QaReport,
    report_ref: BlobRef,
    dataset: BlobRef,
    expires_at: datetime,
    producer: Producer,
    at: datetime,
) -> PromotionRecord:
    """Give the evidence of a promotion."""
    steward = row.decided_by or policy.qa.data_steward
    return PromotionRecord(
        id=derived_uuid("promotion_record", row.key),
        created_at=at,
        producer=producer,
        round_id=row.round_id,
        batch_id=row.key,
        label_task=batch.label_task,
        allowed_use=policy.qa.allowed_use,
        expires_at=expires_at.isoformat(),
        approvers=(Approver(name=steward, role=Role.DATA_STEWARD.value),),
        order="command" if row.decided_by else "standing",
        reason=row.reason or "QA passed",
        n_labels=len(fresh),
        revisions_sha256=revisions_sha256(fresh),
        qa_report_id=report.id,
        qa_report=report_ref,
        dataset=dataset,
        dataset_ids=(dataset_id_of(row.round_id),),
    ).sealed()


def approve(
    tx: Transaction, row: QaBatchRow, policy: Policy, labels: Sequence[LabelRevision], at: datetime
) -> None:
    """Step labels to their approval, in the data steward's name."""
    if row.record is None or row.expires_at is None:
        msg = f"batch {row.key}: an approval rests on a record with an expiry"
        raise ValueError(msg)
    steward = Actor(row.decided_by or policy.qa.data_steward, Role.DATA_STEWARD)
    facts = {"promotion_record": row.record.key, "sha256": row.record.sha256, "split": "train"}
    evidence = json.dumps(facts, sort_keys=True)
    for label in labels:
        step = Transition(
            label.key, label.version + 1, label.state, LabelState.APPROVED_FOR_TRAINING, steward,
            evidence, "", at,
        )  # fmt: skip
        tx.labels.step(step, allowed_use=policy.qa.allowed_use, expires_at=row.expires_at)


def dataset_ids_with(
    blobs: Blobs, promotions: Sequence[PromotionRow], labels: Sequence[LabelRevision]
) -> Mapping[str, tuple[str, ...]]:
    """Give for each frame the ids of the data sets that hold this revision of its label."""
    revisions = {label.key.frame_id: label.key.revision for label in labels}
    found: dict[str, list[str]] = {frame_id: [] for frame_id in revisions}
    columns = ["frame_id", "revision"]
    for promotion in promotions:
        dataset = read_manifest(blobs, promotion.snapshot, Dataset)
        table = read_table(blobs, dataset.table, DATASET, columns=columns)
        for frame_id, revision in zip(*(table[c].to_pylist() for c in columns), strict=True):
            if revisions.get(frame_id) == revision:
                found[frame_id].append(promotion.key)
    return {frame_id: tuple(sorted(ids)) for frame_id, ids in found.items()}


def end_approvals(
    tx: Transaction,
    blobs: Blobs,
    ended: Sequence[LabelRevision],
    promotions: Sequence[PromotionRow],
    at: datetime,
) -> list[LabelApprovalEnded]:
    """Take back approvals whose time is over; name the data sets that used each label."""
    using = dataset_ids_with(blobs, promotions, ended)
    events = []
    for label in ended:
        key, datasets = label.key, using[label.key.frame_id]
        evidence = json.dumps({"expired_at": str(label.expires_at), "datasets": datasets})
        step = Transition(
            key, label.version + 1, label.state, LabelState.QA_PASSED, QA, evidence, "expired", at
        )
        tx.labels.step(step)
        round_id, version = RoundId(label.round_id), key.revision
        events.append(
            LabelApprovalEnded(round_id, key.frame_id, key.label_task, version, "expired", datasets)
        )
    return events


def months_later(at: datetime, months: int) -> datetime:
    """Give the same day so many months later, or the month's last day if it has none.

    Examples
    --------
    >>> months_later(datetime(2026, 1, 31), 1)
    datetime.datetime(2026, 2, 28, 0, 0)
    """
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    return at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1]))


def revisions_sha256(labels: Sequence[LabelRevision]) -> str:
    """Give the digest of which label revisions these are."""
    keys = sorted(label.key for label in labels)
    lines = [f"{key.frame_id}/{key.label_task}/{key.revision}" for key in keys]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _earlier_rows(
    blobs: Blobs,
    batch: Batch,
    policy: Policy,
    approved: Sequence[LabelRevision],
    promotions: Sequence[PromotionRow],
) -> list[dict[str, object]]:
    """Give the rows of the newest data set of this use whose labels are still approved."""
    still = {(label.key.frame_id, label.key.revision) for label in approved}
    for promotion in sorted(promotions, key=lambda row: -row.promotion_seq):
        if promotion.allowed_use != policy.qa.allowed_use:
            continue
        dataset = read_manifest(blobs, promotion.snapshot, Dataset)
        if dataset.label_task == batch.label_task:
            rows = read_table(blobs, dataset.table, DATASET).to_pylist()
            return [row for row in rows if (row["frame_id"], row["revision"]) in still]
    return []


def _fresh_rows(
    blobs: Blobs, batch: Batch, fresh: Sequence[LabelRevision]
) -> list[dict[str, object]]:
    labels = {label.key.frame_id: label for label in fresh}
    table = read_table(blobs, batch.table, BATCH, columns=list(_FRAME_COLUMNS))
    wanted = pa.array(sorted(labels), type=pa.string())
    rows: list[dict[str, object]] = table.filter(
        pc.is_in(table["frame_id"], value_set=wanted)
    ).to_pylist()
    for row in rows:
        label = labels[row["frame_id"]]  # type: ignore[index]
        row["label"] = json.loads(label.value)["label"]
        row["revision"] = label.key.revision
        row["round_id"] = batch.round_id
        row["state"] = LabelState.APPROVED_FOR_TRAINING.value
    return rows

"""The QA report of a settled batch: tables and numbers from its rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Literal

import pyarrow as pa

from winnow.agreement.inspection import STEP
from winnow.agreement.labels import classes_of, likeness
from winnow.agreement.nominal import codes_of, krippendorff_alpha
from winnow.contracts.artifacts import read_table, write_table
from winnow.contracts.manifests import Batch
from winnow.contracts.qa_lots import PREFIX, QaPlan, defect_rate, has_defect, is_sampled, read_plan
from winnow.contracts.tables import BATCH
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import derived_uuid
from winnow.domain.labeling_rows import QaBatchRow, QaItemRow
from winnow.domain.labels import DETECTION
from winnow.estimation.poisson_sampling import Estimate
from winnow.evidence.artifact import Producer
from winnow.evidence.qa_report import QaReport, Rate, SamplingPlan, Slice
from winnow.policy.round_sections import QaSection
from winnow.ports.blobs import Blobs

QA_RESULTS = pa.schema(
    [
        ("task_id", pa.string()),
        ("frame_id", pa.string()),
        ("slot", pa.int32()),
        ("attempt", pa.int32()),
        ("revision", pa.int32()),
        ("state", pa.string()),
        ("label", pa.string()),
        ("annotator", pa.string()),
        ("effort_ms", pa.int64()),
        ("inspected", pa.bool_()),
        ("inclusion_probability", pa.float64()),
        ("reviewer", pa.string()),
        ("adjudicated", pa.bool_()),
        ("defects", pa.list_(pa.string())),
    ]
)
"""One row for each answer, by frame, attempt and slot."""

Decision = Literal["lot_accepted", "all_inspected", "accepted_by_steward"]


def write_results(blobs: Blobs, items: Sequence[QaItemRow]) -> BlobRef:
    """Store every answer's way through QA."""
    rows = sorted(items, key=lambda item: (item.frame_id, item.attempt, item.slot))
    columns = {name: [getattr(row, name) for row in rows] for name in QA_RESULTS.names}
    columns["defects"] = [list(row.defects) for row in rows]
    return write_table(blobs, pa.table(columns, schema=QA_RESULTS), QA_RESULTS, prefix=PREFIX)


def qa_report(
    blobs: Blobs,
    row: QaBatchRow,
    batch: Batch,
    section: QaSection,
    items: Sequence[QaItemRow],
    *,
    producer: Producer,
    at: datetime,
) -> QaReport:
    """Give the report of a batch whose labels are all settled."""
    if row.plan is None:
        msg = f"batch {row.key}: a settled batch has a plan"
        raise ValueError(msg)
    plan, inclusion = read_plan(blobs, row.plan)
    if sum(item.inspected and item.attempt == 1 for item in items) == plan.n_lot:
        inclusion = dict.fromkeys(inclusion, 1.0)  # everything was inspected in the end
    first = [item for item in items if is_sampled(item)]
    returned = sum(item.state == "returned" for item in first)
    reviewed = [item for item in items if item.reviewer]
    return QaReport(
        id=derived_uuid("qa_report", row.key),
        created_at=at,
        producer=producer,
        round_id=row.round_id,
        batch_id=row.key,
        label_task=batch.label_task,
        plan=_plan(plan, section, _decision(row, items)),
        items=write_results(blobs, items),
        defect_rate=rate_of(defect_rate(items, inclusion)),
        defects=_counts(code for item in reviewed for code in item.defects),
        decisions=_counts(item.state for item in reviewed),
        n_labels=_counts(_ends(items)),
        n_adjudicated=sum(item.adjudicated for item in reviewed),
        rework_rate=_share(returned, len(first)),
        first_pass_yield=_share(sum(item.state == "passed" for item in first), len(first)),
        agreement_alpha=_alpha(items, batch),
        pre_label_agreement=_pre_label_agreement(blobs, batch, items),
        slices=tuple(_slices(blobs, batch, items, inclusion)),
        reviewers=tuple(sorted({item.reviewer for item in reviewed})),
    ).sealed()


def rate_of(estimate: Estimate) -> Rate:
    """Give an estimate as evidence writes it."""
    values = (estimate.mean, estimate.lower, estimate.upper)
    mean, lower, upper = (None if math.isnan(value) else value for value in values)
    return Rate(mean=mean, lower=lower, upper=upper, n=estimate.n)


def _plan(plan: QaPlan, section: QaSection, decision: Decision) -> SamplingPlan:
    return SamplingPlan(
        seed=plan.seed,
        step=STEP,
        sample_share=plan.sample_share,
        inclusion_floor=section.inclusion_floor,
        risk_weight_disagreement=section.risk_weight_disagreement,
        risk_weight_rare_class=section.risk_weight_rare_class,
        n_lot=plan.n_lot,
        n_drawn=plan.n_drawn,
        expected_size=plan.expected_size,
        defect_rate_max=section.defect_rate_max,
        decision=decision,
    )


def _decision(row: QaBatchRow, items: Sequence[QaItemRow]) -> Decision:
    if row.forced:
        return "accepted_by_steward"
    by_lot = any(item.state == "passed" and not item.inspected for item in items)
    return "lot_accepted" if by_lot else "all_inspected"


def _counts(values: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(values).items()))


def _ends(items: Sequence[QaItemRow]) -> list[str]:
    """Give how each frame ended: by its last attempt, passed before all else."""
    order = sorted(items, key=lambda item: (item.frame_id, -item.attempt))
    ends = []
    for _, some in groupby(order, key=lambda item: item.frame_id):
        states = [item.state for item in some]
        ends.append(next((s for s in ("passed", "rejected") if s in states), "unlabeled"))
    return ends


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _alpha(items: Sequence[QaItemRow], batch: Batch) -> float | None:
    n_slots = batch.slots
    if n_slots < 2 or batch.label_kind == DETECTION:
        return None  # of boxes there are no values to count coincidences of
    labels: dict[str, list[str]] = {}
    for item in items:
        if item.attempt == 1:
            labels.setdefault(item.frame_id, [""] * n_slots)[item.slot] = item.label
    alpha = krippendorff_alpha(codes_of(list(labels.values())))
    return None if math.isnan(alpha) else alpha


def _pre_label_agreement(blobs: Blobs, batch: Batch, items: Sequence[QaItemRow]) -> float | None:
    columns = ["frame_id", "pre_label"]
    table = read_table(blobs, batch.table, BATCH, columns=columns)
    shown = dict(zip(*(table[name].to_pylist() for name in columns), strict=True))
    compared = [
        likeness(item.label, shown[item.frame_id], label_kind=batch.label_kind)
        for item in items
        if item.attempt == 1 and item.label and shown.get(item.frame_id)
    ]
    return sum(compared) / len(compared) if compared else None


def _slices(
    blobs: Blobs, batch: Batch, items: Sequence[QaItemRow], inclusion: Mapping[str, float]
) -> list[Slice]:
    """Cut the lot by class, arm and site."""
    labels: dict[str, frozenset[str]] = {
        item.frame_id: classes_of(item.label, label_kind=batch.label_kind)
        for item in items
        if item.attempt == 1 and item.label
    }
    columns = ["frame_id", "arm", "site"]
    rows = read_table(blobs, batch.table, BATCH, columns=columns).to_pylist()
    kinds = {
        "class": labels,
        "arm": {row["frame_id"]: frozenset({row["arm"] or ""}) for row in rows},
        "site": {row["frame_id"]: frozenset({row["site"] or ""}) for row in rows},
    }
    return [
        _slice(name, value, items, {f: p for f, p in inclusion.items() if value in by.get(f, ())})
        for name, by in kinds.items()
        for value in sorted({value for frame_id in inclusion for value in by.get(frame_id, ())})
    ]


def _slice(
    name: str, value: str, items: Sequence[QaItemRow], inclusion: Mapping[str, float]
) -> Slice:
    seen = [item for item in items if is_sampled(item) and item.frame_id in inclusion]
    return Slice(
        name=name,
        value=value,
        n_labels=len(inclusion),
        n_inspected=len(seen),
        n_defects=sum(has_defect(item) for item in seen),
        defect_rate=rate_of(defect_rate(items, inclusion)),
    )

"""The lot of a batch: one label a frame, its risk, and which are inspected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from winnow.agreement.inspection import (
    Risk,
    Weights,
    drawn,
    inclusion_probabilities,
)
from winnow.agreement.labels import rare_of, same_label, vote_on
from winnow.contracts.artifacts import read_manifest as _read_manifest
from winnow.contracts.artifacts import read_table, write_table
from winnow.contracts.artifacts import write_manifest as _write_manifest
from winnow.contracts.manifests import Batch, Manifest
from winnow.contracts.tables import BATCH
from winnow.domain.blob_ref import BlobRef
from winnow.domain.labeling_rows import QaItemRow
from winnow.estimation.poisson_sampling import Estimate, horvitz_thompson_rate
from winnow.policy.round_sections import QaSection
from winnow.ports.blobs import Blobs

PREFIX = "qa"
SHRINK = 0.75
SHRINKS_MAX = 24

QA_PLAN = pa.schema(
    [
        ("frame_id", pa.string()),
        ("task_id", pa.string()),
        ("label", pa.string()),
        ("differs", pa.bool_()),
        ("rare", pa.bool_()),
        ("certain", pa.bool_()),
        ("inclusion_probability", pa.float64()),
        ("inspected", pa.bool_()),
    ]
)
"""Sampling plan: one row a frame, by frame_id."""


class QaPlan(Manifest):
    """Which labels of a lot are inspected, and with which probability each was drawn."""

    batch_id: str
    seed: int
    sample_share: float
    expected_size: float
    n_lot: int
    n_drawn: int
    table: BlobRef


@dataclass(frozen=True, slots=True)
class Lot:
    """Frames with an answer, by frame_id, each with the row that stands for it."""

    leads: tuple[QaItemRow, ...]
    others: tuple[QaItemRow, ...]
    """Rows of further slots: they voted."""
    risk: Risk


@dataclass(frozen=True, slots=True)
class Draw:
    """What a plan says of each lead of a lot."""

    sample_share: float
    inclusion_N: npt.NDArray[np.float64]
    inspected_N: npt.NDArray[np.bool_]


def lot_of(
    items: Sequence[QaItemRow], pre_labels: Mapping[str, str], batch: Batch, section: QaSection
) -> Lot:
    """Give the lot of a batch's first answers.

    Several answers for a frame are one label, see `winnow.agreement.labels.vote_on`; a tie is
    adjudicated.
    """
    by_frame = sorted(
        (item for item in items if item.state == "answered"), key=lambda i: (i.frame_id, i.slot)
    )
    leads, others = [], []
    for _, some in groupby(by_frame, key=lambda item: item.frame_id):
        lead, rest = _lead(tuple(some), batch.label_kind)
        leads.append(lead)
        others += rest
    return Lot(tuple(leads), tuple(others), _risk(leads, pre_labels, batch, section))


def draw_lot(lot: Lot, section: QaSection, *, seed: int, affordable: int) -> Draw | None:
    """Draw the sample; a smaller one if money does not last, None if not even the least does.

    Uniform numbers stay the same while the share shrinks, so that a smaller sample is a part of
    the larger one.
    """
    weights = Weights(
        disagreement=section.risk_weight_disagreement,
        rare_class=section.risk_weight_rare_class,
        floor=section.inclusion_floor,
    )
    frame_ids = [lead.frame_id for lead in lot.leads]
    adjudicated_N = np.array([lead.adjudicated for lead in lot.leads], dtype=np.bool_)
    share = section.sample_share
    for _ in range(SHRINKS_MAX):
        size = share * len(lot.leads)
        inclusion_N = inclusion_probabilities(lot.risk, weights, expected_size=size)
        inspected_N = drawn(frame_ids, inclusion_N, seed=seed)
        if int((inspected_N & ~adjudicated_N).sum()) <= affordable:
            return Draw(share, inclusion_N, inspected_N)
        share *= SHRINK
    return None


def write_plan(blobs: Blobs, batch: Batch, lot: Lot, draw: Draw) -> BlobRef:
    """Store a sampling plan before anybody inspects."""
    table = pa.table(
        {
            "frame_id": [lead.frame_id for lead in lot.leads],
            "task_id": [lead.task_id for lead in lot.leads],
            "label": [lead.label for lead in lot.leads],
            "differs": lot.risk.differs_N,
            "rare": lot.risk.rare_N,
            "certain": lot.risk.certain_N,
            "inclusion_probability": draw.inclusion_N,
            "inspected": draw.inspected_N,
        },
        schema=QA_PLAN,
    )
    plan = QaPlan(
        batch_id=batch.batch_id,
        seed=batch.seed,
        sample_share=draw.sample_share,
        expected_size=float(draw.inclusion_N.sum()),
        n_lot=len(lot.leads),
        n_drawn=int(draw.inspected_N.sum()),
        table=write_table(blobs, table, QA_PLAN, prefix=PREFIX),
    )
    return _write_manifest(blobs, plan, prefix=PREFIX)


def read_plan(blobs: Blobs, ref: BlobRef) -> tuple[QaPlan, dict[str, float]]:
    """Load a plan and each frame's inclusion probability."""
    plan = _read_manifest(blobs, ref, QaPlan)
    columns = ["frame_id", "inclusion_probability"]
    table = read_table(blobs, plan.table, QA_PLAN, columns=columns)
    return plan, dict(zip(*(table[name].to_pylist() for name in columns), strict=True))


def pre_labels_of(blobs: Blobs, batch: Batch) -> dict[str, str]:
    """Give the prediction that was shown with each frame, empty without one."""
    columns = ["frame_id", "pre_label"]
    table = read_table(blobs, batch.table, BATCH, columns=columns)
    return dict(zip(*(table[name].to_pylist() for name in columns), strict=True))


def defect_rate(items: Sequence[QaItemRow], inclusion: Mapping[str, float]) -> Estimate:
    """Estimate the share of a lot's first labels that have a defect, from those inspected.

    Parameters
    ----------
    items
        Rows of the batch.
    inclusion
        frame_id to inclusion probability, for each frame of the lot (or of a slice of it).
    """
    seen = [item for item in items if is_sampled(item) and item.frame_id in inclusion]
    return horvitz_thompson_rate(
        np.array([float(has_defect(item)) for item in seen]),
        np.array([inclusion[item.frame_id] for item in seen]),
        population_size=len(inclusion),
    )


def is_sampled(item: QaItemRow) -> bool:
    """Tell whether this is a first answer that was drawn and that a reviewer judged."""
    return item.attempt == 1 and item.inspected and bool(item.reviewer)


def has_defect(item: QaItemRow) -> bool:
    """Tell whether a reviewer found something."""
    return item.state in {"returned", "rejected"}


def _lead(answers: tuple[QaItemRow, ...], label_kind: str) -> tuple[QaItemRow, list[QaItemRow]]:
    vote = vote_on([answer.label for answer in answers], label_kind=label_kind)
    pos = next(pos for pos, answer in enumerate(answers) if answer.label == vote.label)
    lead = replace(
        answers[pos],
        adjudicated=vote.tied,
        annotators=tuple(sorted({answer.annotator for answer in answers})),
    )
    return lead, [answer for other, answer in enumerate(answers) if other != pos]


def _risk(
    leads: Sequence[QaItemRow], pre_labels: Mapping[str, str], batch: Batch, section: QaSection
) -> Risk:
    labels = [lead.label for lead in leads]
    shown = [pre_labels.get(lead.frame_id) or "" for lead in leads]
    kind = batch.label_kind
    differs = [
        bool(pre) and not same_label(pre, label, label_kind=kind)
        for pre, label in zip(shown, labels, strict=True)
    ]
    certain = [
        lead.adjudicated or (pre == lead.label and lead.effort_ms < section.effort_ms_floor)
        for pre, lead in zip(shown, leads, strict=True)
    ]
    return Risk(
        differs_N=np.array(differs, dtype=np.bool_),
        rare_N=rare_of(labels, len(batch.class_names), label_kind=kind),
        certain_N=np.array(certain, dtype=np.bool_),
    )

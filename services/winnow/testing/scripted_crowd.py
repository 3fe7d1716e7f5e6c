"""How scripted people answer: accuracy, confusion, care, speed; all drawn from (seed, task, name).

Nothing here has a memory: the same order gives the same answer in every process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from winnow.agreement.labels import same_label
from winnow.domain.ids import derived_uuid
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.labeling_tool import Answer, WorkItem
from winnow.testing.scripted_boxes import drawn_boxes, effort_of, is_boxes

PASSED = "passed"
"""What a reviewer answers who finds nothing wrong."""
ACCEPT_FACTOR = 0.5
"""Accepting what is shown takes half the time of choosing."""


class CrowdRole(StrEnum):
    """What the crowd does with a frame."""

    ANNOTATE = "annotate"
    REVIEW = "review"


class CrowdOptions(BaseModel):
    """Who they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: CrowdRole = CrowdRole.ANNOTATE
    seed: int = Field(default=0, ge=0, lt=2**63)
    n_annotators: int = Field(default=5, ge=1, le=999)
    accuracy: float = Field(default=0.95, ge=0.0, le=1.0, description="Of the middle annotator.")
    accuracy_spread: float = Field(
        default=0.03, ge=0.0, le=1.0, description="The best is better, the worst worse by this."
    )
    confused: tuple[tuple[str, str], ...] = Field(
        default=(), description="(class, the class it is mistaken for); others: any wrong class."
    )
    skip_share: float = Field(default=0.0, ge=0.0, le=1.0)
    careless_share: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Pre-labels accepted at once without a look."
    )
    duplicate_share: float = Field(default=0.0, ge=0.0, le=1.0)
    lag_seconds: float = Field(default=0.0, ge=0.0, description="Mean wait until the answer.")
    effort_ms: int = Field(default=4000, ge=1, description="Median time of one answer.")
    answers_per_poll: int = Field(default=100, ge=1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer, and when the tool shows it; `shuffle` orders those that appear together."""

    answer: Answer
    visible_at: datetime
    shuffle: int


@dataclass(frozen=True, slots=True)
class _Draws:
    skip: float
    care: float
    hit: float
    miss: float
    effort: float
    lag: float
    duplicate: float
    lag_again: float


def people_for(options: CrowdOptions, item: WorkItem) -> list[str]:
    """Give who may answer, in the order in which they are asked; the same for all of a frame."""
    key = _key(options.seed, "people", item.batch_id, item.frame_id)
    order = np.random.Generator(np.random.Philox(key=key)).permutation(options.n_annotators)
    kind = "reviewer" if options.role is CrowdRole.REVIEW else "annotator"
    names = [f"{kind}-{number + 1:02d}" for number in order.tolist()]
    return [name for name in names if name not in item.excluded_annotators]


def deliveries_of(
    options: CrowdOptions,
    item: WorkItem,
    person: str,
    *,
    truth: str | None,
    class_names: Sequence[str],
    at: datetime,
    label_kind: str = CLASSIFICATION,
) -> list[Delivery]:
    """Give what comes back for one order: one answer, delivered once or twice.

    Parameters
    ----------
    truth
        The frame's label; without one nobody can tell, and the frame is skipped.
    """
    draws = _draws(options, item, person)
    submitted_at = at + timedelta(seconds=options.lag_seconds * draws.lag)
    answer = _answer(
        options,
        item,
        person,
        draws,
        truth=truth,
        class_names=class_names,
        at=submitted_at,
        label_kind=label_kind,
    )
    shuffle = _key(options.seed, "order", item.task_id) >> 65
    delivered = [Delivery(answer, submitted_at, shuffle)]
    if draws.duplicate < options.duplicate_share:
        again_at = submitted_at + timedelta(seconds=options.lag_seconds * draws.lag_again)
        delivered.append(Delivery(answer, again_at, shuffle ^ 0x5555))
    return delivered


def _answer(
    options: CrowdOptions,
    item: WorkItem,
    person: str,
    draws: _Draws,
    *,
    truth: str | None,
    class_names: Sequence[str],
    at: datetime,
    label_kind: str,
) -> Answer:
    detects = label_kind == DETECTION
    known = truth is not None and (is_boxes(truth) if detects else truth in class_names)
    skipped = not known or draws.skip < options.skip_share
    shown = item.pre_annotation.label if item.pre_annotation else ""
    offered = is_boxes(shown) if detects else shown in class_names
    careless = offered and draws.care < options.careless_share
    see = _drawn if detects else _seen
    seen = "" if skipped else see(options, item, person, draws, str(truth), class_names)
    label = shown if careless and not skipped else seen
    effort_ms = options.effort_ms * draws.effort
    if detects and label and not careless:
        effort_ms *= effort_of(label, shown)
    elif label == shown:
        effort_ms *= 0.01 if careless else ACCEPT_FACTOR
    if options.role is CrowdRole.REVIEW and not skipped:
        label = PASSED if same_label(label, shown, label_kind=label_kind) else label
    raw = {
        "task": item.task_id, "by": person, "label": label, "skipped": skipped,
        "shown": shown, "lead_time_seconds": round(effort_ms / 1000, 3),
    }  # fmt: skip
    return Answer(
        task_id=item.task_id,
        answer_id=str(derived_uuid("scripted answer", options.seed, item.task_id, person)),
        annotator=person,
        skipped=skipped,
        label=label,
        effort_ms=int(effort_ms),
        submitted_at=at,
        raw=json.dumps(raw, sort_keys=True).encode(),
    )


def _seen(
    options: CrowdOptions,
    item: WorkItem,
    person: str,
    draws: _Draws,
    truth: str,
    class_names: Sequence[str],
) -> str:
    """Give the class that this person sees; being told of a defect halves the errors."""
    error = _error(options, item, person)
    others = [name for name in class_names if name != truth]
    if draws.hit >= error or not others:
        return truth
    twin = dict(options.confused).get(truth)
    return twin if twin in others else others[int(draws.miss * len(others))]


def _drawn(
    options: CrowdOptions,
    item: WorkItem,
    person: str,
    draws: _Draws,
    truth: str,
    class_names: Sequence[str],
) -> str:
    """Give the boxes that this person draws; as often wrong as others name the wrong class.

    Reviewers draw by themselves: what they are shown is what they judge.
    """
    offered = item.pre_annotation.label if item.pre_annotation else ""
    rng = np.random.Generator(
        np.random.Philox(key=_key(options.seed, "boxes", item.task_id, person))
    )
    wrong = draws.hit < _error(options, item, person)
    shown = "" if options.role is CrowdRole.REVIEW else offered
    return drawn_boxes(truth, shown, wrong=wrong, class_names=class_names, rng=rng)


def _error(options: CrowdOptions, item: WorkItem, person: str) -> float:
    """Give the chance of a wrong answer; being told of a defect halves it."""
    error = 1.0 - accuracy_of(options, person)
    return error / 2 if item.defects else error


def accuracy_of(options: CrowdOptions, person: str) -> float:
    """Give a person's share of right answers: evenly spaced around `accuracy`, at most one."""
    number = int(person.rpartition("-")[2]) - 1
    place = 2 * number / (options.n_annotators - 1) - 1 if options.n_annotators > 1 else 0.0
    return min(1.0, max(0.0, options.accuracy + place * options.accuracy_spread))


def _draws(options: CrowdOptions, item: WorkItem, person: str) -> _Draws:
    key = _key(options.seed, options.role, item.task_id, person)
    rng = np.random.Generator(np.random.Philox(key=key))
    skip, care, hit, miss, duplicate = rng.random(5).tolist()
    lag, lag_again = rng.exponential(size=2).tolist()
    effort = float(np.exp(0.5 * rng.standard_normal()))
    return _Draws(skip, care, hit, miss, effort, lag, duplicate, lag_again)


def _key(*parts: object) -> int:
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")

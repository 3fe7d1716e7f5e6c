"""What people read about labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace

from winnow.domain.boxes import boxes_of, objects_told
from winnow.domain.errors import BadInput, NotFound
from winnow.domain.ids import FrameId
from winnow.domain.labels import CLASSIFICATION, DETECTION, LabelRevision, Transition
from winnow.ports.ledger import Transaction

Document = dict[str, object]


def label_counts(view: Transaction, round_id: str | None = None) -> dict[str, int]:
    """Give the number of latest label revisions in each state."""
    counts: Counter[str] = Counter()
    for found, state, n_labels in view.labels.counts():
        if round_id in {None, found}:
            counts[state.value] += n_labels
    return dict(sorted(counts.items()))


def label_history(view: Transaction, frame_id: FrameId, label_task: str = "") -> Document:
    """Give every revision of a frame's label and every step of each.

    Without a task it is that of the two which policies have by default that the frame has.
    """
    tasks = (label_task,) if label_task else (CLASSIFICATION, DETECTION)
    latest = next((one for task in tasks if (one := view.labels.latest(frame_id, task))), None)
    if latest is None:
        asked = " or ".join(repr(task) for task in tasks)
        msg = f"frame {frame_id}: expected a label for task {asked}, found none"
        raise NotFound(msg)
    keys = [replace(latest.key, revision=n) for n in range(1, latest.key.revision + 1)]
    revisions = [(view.labels.get(key), view.labels.history(key)) for key in keys]
    return {
        "frame_id": frame_id,
        "label_task": latest.key.label_task,
        "revisions": [_revision(found, steps) for found, steps in revisions if found is not None],
    }


def _revision(revision: LabelRevision, steps: Iterable[Transition]) -> Document:
    return {
        "revision": revision.key.revision,
        "state": revision.state.value,
        "value": revision.value,
        **_told(revision.value),
        "round_id": revision.round_id,
        "allowed_use": revision.allowed_use,
        "expires_at": revision.expires_at.isoformat() if revision.expires_at else None,
        "steps": [
            {
                "version": step.version,
                "from": step.from_state.value if step.from_state else None,
                "to": step.to_state.value,
                "actor": step.actor.name,
                "role": step.actor.role.value,
                "reason": step.reason,
                "evidence": step.evidence,
                "at": step.at.isoformat(),
            }
            for step in steps
        ],
    }


def _told(value: str) -> Document:
    """Give a label as people read it: `label` in words and, if it is boxes, each of them."""
    text = str(json.loads(value)["label"]) if value else ""
    try:
        boxes = boxes_of(text)
    except BadInput:
        return {"label": text}
    told = objects_told(box.class_name for box in boxes)
    return {"label": told, "boxes": [asdict(box) for box in boxes]}

"""What people read about labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from winnow.domain.errors import NotFound
from winnow.domain.ids import FrameId
from winnow.domain.labels import LabelKey, LabelRevision, Transition
from winnow.ports.ledger import Transaction

Document = dict[str, object]


def label_counts(view: Transaction, round_id: str | None = None) -> dict[str, int]:
    """Give the number of latest label revisions in each state."""
    counts: Counter[str] = Counter()
    for found, state, n_labels in view.labels.counts():
        if round_id in {None, found}:
            counts[state.value] += n_labels
    return dict(sorted(counts.items()))


def label_history(view: Transaction, frame_id: FrameId, label_task: str) -> Document:
    """Give every revision of a frame's label and every step of each."""
    latest = view.labels.latest(frame_id, label_task)
    if latest is None:
        msg = f"frame {frame_id}: expected a label for task {label_task!r}, found none"
        raise NotFound(msg)
    keys = [LabelKey(frame_id, label_task, n) for n in range(1, latest.key.revision + 1)]
    revisions = [(view.labels.get(key), view.labels.history(key)) for key in keys]
    return {
        "frame_id": frame_id,
        "label_task": label_task,
        "revisions": [_revision(found, steps) for found, steps in revisions if found is not None],
    }


def _revision(revision: LabelRevision, steps: Iterable[Transition]) -> Document:
    return {
        "revision": revision.key.revision,
        "state": revision.state.value,
        "value": revision.value,
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

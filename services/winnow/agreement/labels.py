"""Questions about labels that are asked of every kind: the same, the majority's, wrong, rare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.agreement.boxes import box_agreement, box_defects
from winnow.agreement.inspection import rare_labels
from winnow.agreement.majority import Vote, majority_vote
from winnow.domain.boxes import classes_in
from winnow.domain.labels import DETECTION

WRONG_CLASS = "WRONG_CLASS"


def same_label(first: str, second: str, *, label_kind: str) -> bool:
    """Tell whether two people said the same.

    Of detection: every box of one has a partner among the other's, of the same class and with an
    intersection over union of at least 0.5.
    """
    if first == second:
        return True
    if label_kind == DETECTION and first and second:
        return box_agreement(first, second).same
    return False


def likeness(first: str, second: str, *, label_kind: str) -> float:
    """Give how much of two labels is the same, 0 to 1: of boxes the F1 of matches."""
    if label_kind == DETECTION and first and second:
        return box_agreement(first, second).f1
    return float(first == second)


def vote_on(labels: Sequence[str], *, label_kind: str) -> Vote:
    """Give one label out of several independent ones.

    Of detection it is the answer that agrees best with all others (mean F1 of matches; ties go to
    the first by text): a label that a person gave, not a mixture nobody drew. It has the votes of
    those who said the same; without more than half of all somebody must decide.

    References
    ----------
    The medoid of the answers: Braylan, Lease, "Modeling and Aggregation of Complex Annotations via
    Annotation Distances", WWW 2020 (best available user by mean distance to the others).
    """
    if label_kind != DETECTION or len(set(labels)) < 2:
        return majority_vote(labels)
    ordered = sorted(labels)
    sums = [
        sum(likeness(one, other, label_kind=label_kind) for other in ordered) for one in ordered
    ]
    best = ordered[int(np.argmax(sums))]
    votes = sum(same_label(best, other, label_kind=label_kind) for other in ordered)
    return Vote(best, votes, tied=2 * votes <= len(ordered))


def defects_between(found: str, expected: str, *, label_kind: str) -> tuple[str, ...]:
    """Give what a reviewer who expected something else finds wrong; empty if it is the same."""
    if same_label(found, expected, label_kind=label_kind):
        return ()
    return box_defects(found, expected) if label_kind == DETECTION else (WRONG_CLASS,)


def rare_of(labels: Sequence[str], n_classes: int, *, label_kind: str) -> npt.NDArray[np.bool_]:
    """Tell for each label whether a rare class is in it; see `rare_labels`.

    Of detection a class is rare if it is on less than half of an even share of the frames that
    show anything.
    """
    if label_kind != DETECTION:
        return rare_labels(labels, n_classes)
    shown = [classes_in(label) for label in labels]
    counts = Counter(name for names in shown for name in names)
    limit = sum(counts.values()) / (2 * n_classes)
    rare = {name for name, n in counts.items() if n < limit}
    return np.array([bool(names & rare) for names in shown], dtype=np.bool_)


def classes_of(label: str, *, label_kind: str) -> frozenset[str]:
    """Give the classes that a label names."""
    return classes_in(label) if label_kind == DETECTION else frozenset({label})

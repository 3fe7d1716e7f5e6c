"""One label out of several independent ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class Vote:
    """What most said. On a tie `label` is the first by name, and somebody must decide."""

    label: str
    votes: int
    tied: bool


def majority_vote(labels: Sequence[str]) -> Vote:
    """Give the label that most annotators chose.

    Raises
    ------
    BadInput
        There are no labels.

    Examples
    --------
    >>> majority_vote(["dog", "cat", "dog"])
    Vote(label='dog', votes=2, tied=False)
    >>> majority_vote(["dog", "cat"])
    Vote(label='cat', votes=1, tied=True)
    """
    if not labels:
        msg = "majority vote: expected at least one label, found none"
        raise BadInput(msg)
    counts = Counter(labels)
    most = max(counts.values())
    winners = sorted(label for label, votes in counts.items() if votes == most)
    return Vote(winners[0], most, tied=len(winners) > 1)

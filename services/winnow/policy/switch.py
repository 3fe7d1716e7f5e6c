"""When the cold start is over: the strategy of a round, and why it is this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from winnow.policy.chosen_strategy import ChosenStrategy
from winnow.policy.committee import needs_committee
from winnow.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known before anything large is read."""

    has_committee: bool
    n_labeled: int = 0
    n_fewest: int = 0
    """Labels of the class that has the fewest; 0 if no label is known."""
    round_number: int | None = None
    """None where nobody counts rounds: rules about their number are then not asked."""

    @classmethod
    def of(
        cls,
        *,
        has_committee: bool,
        n_labeled: int,
        labels: Sequence[str],
        class_names: Sequence[str],
        round_number: int | None,
    ) -> Self:
        """Count labels; without class names, the classes are those that have one."""
        counts = Counter(dict.fromkeys(class_names, 0))
        counts.update(label for label in labels if label in counts or not class_names)
        return cls(has_committee, n_labeled, min(counts.values(), default=0), round_number)


@dataclass(frozen=True, slots=True)
class Switch:
    """Which strategy chooses, and which of the policy's rules said so."""

    cold: bool
    strategy: ChosenStrategy
    because: str


def switch_of(policy: Policy, standing: Standing) -> Switch:
    """Give the strategy of this round.

    The cold start goes on until there is a committee (if the strategy after it needs one), and as
    many rounds, labels and labels of each class as the policy asks for; every rule that keeps it
    is named.

    Examples
    --------
    >>> switch_of(Policy(), Standing(has_committee=True, n_labeled=5)).because
    'no cold start: a committee answered'
    """
    selection = policy.selection
    holds: list[str] = []
    passed: list[str] = []

    def ask(found: int, expected: int, what: str) -> None:
        if expected:
            (holds if found < expected else passed).append(f"{found} of {expected} {what}")

    if standing.has_committee:
        passed.append("a committee answered")
    elif needs_committee(selection.strategy, policy.scores):
        holds.append(f"no committee has answered yet, and {selection.strategy.name} needs one")
    else:
        passed.append(f"{selection.strategy.name} needs no committee")
    if standing.round_number is not None:
        ask(standing.round_number, selection.cold_start_rounds, "cold rounds are behind")
    ask(standing.n_labeled, selection.switch.labels_min, "labels are there")
    ask(standing.n_fewest, selection.switch.labels_per_class_min, "labels of the rarest class")
    if holds:
        return Switch(True, selection.cold_start, f"cold start: {'; '.join(holds)}")
    return Switch(False, selection.strategy, f"no cold start: {'; '.join(passed)}")

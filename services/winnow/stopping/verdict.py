"""What a stopping rule says, and on which numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from winnow.stopping.progress import Progress, SliceRecall

Number = int | float | None
Numbers = tuple[tuple[str, Number], ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do instead of more general labeling."""

    class_name: str
    """Collect frames of this class …"""
    slices: tuple[SliceRecall, ...]
    """… in these slices first, the worst one first; empty where slices are not measured."""
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says, and on which numbers."""

    rule: str
    stop: bool
    reason: str
    numbers: Numbers
    advice: tuple[Advice, ...] = ()


class StoppingRule(Protocol):
    """Says whether to go on."""

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round; what cannot be measured never stops."""
        ...


def not_measurable(rule: str, why: str, numbers: Numbers = ()) -> Verdict:
    """Give the verdict of a rule that lacks a measurement: go on, and say what is missing.

    Examples
    --------
    >>> not_measurable("accuracy_target", "no labeled holdout").reason
    'not measurable: no labeled holdout'
    """
    return Verdict(rule, stop=False, reason=f"not measurable: {why}", numbers=numbers)


def first_to_stop(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Give the first verdict that stops the loop, if one does.

    Examples
    --------
    >>> go_on, stop = Verdict("a", False, "", ()), Verdict("b", True, "", ())
    >>> first_to_stop([go_on, stop]).rule
    'b'
    >>> first_to_stop([go_on]) is None
    True
    """
    return next((verdict for verdict in verdicts if verdict.stop), None)


def advice_of(verdicts: Sequence[Verdict]) -> tuple[Advice, ...]:
    """Give what all rules advise, in their order."""
    return tuple(advice for verdict in verdicts for advice in verdict.advice)

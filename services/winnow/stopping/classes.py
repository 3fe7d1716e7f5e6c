"""Advice class by class: where recall no longer grows, seek that class instead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from winnow.stopping.progress import Progress, SliceRecall
from winnow.stopping.verdict import Advice, Number, Verdict, not_measurable

NORMAL_975: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class ClassTrend:
    """How the recall of one class went."""

    class_name: str
    recall: float
    """Newest."""
    gain: float
    """Best of the last rounds minus best before them."""
    n: int
    """Holdout frames of the class."""


def class_trends(progress: Progress, *, n_rounds: int, support_min: int) -> tuple[ClassTrend, ...]:
    """Give each class whose recall was measured newly and in enough rounds, by name.

    Parameters
    ----------
    n_rounds
        Length of the window that is compared with everything before it.
    support_min
        Holdout frames that a class needs; with fewer its recall says little.
    """
    by_class: dict[str, list[float]] = {}
    for measured in progress.recalls:
        for one in measured:
            by_class.setdefault(one.class_name, []).append(one.recall)
    current = progress.recalls[-1] if progress.recalls else ()
    trends = []
    for one in sorted(current, key=lambda one: one.class_name):
        recalls = by_class[one.class_name]
        if one.n >= support_min and len(recalls) > n_rounds:
            gain = max(recalls[-n_rounds:]) - max(recalls[:-n_rounds])
            trends.append(ClassTrend(one.class_name, one.recall, gain, one.n))
    return tuple(trends)


@dataclass(frozen=True, slots=True)
class ClassPlateau:
    """Advise to collect frames of a class whose recall is poor and no longer grows.

    More frames of everything have not helped it in the last rounds; frames of the class itself,
    from the slices where it is missed most, may. A recall that could be `recall_enough` but for the
    chance of a small holdout (`recall_upper`) is not poor. Never stops the loop.
    """

    n_rounds: int = 3
    gain_min: float = 0.01
    recall_enough: float = 0.95
    """A class with so much recall needs no advice."""
    support_min: int = 20
    slices_max: int = 3

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        trends = class_trends(progress, n_rounds=self.n_rounds, support_min=self.support_min)
        if not trends:
            why = (
                f"no class with {self.support_min} holdout frames has a recall for more than "
                f"{self.n_rounds} rounds"
            )
            return not_measurable("class_plateau", why, (("n_classes", 0),))
        stuck = sorted(
            (
                trend
                for trend in trends
                if trend.gain < self.gain_min
                and recall_upper(trend.recall, trend.n) < self.recall_enough
            ),
            key=lambda trend: (trend.recall, trend.class_name),
        )
        numbers: list[tuple[str, Number]] = [
            ("n_classes", len(trends)),
            ("n_stuck", len(stuck)),
            ("gain_min", self.gain_min),
            ("n_rounds", self.n_rounds),
        ]
        for trend in stuck:
            numbers.append((f"recall[{trend.class_name}]", trend.recall))
            numbers.append((f"gain[{trend.class_name}]", trend.gain))
        names = ", ".join(trend.class_name for trend in stuck)
        reason = f"collect {names}" if stuck else f"none of {len(trends)} classes is stuck"
        advice = tuple(self._advice(trend, progress) for trend in stuck)
        return Verdict("class_plateau", False, reason, tuple(numbers), advice)

    def _advice(self, trend: ClassTrend, progress: Progress) -> Advice:
        slices = worst_slices(
            progress.slice_recalls,
            trend.class_name,
            below=trend.recall,
            support_min=self.support_min,
        )[: self.slices_max]
        where = ", ".join(f"{one.slice_name} (recall {one.recall:.2f})" for one in slices)
        text = (
            f"collect {trend.class_name} instead of more of everything: recall "
            f"{trend.recall:.2f}, {trend.gain:+.3f} over {self.n_rounds} rounds"
        )
        return Advice(trend.class_name, slices, f"{text}; seek {where}" if where else text)


def recall_upper(recall: float, n: int) -> float:
    """Give the upper end of the two-sided 95 % interval of a recall measured on n frames.

    References
    ----------
    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.

    Examples
    --------
    >>> round(recall_upper(0.9, 50), 4), recall_upper(1.0, 50)
    (0.9565, 1.0)
    """
    square = NORMAL_975 * NORMAL_975 / n
    spread = math.sqrt(recall * (1.0 - recall) * square + square * square / 4.0)
    return min(1.0, (recall + square / 2.0 + spread) / (1.0 + square))


def worst_slices(
    slices: tuple[SliceRecall, ...], class_name: str, *, below: float, support_min: int
) -> tuple[SliceRecall, ...]:
    """Give the slices in which a class is found less than in all, the worst one first.

    Slices with fewer than `support_min` holdout frames of the class are left out.

    Examples
    --------
    >>> found = worst_slices((SliceRecall("bike", "night", 0.2, 50),
    ...     SliceRecall("bike", "fog", 0.0, 2)), "bike", below=0.6, support_min=20)
    >>> [one.slice_name for one in found]
    ['night']
    """
    enough = (
        one
        for one in slices
        if one.class_name == class_name and one.n >= support_min and one.recall < below
    )
    return tuple(sorted(enough, key=lambda one: (one.recall, one.slice_name)))

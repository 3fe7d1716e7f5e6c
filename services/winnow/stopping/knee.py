"""Stop behind the knee of the learning curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from winnow.domain.errors import BadInput
from winnow.stopping.progress import Progress
from winnow.stopping.verdict import Numbers, Verdict, not_measurable


@dataclass(frozen=True, slots=True)
class KneePoint:
    """Where a curve bends."""

    pos: int
    """Index of the point."""
    height: float
    """How far the curve is above the straight line from first to last there, 0 to 1."""


def knee_of(
    x: Sequence[float], y: Sequence[float], *, sensitivity: float = 1.0
) -> KneePoint | None:
    """Give the knee of a rising curve that flattens, or none if it is nearly straight.

    Parameters
    ----------
    x
        Strictly rising, e.g. labels.
    y
        E.g. accuracy at each of them.
    sensitivity
        How many mean steps the curve must come down towards the line behind a knee; 0 takes
        every bend, larger is stricter.

    Raises
    ------
    BadInput
        Lengths differ, `x` does not rise, or a number is not finite.

    Notes
    -----
    Both axes are scaled to [0, 1]; the difference y - x has its maxima at the knees. One counts if
    the difference then falls below (maximum - sensitivity · mean step of x) before the next
    maximum; of several the highest is given, of equal ones the first. The paper's smoothing is left
    out: a learning curve has few points. Costs n.

    References
    ----------
    Satopää, Albrecht, Irwin and Raghavan, "Finding a Kneedle in a Haystack", ICDCSW 2011, section
    III.

    Examples
    --------
    >>> knee_of([0, 1, 2, 3, 4], [0, 0.6, 0.8, 0.9, 0.95]).pos
    1
    >>> knee_of([0, 1, 2], [0.0, 0.1, 0.2]) is None
    True
    """
    _check(x, y)
    if len(x) < 3 or max(y) == min(y):
        return None
    low, rise, span = min(y), max(y) - min(y), x[-1] - x[0]
    above = [(b - low) / rise - (a - x[0]) / span for a, b in zip(x, y, strict=True)]
    fall = sensitivity / (len(x) - 1)
    top: int | None = None
    knees: list[int] = []
    for pos in range(1, len(x)):
        is_peak = pos < len(x) - 1 and above[pos - 1] < above[pos] >= above[pos + 1]
        if is_peak:
            top = pos
        elif top is not None and above[pos] < above[top] - fall:
            knees.append(top)
    best = max(knees, key=lambda pos: above[pos], default=None)
    return None if best is None else KneePoint(best, float(above[best]))


@dataclass(frozen=True, slots=True)
class Knee:
    """Stop once the learning curve's knee lies some rounds back.

    A curve that still rises has its knee moved by every round: only one that stays behind is
    believed.
    """

    rounds_after: int = 2
    sensitivity: float = 1.0

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        x, y = _curve(progress)
        if len(x) < 3:
            why = "a curve needs three measured rounds"
            return not_measurable("knee", why, (("n_measured", len(x)),))
        if any(b <= a for a, b in pairwise(x)):
            return not_measurable("knee", "labels did not grow from round to round")
        found = knee_of(x, y, sensitivity=self.sensitivity)
        after = len(x) - 1 - found.pos if found else None
        numbers: Numbers = (
            ("knee_at", x[found.pos] if found else None),
            ("knee_accuracy", y[found.pos] if found else None),
            ("height", found.height if found else None),
            ("n_after", after),
            ("rounds_after", self.rounds_after),
        )
        if found is None or after is None:
            return Verdict("knee", stop=False, reason="no knee yet", numbers=numbers)
        unit = "labels" if progress.n_labels else "rounds"
        reason = f"knee at {x[found.pos]:g} {unit}, {after} rounds ago"
        return Verdict("knee", after >= self.rounds_after, reason, numbers)


def _curve(progress: Progress) -> tuple[list[float], list[float]]:
    """Give (labels or rounds, accuracy) of the measured rounds."""
    labels = progress.n_labels
    measured = [
        (pos + 1 if not labels else labels[pos], accuracy)
        for pos, accuracy in enumerate(progress.accuracies)
        if accuracy is not None
    ]
    points = [(float(at), accuracy) for at, accuracy in measured if at is not None]
    return [at for at, _ in points], [accuracy for _, accuracy in points]


def _check(x: Sequence[float], y: Sequence[float]) -> None:
    if len(x) != len(y):
        msg = f"curve: expected as many y as the {len(x)} x, found {len(y)}"
        raise BadInput(msg)
    if not all(math.isfinite(value) for value in (*x, *y)):
        msg = "curve: expected finite numbers, found others"
        raise BadInput(msg)
    if any(after <= before for before, after in pairwise(x)):
        msg = "curve: expected x to rise from point to point"
        raise BadInput(msg)

"""What a comparison found at one place, and what several places say together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from ab_test.methods import COMMITTEE, MANUAL
from ab_test.setting import AbSetting

REFERENCE = "reference"
ALL_CLASSES, INTEREST = "all classes", "classes of interest"
UNION, MANUAL_ONLY, HOLDOUT = "A or B", "B only", "holdout"
TESTS = (UNION, MANUAL_ONLY, HOLDOUT)
"""Test parts of what committee and curator chose; of the curator's alone; the everyday test."""
REFERENCE_MIN = 0.0005
"""Average precision of a reference that finds something; of less there is no relative change."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chosen(_Frozen):
    """What one method had labeled."""

    method: str
    frame_ids: tuple[str, ...]
    n_sessions: int
    n_empty: int
    objects: dict[str, int]
    """Class → boxes."""
    effort_hours: float
    """People's time by the setting's rates."""


class Score(_Frozen):
    """Average precision of one model on one test set; NaN (null) where there is no object."""

    split: int
    method: str
    test: str
    of: str
    """A class, `all classes` or `classes of interest`."""
    n_objects: int
    wap50: float | None
    """Average precision at overlap 0.5 over size bins, weighted by their objects."""
    ap50: float | None
    sizes: dict[str, float] = {}
    """Of a class: size bin → average precision at overlap 0.5."""


class Improvement(_Frozen):
    """Relative change of the weighted average precision against the reference model."""

    method: str
    test: str
    of: str
    reference: float
    """Mean over splits."""
    value: float
    relative: float | None
    """value / reference - 1; none where the reference finds nothing."""
    low: float | None
    high: float | None
    """95 %, drawn over sessions."""

    @property
    def change(self) -> float:
        """Give the change itself, -1 to 1."""
        return self.value - self.reference


class PlaceResult(_Frozen):
    """One place, from its frames to the comparison."""

    name: str
    setting: AbSetting
    class_names: tuple[str, ...]
    n_frames: int
    n_reference: int
    n_holdout: int
    n_pool: int
    blocked: dict[str, int]
    manual_sha256: str = ""
    """Digest of the list that a person gave; empty: the curator chose."""
    chosen: tuple[Chosen, ...]
    scores: tuple[Score, ...]
    improvements: tuple[Improvement, ...]

    def improvement(self, method: str, test: str, of: str) -> Improvement | None:
        """Give one, or none where there is no object to be found."""
        found = (
            one for one in self.improvements if (one.method, one.test, one.of) == (method, test, of)
        )
        return next(found, None)

    def relative_gain(self, test: str, of: str) -> float | None:
        """Give the committee's relative improvement over the curator's: that of both changes.

        Infinite if only the committee's labels helped; none if neither did, or nothing is known.
        """
        a, b = (self.improvement(method, test, of) for method in (COMMITTEE, MANUAL))
        if a is None or b is None or (a.change <= 0 and b.change <= 0):
            return None
        if b.change <= 0:
            return math.inf
        return a.change / b.change


class Verdict(_Frozen):
    """What the places say together of one question."""

    question: str
    n_yes: int
    n_places: int
    detail: str


def verdicts(places: Sequence[PlaceResult], *, gain_min: float = 1.5) -> tuple[Verdict, ...]:
    """Ask what the mission asks, of each place."""
    gains = [place.relative_gain(UNION, INTEREST) for place in places]
    told = ", ".join("none" if gain is None else f"{gain:.2f}" for gain in gains)
    n_gain = sum(gain is not None and gain >= gain_min for gain in gains)
    first = Verdict(
        question=f"committee / manual improvement at least {gain_min:g} on A or B tests",
        n_yes=n_gain,
        n_places=len(places),
        detail=f"ratios {told}",
    )
    manual = [_difference(place, MANUAL_ONLY, MANUAL) for place in places]
    everyday = [_difference(place, HOLDOUT, REFERENCE) for place in places]
    return (
        first,
        _not_worse("committee not worse than manual on the curator's own tests", manual),
        _not_worse(
            "committee not worse than the reference on the everyday holdout (all classes)",
            everyday,
        ),
    )


def _difference(place: PlaceResult, test: str, against: str) -> float | None:
    """Give by how much the committee's model is better, in average precision."""
    of = ALL_CLASSES if test == HOLDOUT else INTEREST
    ours, theirs = place.improvement(COMMITTEE, test, of), place.improvement(against, test, of)
    if ours is None:
        return None
    if against == REFERENCE:
        return ours.change
    return None if theirs is None else ours.value - theirs.value


def _not_worse(question: str, differences: Sequence[float | None]) -> Verdict:
    known = [100 * one for one in differences if one is not None]
    # As they are told: less than 0.05 points is neither better nor worse.
    points = [round(one, 1) + 0.0 for one in known]
    told = ", ".join(f"{one:+.1f}" for one in points) or "none: no objects there"
    if known:
        told += f"; mean {round(sum(known) / len(known), 2) + 0.0:+.2f}"
    return Verdict(
        question=question,
        n_yes=sum(one >= 0 for one in points),
        n_places=len(known),
        detail=f"differences in points {told}",
    )

"""Whether scores are too old to choose by: rounds overlap, and committees roll meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.domain.errors import BadInput
from winnow.stopping.verdict import Numbers


@dataclass(frozen=True, slots=True)
class Rescore:
    """Whether to score a pool again, why, and on which numbers."""

    needed: bool
    reason: str
    numbers: Numbers


def score_age(*, scored_by: int, newest: int) -> int:
    """Give the age of scores: committee versions that rolled since the one that gave them.

    Parameters
    ----------
    scored_by, newest
        Numbers of committee versions, in order of their rolling.

    Raises
    ------
    BadInput
        The scores come from a committee newer than the newest.

    Examples
    --------
    >>> score_age(scored_by=3, newest=5)
    2
    """
    if scored_by > newest:
        msg = f"score age: expected a committee up to number {newest}, found {scored_by}"
        raise BadInput(msg)
    return newest - scored_by


def rescore_needed(
    age: int,
    *,
    age_max: int,
    kappa: float | None = None,
    kappa_min: float | None = None,
) -> Rescore:
    """Say whether scores are too old to choose by.

    Parameters
    ----------
    age
        Of the scores, in committee versions: 0 if the newest committee gave them.
    age_max
        Most that is allowed; 1 lets two rounds overlap.
    kappa
        Agreement of the newest committee with the one that scored (`cohen_kappa`), if measured.
    kappa_min
        Scores within `age_max` are still too old if the committees agree less than this.

    Raises
    ------
    BadInput
        A negative age or limit.

    Examples
    --------
    >>> rescore_needed(1, age_max=1).needed, rescore_needed(2, age_max=1).needed
    (False, True)
    >>> rescore_needed(1, age_max=2, kappa=0.4, kappa_min=0.6).reason
    'the newest committee agrees with the one that scored by kappa 0.40 only, expected 0.60'
    """
    if min(age, age_max) < 0:
        msg = f"score age: expected ages of at least 0, found {age} and at most {age_max}"
        raise BadInput(msg)
    numbers: Numbers = (
        ("age", age), ("age_max", age_max), ("kappa", kappa), ("kappa_min", kappa_min),
    )  # fmt: skip
    if age > age_max:
        return Rescore(True, f"{_versions(age)} old, at most {age_max} allowed", numbers)
    if age and kappa is not None and kappa_min is not None and kappa < kappa_min:
        reason = (
            "the newest committee agrees with the one that scored by kappa "
            f"{kappa:.2f} only, expected {kappa_min:.2f}"
        )
        return Rescore(True, reason, numbers)
    reason = "scores are by the newest committee" if not age else f"{_versions(age)} old"
    return Rescore(False, reason, numbers)


def _versions(age: int) -> str:
    return f"scores are {age} committee version{'s' if age != 1 else ''}"

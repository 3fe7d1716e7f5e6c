"""Operational risk beside uncertainty: what a site, a speed or a tag adds to a label's worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.kernels.groups import groups_of
from winnow.strategies.columns import column_of
from winnow.strategies.protocol import Candidates, Column, Floats, scores_of

Mode = Literal["multiply", "add"]
Codes = npt.NDArray[np.int64]

WEIGHT_MAX: Final = 1e9


@dataclass(frozen=True, slots=True)
class ValueWeight:
    """A weight for each value of a column, e.g. of a site, or of each tag in a list of tags."""

    column: str
    weights: Mapping[str, float]
    """Value → weight."""
    otherwise: float | None = None
    """For values that are not named and unknown ones; none: they change nothing."""
    separator: str = ""
    """If given, a value is a list of tags, e.g. `night;pedestrian` with `;`: the weights of all its
    named tags count together."""


@dataclass(frozen=True, slots=True)
class SlopeWeight:
    """A weight that changes with a number, e.g. the vehicle's speed: linear between points."""

    column: str
    points: tuple[tuple[float, float], ...]
    """Number and weight, numbers rising; before the first and behind the last the weight stays."""
    unknown: float | None = None
    """For frames without this number (NaN); none: it changes nothing."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """Scores after weighting, and why."""

    scores_N: Floats
    weight_N: Floats
    """What each score was multiplied by, or what was added to it."""
    candidates: Candidates
    weights: Sequence[ValueWeight | SlopeWeight] = field(repr=False)
    mode: Mode = "multiply"

    def told(self, pos: int) -> str:
        """Say what changed the score of a frame, e.g. `site=depot x1.5, speed_mps=22 x1.3`.

        Empty if nothing did.
        """
        sign, neutral = ("x", 1.0) if self.mode == "multiply" else ("+", 0.0)
        told: list[str] = []
        for weight in self.weights:
            value = column_of(self.candidates, weight.column)[pos : pos + 1]
            amount = float(_weight_of(weight, value, self.mode)[0])
            if amount != neutral:
                told.append(f"{weight.column}={_shown(value)} {sign}{amount:g}")
        return ", ".join(told)


def weighted_scores(
    candidates: Candidates, weights: Sequence[ValueWeight | SlopeWeight], mode: Mode = "multiply"
) -> Weighted:
    """Weight the scores of frames by what is known of their circumstances.

    Parameters
    ----------
    candidates
        With scores and the named columns. Their strategy gets them back with the new scores:
        `dataclasses.replace(candidates, scores_N=weighted.scores_N)`.
    weights
        They are applied one after another, in this order.
    mode
        `multiply`: a weight is a factor, 1 changes nothing, scores must be at least 0. `add`: it is
        an amount in the unit of the scores, 0 changes nothing.

    Raises
    ------
    BadInput
        A column is absent or of the wrong kind, a weight is not finite, a factor or a score to be
        multiplied is negative, or points do not rise.

    Notes
    -----
    Costs a grouping of each column of texts and a few operations a frame; every distinct text is
    looked at once.
    """
    for weight in weights:
        _check(weight, mode)
    scores_N = scores_of(candidates)
    if mode == "multiply" and weights and scores_N.min(initial=0.0) < 0.0:
        row = int(np.argmin(scores_N))
        msg = (
            f"weights: expected scores of at least 0 to multiply, row {row} has {scores_N[row]}: "
            "use mode add"
        )
        raise BadInput(msg)
    weight_N: Floats = np.full(len(candidates), 1.0 if mode == "multiply" else 0.0)
    for weight in weights:
        amount_N = _weight_of(weight, column_of(candidates, weight.column), mode)
        weight_N = weight_N * amount_N if mode == "multiply" else weight_N + amount_N
    weighted_N = scores_N * weight_N if mode == "multiply" else scores_N + weight_N
    return Weighted(weighted_N, weight_N, candidates, tuple(weights), mode)


def _shown(value: Column) -> str:
    """Give the one value of a column as people read it."""
    text = f"{float(value[0]):g}" if value.dtype.kind == "f" else str(value[0])
    return "unknown" if text in ("", "nan") else text


def _weight_of(weight: ValueWeight | SlopeWeight, column: Column, mode: Mode) -> Floats:
    neutral = 1.0 if mode == "multiply" else 0.0
    if isinstance(weight, SlopeWeight):
        return _on_slope(weight, column, neutral)
    otherwise = neutral if weight.otherwise is None else weight.otherwise
    groups = groups_of(column)
    values = column[groups.first_K].tolist()
    if column.dtype.kind == "U":
        by_code = [_of_value(weight, value, otherwise, mode) for value in values]
    else:
        by_number = _by_number(weight)
        by_code = [by_number.get(value, otherwise) for value in values]
    return np.array([*by_code, otherwise])[groups.code_N]  # unknown is -1, the last one


def _by_number(weight: ValueWeight) -> dict[float, float]:
    try:
        return {float(value): amount for value, amount in weight.weights.items()}
    except ValueError as error:
        msg = f"weights: {weight.column!r}: expected numbers, as the column holds, found {error}"
        raise BadInput(msg) from error


def _of_value(weight: ValueWeight, value: str, otherwise: float, mode: Mode) -> float:
    if not weight.separator:
        return weight.weights.get(value, otherwise)
    tags = dict.fromkeys(tag.strip() for tag in value.split(weight.separator))
    named = [weight.weights[tag] for tag in sorted(tags) if tag in weight.weights]
    if not named:
        return otherwise
    together = named[0]
    for amount in named[1:]:
        together = together * amount if mode == "multiply" else together + amount
    return together


def _on_slope(weight: SlopeWeight, column: Column, neutral: float) -> Floats:
    """Interpolate with single operations: np.interp may fuse two of them on some processors."""
    if column.dtype.kind not in "iufb":
        msg = f"weights: expected numbers in {weight.column!r}, found {column.dtype}"
        raise BadInput(msg)
    numbers_N = column.astype(np.float64)
    at, height = (np.array(axis, dtype=np.float64) for axis in zip(*weight.points, strict=True))
    inside_N = np.clip(numbers_N, at[0], at[-1])
    left_N = np.clip(np.searchsorted(at, inside_N, side="right") - 1, 0, len(at) - 1)
    right_N = np.minimum(left_N + 1, len(at) - 1)
    width_N = np.where(right_N > left_N, at[right_N] - at[left_N], 1.0)
    share_N = (inside_N - at[left_N]) / width_N
    amounts_N: Floats = height[left_N] + share_N * (height[right_N] - height[left_N])
    unknown = neutral if weight.unknown is None else weight.unknown
    return np.where(np.isnan(numbers_N), unknown, amounts_N)


def _check(weight: ValueWeight | SlopeWeight, mode: Mode) -> None:
    if isinstance(weight, SlopeWeight):
        numbers = [number for number, _ in weight.points]
        amounts, other = [amount for _, amount in weight.points], weight.unknown
        rises = all(a < b for a, b in pairwise(numbers))
        if not numbers or not rises or not all(abs(number) <= WEIGHT_MAX for number in numbers):
            msg = (
                f"weights: {weight.column!r}: expected points with rising numbers, found {numbers}"
            )
            raise BadInput(msg)
    else:
        amounts, other = [*weight.weights.values()], weight.otherwise
    least = 0.0 if mode == "multiply" else -WEIGHT_MAX
    for amount in [*amounts, *([] if other is None else [other])]:
        if not least <= amount <= WEIGHT_MAX:  # a NaN compares false
            msg = (
                f"weights: {weight.column!r}: expected {least:g} to {WEIGHT_MAX:g} to {mode}, "
                f"found {amount}"
            )
            raise BadInput(msg)

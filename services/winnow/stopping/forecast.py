"""Stop when the next round is not expected to bring enough: gains that decay exponentially."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final, Literal

import numpy as np

from winnow.acquisition.reproducible import exp_of, log_of
from winnow.domain.errors import BadInput
from winnow.stopping.gains import DEFAULT_NOISE, Gain, SeedNoise, gains_of
from winnow.stopping.progress import Progress
from winnow.stopping.verdict import Numbers, Verdict, not_measurable

Fit = Literal["median", "least_squares"]

GAINS_MIN: Final = 3
"""Two gains always lie on a line: the third is the first that could contradict it."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the next round is expected to bring."""

    next_gain: float | None
    """None with fewer than three gains, or where too few are more than noise to say."""
    slope: float | None
    """Change of the logarithm of the gain from one round of the next one's size to the next; 0 if
    gains grow, none if fewer than three gains are more than noise."""
    n_fitted: int
    n_zero: int
    """Gains that count as 0: they are within noise, or losses."""


def next_gain_forecast(
    gains: Sequence[float],
    *,
    noise: float | Sequence[float] = 0.0,
    sizes: Sequence[int] | None = None,
    next_size: int | None = None,
    fit: Fit = "median",
) -> Forecast:
    """Give the gain that an exponential decay of the gains so far leads to expect next.

    Parameters
    ----------
    gains
        What each round brought, oldest first; negative where it lost.
    noise
        Up to this a gain is no more than chance: one number, or one a gain.
    sizes, next_size
        Labels of each round and of the next; without them all rounds are equally large, and
        without `next_size` the next is as large as the last.
    fit
        `median`: slope and height are medians, so that one odd gain cannot bend the line.
        `least_squares`: the textbook's line, which one tiny gain pulls down.

    Returns
    -------
    Forecast
        Where fewer than three gains are more than noise there is no line: then 0 is expected if the
        newest three gains are all noise, else nothing is known.

    Raises
    ------
    BadInput
        Lengths differ, a size is not positive, or a number is not finite.

    Notes
    -----
    ln(gain / size) is fitted as a line in the number of labels at the middle of each round. Gains
    within noise keep their place on that axis but are no points of the line: a gain of 0 has no
    logarithm, and any small number in its stead would decide the slope (1e-6 as a sixth gain after
    .18 .10 .06 .04 .02 turns a slope of -.53 into -1.88). A line that rises is taken as level.

    References
    ----------
    Theil 1950; Sen 1968 (median of pairwise slopes).

    Examples
    --------
    >>> decay = next_gain_forecast([0.18, 0.10, 0.06, 0.04, 0.02], fit="least_squares")
    >>> round(decay.next_gain, 4), round(decay.slope, 3)
    (0.0125, -0.531)
    >>> next_gain_forecast([0.18, 0.10, 0.06, -0.01], noise=0.005).n_zero
    1
    """
    widths = [1] * len(gains) if sizes is None else list(sizes)
    limits = [noise] * len(gains) if isinstance(noise, int | float) else list(noise)
    _check(gains, widths, limits)
    if len(gains) < GAINS_MIN:
        return Forecast(None, None, 0, 0)
    size = widths[-1] if next_size is None else next_size
    points = [
        (middle, _ln(gain / width))
        for gain, limit, width, middle in zip(gains, limits, widths, _middles(widths), strict=True)
        if gain > limit
    ]
    n_zero = len(gains) - len(points)
    if len(points) < GAINS_MIN:
        newest = list(zip(gains, limits, strict=True))[-GAINS_MIN:]
        is_flat = all(gain <= limit for gain, limit in newest)
        return Forecast(0.0 if is_flat else None, None, len(points), n_zero)
    slope, height = _line(points, fit)
    at = sum(widths) + size / 2
    return Forecast(_exp(height + slope * at) * size, slope * size, len(points), n_zero)


@dataclass(frozen=True, slots=True)
class GainForecast:
    """Stop when the gain that the next round is expected to bring is below a floor.

    The next round is taken to be as large as the last one. Where labels are counted, rounds of
    unequal size are compared by the label.
    """

    gain_min: float
    window: int = 6
    """Newest gains that are looked at; the first rounds follow another law than the late ones."""
    noise: SeedNoise = DEFAULT_NOISE
    fit: Fit = "median"

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        gains = gains_of(progress, self.noise)[-self.window :]
        if len(gains) < GAINS_MIN:
            why = f"a forecast needs {GAINS_MIN} gains"
            return not_measurable("gain_forecast", why, (("n_gains", len(gains)),))
        forecast = next_gain_forecast(
            [gain.gain for gain in gains],
            noise=[gain.noise for gain in gains],
            sizes=_sizes(gains),
            next_size=None if _by_label(gains) else 1,
            fit=self.fit,
        )
        expected = forecast.next_gain
        numbers: Numbers = (
            ("next_gain", expected),
            ("slope", forecast.slope),
            ("n_fitted", forecast.n_fitted),
            ("n_zero", forecast.n_zero),
            ("gain_min", self.gain_min),
        )
        if expected is None:
            why = f"fewer than {GAINS_MIN} gains are more than noise"
            return not_measurable("gain_forecast", why, numbers)
        told = f"the next round should bring {expected:+.4f}, expected {self.gain_min:.4f}"
        reason = told if forecast.slope is not None else "the newest gains are within noise"
        return Verdict("gain_forecast", expected < self.gain_min, reason, numbers)


def _by_label(gains: Sequence[Gain]) -> bool:
    return all(gain.n_labels is not None and gain.n_labels > 0 for gain in gains)


def _sizes(gains: Sequence[Gain]) -> list[int]:
    if _by_label(gains):
        return [gain.n_labels or 0 for gain in gains]
    return [gain.n_rounds for gain in gains]


def _middles(widths: Sequence[int]) -> list[float]:
    return [sum(widths[:pos]) + width / 2 for pos, width in enumerate(widths)]


def _line(points: Sequence[tuple[float, float]], fit: Fit) -> tuple[float, float]:
    """Give slope (at most 0) and height at 0."""
    if fit == "median":
        slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2)]
        slope = min(0.0, median(slopes))
        return slope, median(y - slope * x for x, y in points)
    n = len(points)
    x_mean, y_mean = (math.fsum(column) / n for column in zip(*points, strict=True))
    across = math.fsum((x - x_mean) * (y - y_mean) for x, y in points)
    slope = min(0.0, across / math.fsum((x - x_mean) * (x - x_mean) for x, _ in points))
    return slope, y_mean - slope * x_mean


def _check(gains: Sequence[float], widths: Sequence[int], limits: Sequence[float]) -> None:
    if not len(gains) == len(widths) == len(limits):
        msg = (
            f"gains: expected as many sizes and noises as the {len(gains)} gains, found "
            f"{len(widths)} and {len(limits)}"
        )
        raise BadInput(msg)
    if any(width <= 0 for width in widths):
        msg = f"gains: expected positive sizes, found {min(widths)}"
        raise BadInput(msg)
    wrong = [value for value in (*gains, *limits) if not math.isfinite(value)]
    if wrong:
        msg = f"gains: expected finite numbers, found {wrong[0]}"
        raise BadInput(msg)


def _ln(value: float) -> float:
    return float(log_of(np.array([value]))[0])


def _exp(value: float) -> float:
    return float(exp_of(np.array([value]))[0])

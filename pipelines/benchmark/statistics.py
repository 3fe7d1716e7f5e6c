"""Means, spreads and paired tests over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Paired:
    """What the differences of two methods, seed by seed, tell."""

    mean: float
    std: float
    """Of the differences, with n - 1; NaN for one seed."""
    t: float
    p: float
    """Two-sided; NaN for one seed."""
    detectable: float
    """Smallest mean difference that a single test of this spread would find."""


def paired(differences_S: Floats, *, step: float = 0.0) -> Paired:
    """Test whether the mean of paired differences is 0.

    Student's t; differences that are all equal are certain, unless they are 0.

    Parameters
    ----------
    step
        Smallest difference that can be measured, e.g. one frame of the holdout. Each value is
        rounded to it, so its variance grows by step²/12 for both: three seeds that happen to
        agree to the frame prove nothing.

    Examples
    --------
    >>> found = paired(np.array([1.0, 2.0, 3.0]))
    >>> round(found.t, 3), round(found.p, 3)
    (3.464, 0.074)
    """
    from scipy.stats import t as student

    n, mean = len(differences_S), float(differences_S.mean())
    if n < 2:
        return Paired(mean, math.nan, math.nan, math.nan, math.nan)
    std = float(differences_S.std(ddof=1))
    wide = math.sqrt(std**2 + step**2 / 6)
    detectable = float(student.ppf(1 - ALPHA / 2, n - 1)) * wide / math.sqrt(n)
    if wide < 1e-12:
        same = abs(mean) < 1e-12
        return Paired(mean, 0.0, 0.0 if same else math.inf, 1.0 if same else 0.0, 0.0)
    t = mean / (wide / math.sqrt(n))
    return Paired(mean, std, t, float(2 * student.sf(abs(t), n - 1)), detectable)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct for the number of comparisons (Holm, 1979); NaN stays and does not count.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    counted = [place for place, p in enumerate(p_values) if not math.isnan(p)]
    corrected, largest = list(p_values), 0.0
    for rank, place in enumerate(sorted(counted, key=lambda one: p_values[one])):
        largest = max(largest, min(1.0, (len(counted) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def labels_for(target: float, accuracy: Sequence[float], labels: Sequence[int]) -> float:
    """Give the labels at which a curve first reaches an accuracy, between budgets by a line.

    Infinity where it does not.

    Examples
    --------
    >>> labels_for(0.5, [0.4, 0.6, 0.9], [10, 20, 30])
    15.0
    """
    for place, (found, n) in enumerate(zip(accuracy, labels, strict=True)):
        if found >= target:
            if not place:
                return float(n)
            before, n_before = accuracy[place - 1], labels[place - 1]
            return n_before + (target - before) / (found - before) * (n - n_before)
    return math.inf

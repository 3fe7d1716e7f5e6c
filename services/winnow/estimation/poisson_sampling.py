"""Estimates from a sample in which each item was drawn by itself with a known probability."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
NORMAL_975 = 1.959963984540054
"""97.5 % quantile of the normal distribution: two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its two-sided 95 % interval. Without inspected items all but `n` are NaN."""

    mean: float
    standard_error: float
    lower: float
    upper: float
    n: int


def horvitz_thompson_rate(
    values_n: Floats, inclusion_n: Floats, *, population_size: int
) -> Estimate:
    """Give the share of a population that has a property, from a Poisson sample of it.

    Parameters
    ----------
    values_n
        1.0 where the inspected item has it (a defect), else 0.0.
    inclusion_n
        The probability with which the item was drawn, in (0, 1].

    Returns
    -------
    Estimate
        Unbiased mean. The interval is normal, cut to [0, 1]; where none of the uncertain items
        has the property its variance is estimated as zero, and the exact bound for "none of n"
        takes over: 1 - 0.025^(1/n).

    References
    ----------
    Horvitz and Thompson 1952; Särndal, Swensson and Wretman 1992, result 2.8.1 and section 3.2
    (Bernoulli and Poisson sampling).

    Raises
    ------
    BadInput
        A probability outside (0, 1], unequal lengths, or a sample larger than the population.

    Examples
    --------
    >>> horvitz_thompson_rate(np.array([1.0, 0, 0]), np.array([0.5, 0.25, 0.1]),
    ...     population_size=20).mean
    0.1
    """
    n = len(values_n)
    if values_n.shape != inclusion_n.shape or n > population_size:
        msg = f"sample: expected {n} probabilities and at most {population_size} items"
        raise BadInput(msg)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, math.nan, 0)
    if not ((inclusion_n > 0) & (inclusion_n <= 1)).all():
        msg = f"inclusion probability: expected in (0, 1], found {inclusion_n.min()}"
        raise BadInput(msg)
    mean = float((values_n / inclusion_n).sum()) / population_size
    variance = float(((1 - inclusion_n) * (values_n / inclusion_n) ** 2).sum())
    error = math.sqrt(variance) / population_size
    upper = mean + NORMAL_975 * error
    n_uncertain = int((inclusion_n < 1).sum())
    if variance == 0.0 and n < population_size:
        upper = mean + _none_of(n_uncertain) * (population_size - n + n_uncertain) / population_size
    return Estimate(mean, error, max(0.0, mean - NORMAL_975 * error), min(1.0, upper), n)


def _none_of(n: int) -> float:
    return 1.0 - 0.025 ** (1.0 / n) if n else 1.0

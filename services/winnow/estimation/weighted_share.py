"""The share of defects in a lot of which a Poisson sample was inspected."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.estimation.horvitz_thompson import NORMAL_975


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """A share with its 95 % interval; NaN where nothing was inspected."""

    horvitz_thompson: float
    hajek: float
    low: float
    high: float
    n_inspected: int
    n_effective: float
    """Kish's effective sample size: what unequal probabilities leave of n."""


def estimate_share(
    values_n: npt.NDArray[np.float64], inclusion_n: npt.NDArray[np.float64], *, n_population: int
) -> ShareEstimate:
    """Estimate the mean of a 0/1 value over a lot from a Poisson sample of it.

    Parameters
    ----------
    values_n, inclusion_n
        Of the inspected labels: 1 for a defect, and the stored probability of inspection.
    n_population
        Labels in the lot.

    Notes
    -----
    The interval is Wilson's at the effective sample size, so that a sample without a defect still
    says how many there may be.

    References
    ----------
    Horvitz and Thompson 1952; Hájek 1971; Kish 1965; Wilson 1927.

    Raises
    ------
    BadInput
        Shapes differ or a probability is not in (0, 1].

    Examples
    --------
    >>> found = estimate_share(np.array([1.0, 0, 0]), np.array([0.5, 0.25, 0.1]), n_population=20)
    >>> found.horvitz_thompson, found.hajek
    (0.1, 0.125)
    """
    if values_n.shape != inclusion_n.shape or not np.all((inclusion_n > 0) & (inclusion_n <= 1)):
        msg = f"inspected labels: expected probabilities in (0, 1], found {inclusion_n[:5]} …"
        raise BadInput(msg)
    if not values_n.size or n_population < 1:
        nan = math.nan
        return ShareEstimate(nan, nan, nan, nan, 0, 0.0)
    weights_n = 1.0 / inclusion_n
    total = float((values_n * weights_n).sum())
    hajek = total / float(weights_n.sum())
    n_effective = float(weights_n.sum()) ** 2 / float((weights_n**2).sum())
    low, high = _wilson(hajek, n_effective)
    if values_n.size >= n_population:  # everything was seen: nothing is left to estimate
        low = high = hajek
    return ShareEstimate(total / n_population, hajek, low, high, values_n.size, n_effective)


def _wilson(share: float, n: float, z: float = NORMAL_975) -> tuple[float, float]:
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)

"""Whether what is said with 80 % certainty is right 80 % of the time: the reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

N_BINS = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers of about the same confidence."""

    confidence: float
    """Mean of what they said, 0 to 1."""
    accuracy: float
    """Share of them that were right."""
    n: int


def reliability(
    confidence_N: npt.NDArray[np.floating],
    correct_N: npt.NDArray[np.bool_],
    *,
    n_bins: int = N_BINS,
) -> tuple[ReliabilityBin, ...]:
    """Give the bins of equal width that are not empty, the least confident first.

    Parameters
    ----------
    confidence_N
        0 to 1; a bin holds what is above its lower bound and up to its upper one, as in Guo et
        al. 2017.

    Examples
    --------
    >>> reliability(np.array([0.9, 0.9, 0.2]), np.array([True, False, False]), n_bins=2)[1]
    ReliabilityBin(confidence=0.9, accuracy=0.5, n=2)
    """
    bins_N = np.clip(np.ceil(confidence_N * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    counts = np.bincount(bins_N, minlength=n_bins)
    said = np.bincount(bins_N, weights=confidence_N, minlength=n_bins)
    right = np.bincount(bins_N, weights=correct_N, minlength=n_bins)
    return tuple(
        ReliabilityBin(float(said[pos] / n), float(right[pos] / n), int(n))
        for pos, n in enumerate(counts)
        if n
    )


def calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Give the mean gap between confidence and accuracy, weighted by answers (ECE); NaN for none.

    References
    ----------
    Guo et al. 2017, eq. 3; Naeini et al., AAAI 2015.

    Examples
    --------
    >>> calibration_error((ReliabilityBin(0.9, 0.5, 2), ReliabilityBin(0.2, 0.2, 2)))
    0.2
    """
    n = sum(one.n for one in bins)
    if not n:
        return float("nan")
    return sum(one.n * abs(one.confidence - one.accuracy) for one in bins) / n

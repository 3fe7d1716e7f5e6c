"""Calibration errors by the name of their estimator: the same predictions give other numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.calibration.reliability import (
    N_BINS,
    ReliabilityBin,
    calibration_error,
    reliability,
)

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
Flags = npt.NDArray[np.bool_]

MAP_PROBABILITY_MIN: Final = 0.05
"""Nearly all cells of a map are empty and known to be so: counted, they would hide any error."""
_Z: Final = 1.959963984540054  # 97.5 % of a standard normal
ESTIMATORS: Final = {
    "ece": "highest probability, 15 bins of equal width (Guo et al. 2017)",
    "ace": "highest probability, 15 bins of equal counts (Nguyen & O'Connor 2015)",
    "debiased_rms": "root mean square over bins of equal counts, debiased (Kumar et al. 2019)",
    "classwise_ece": "every class's probability, 15 bins of equal width, mean (Kull et al. 2019)",
    "brier": "squared distance from the label, summed over classes (Brier 1950)",
}
"""What each number of `calibration_report` is."""
MAP_ESTIMATOR: Final = "cells of the mean map from 0.05, 15 bins of equal width"
"""What the calibration error of a map is: `reliability` of `map_cells`."""


def equal_mass_bins(
    confidence_N: Floats, correct_N: Flags, *, n_bins: int = N_BINS
) -> tuple[ReliabilityBin, ...]:
    """Give bins of (nearly) equal counts, the least confident first.

    Equal confidences stay in one bin, so that the order of the frames changes nothing; bins that
    this empties are left out.

    Examples
    --------
    >>> bins = equal_mass_bins(np.array([0.6, 0.7, 0.8, 0.9]), np.ones(4, bool), n_bins=2)
    >>> [one.n for one in bins]
    [2, 2]
    """
    n = len(confidence_N)
    order = np.argsort(confidence_N, kind="stable")
    confidence, correct = np.asarray(confidence_N, np.float64)[order], correct_N[order]
    first_of_equals = np.searchsorted(confidence, confidence, side="left")
    bin_of = first_of_equals * n_bins // max(n, 1)
    return tuple(
        ReliabilityBin(
            float(confidence[inside].mean()), float(correct[inside].mean()), int(inside.sum())
        )
        for pos in range(n_bins)
        if (inside := bin_of == pos).any()
    )


def debiased_rms_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Give the root mean square gap without what chance alone adds to it; NaN for none.

    The accuracy of a bin of n frames varies by a(1 - a) / (n - 1), which plain estimators count
    as miscalibration. Bins of one frame say nothing of their variance and are left out.

    References
    ----------
    Kumar, Liang, Ma: Verified Uncertainty Calibration, NeurIPS 2019, definition 5.1.

    Examples
    --------
    >>> debiased_rms_error((ReliabilityBin(0.9, 0.9, 100), ReliabilityBin(0.6, 0.6, 100)))
    0.0
    """
    known = [one for one in bins if one.n > 1]
    n = sum(one.n for one in known)
    if not n:
        return float("nan")
    squares = [
        one.n
        * ((one.confidence - one.accuracy) ** 2 - one.accuracy * (1 - one.accuracy) / (one.n - 1))
        for one in known
    ]
    return float(np.sqrt(max(0.0, sum(squares) / n)))


def accuracy_interval(one: ReliabilityBin) -> tuple[float, float]:
    """Give the 95 % interval of a bin's accuracy (Wilson 1927): never empty, never outside 0…1.

    Examples
    --------
    >>> [round(x, 3) for x in accuracy_interval(ReliabilityBin(0.9, 1.0, 10))]
    [0.722, 1.0]
    """
    a, n, z2 = one.accuracy, one.n, _Z**2
    middle = (a + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * float(np.sqrt(a * (1 - a) / n + z2 / (4 * n * n)))
    return max(0.0, middle - half), min(1.0, middle + half)


def brier_score(probs_NC: Floats, labels_N: Labels) -> float:
    """Give the mean squared distance of probabilities and label, 0 to 2; at least one frame.

    Examples
    --------
    >>> brier_score(np.array([[0.5, 0.5]]), np.array([1]))
    0.5
    """
    residual = np.array(probs_NC, dtype=np.float64)
    residual[np.arange(len(labels_N)), labels_N] -= 1.0
    return float(np.square(residual).sum(axis=1).mean())


def classwise_calibration_error(
    probs_NC: Floats, labels_N: Labels, *, n_bins: int = N_BINS
) -> float:
    """Give the error of every class's probability, not of the highest alone; mean over classes.

    References
    ----------
    Kull et al.: Beyond temperature scaling, NeurIPS 2019, section 2.

    Examples
    --------
    >>> classwise_calibration_error(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    0.5
    """
    errors = [
        calibration_error(reliability(probs_NC[:, c], labels_N == c, n_bins=n_bins))
        for c in range(probs_NC.shape[1])
    ]
    return float(np.mean(errors))


def calibration_report(probs_NC: Floats, labels_N: Labels) -> dict[str, float]:
    """Give every estimator of `ESTIMATORS`, by name; empty for no frames."""
    if not len(labels_N):
        return {}
    confidence_N = probs_NC.max(axis=1)
    correct_N = probs_NC.argmax(axis=1) == labels_N
    of_equal_counts = equal_mass_bins(confidence_N, correct_N)
    return {
        "ece": calibration_error(reliability(confidence_N, correct_N)),
        "ace": calibration_error(of_equal_counts),
        "debiased_rms": debiased_rms_error(of_equal_counts),
        "classwise_ece": classwise_calibration_error(probs_NC, labels_N),
        "brier": brier_score(probs_NC, labels_N),
    }


def map_cells(
    maps_NCHW: Floats, hits_NCHW: Flags, clear_NCHW: Flags
) -> tuple[tuple[Floats, Flags], ...]:
    """Give for each class what the cells of a detector's map say that count, and what holds.

    Parameters
    ----------
    maps_NCHW
        Calibrated probabilities that an object is centred in a cell.
    hits_NCHW, clear_NCHW
        Where one is, and which cells count; cells below 0.05 do not, see `MAP_PROBABILITY_MIN`.

    Returns
    -------
    tuple
        Of class *c* confidence [U] and hits [U] for `reliability`: cells that say p hold an object
        p times. They may be joined over blocks of frames.
    """
    counted = clear_NCHW & (maps_NCHW >= MAP_PROBABILITY_MIN)
    return tuple(
        (maps_NCHW[:, c][counted[:, c]], hits_NCHW[:, c][counted[:, c]])
        for c in range(maps_NCHW.shape[1])
    )

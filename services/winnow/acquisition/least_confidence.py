"""Lack of confidence in the best class."""

from __future__ import annotations

import numpy as np

from winnow.acquisition.probabilities import Probabilities, by_blocks, mean_of_members
from winnow.acquisition.reproducible import Floats


def least_confidence(probs_NMC: Probabilities) -> Floats:
    """Give one minus the mean probability of the committee's best class.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities, float [frames, members, classes]; each row sums to one.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 without unit, 0 (certain) to 1 - 1/C (uniform); element *i* belongs to
        row *i*.

    Raises
    ------
    BadInput
        Wrong shape, NaN, or a row that does not sum to one.

    Notes
    -----
    Costs N·M·C time and a constant amount of memory beside the result.

    References
    ----------
    Lewis and Gale, "A Sequential Algorithm for Training Text Classifiers", SIGIR 1994.

    Examples
    --------
    >>> least_confidence(np.array([[[0.5, 0.3, 0.2]]])).round(10).tolist()
    [0.5]
    """
    return by_blocks(
        probs_NMC, lambda probs: np.maximum(1.0 - mean_of_members(probs).max(axis=1), 0.0)
    )

"""Closeness of the two best classes."""

from __future__ import annotations

import numpy as np

from winnow.acquisition.probabilities import Probabilities, by_blocks, mean_of_members
from winnow.acquisition.reproducible import Floats


def margin(probs_NMC: Probabilities) -> Floats:
    """Give how close the two best classes of the committee's mean prediction are.

    The literature's margin p(1) - p(2) is small where a label is worth most; this is one minus
    it, because scores grow with worth.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities, float [frames, members, classes]; each row sums to one.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 without unit, 0 (certain) to 1 (a tie); element *i* belongs to row
        *i*. With a single class there is no second: 0.

    Raises
    ------
    BadInput
        Wrong shape, NaN, or a row that does not sum to one.

    Notes
    -----
    Costs N·M·C time and a constant amount of memory beside the result.

    References
    ----------
    Scheffer, Decomain and Wrobel, "Active Hidden Markov Models for Information Extraction",
    IDA 2001.

    Examples
    --------
    >>> margin(np.array([[[0.5, 0.3, 0.2]]])).round(10).tolist()
    [0.8]
    """
    return by_blocks(probs_NMC, _closeness)


def _closeness(probs_NMC: Floats) -> Floats:
    probs_NC = mean_of_members(probs_NMC)
    if probs_NC.shape[1] == 1:
        return np.zeros(len(probs_NC))
    best_two = np.partition(probs_NC, -2, axis=1)[:, -2:]
    # With one member that is a rounding above 1, 1 - (1 + 1e-7) would fall below the bound.
    return np.maximum(1.0 - (best_two[:, 1] - best_two[:, 0]), 0.0)

"""Entropy of the committee's mean prediction."""

from __future__ import annotations

from winnow.acquisition.probabilities import Probabilities, by_blocks, entropy_of, mean_of_members
from winnow.acquisition.reproducible import Floats


def entropy(probs_NMC: Probabilities) -> Floats:
    """Give how undecided the committee's mean prediction is about each frame.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities, float [frames, members, classes]; each row sums to one.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in nats, 0 (certain) to ln C (uniform); element *i* belongs to row *i*.

    Raises
    ------
    BadInput
        Wrong shape, NaN, or a row that does not sum to one.

    Notes
    -----
    Costs N·M·C time and a constant amount of memory beside the result.

    References
    ----------
    Shannon, "A Mathematical Theory of Communication", 1948, section 6.

    Examples
    --------
    >>> import numpy as np
    >>> entropy(np.array([[[0.5, 0.3, 0.2]]])).round(10).tolist()
    [1.0296530141]
    """
    return by_blocks(probs_NMC, lambda probs: entropy_of(mean_of_members(probs)))

"""Disagreement of the committee: mutual information of label and member."""

from __future__ import annotations

import numpy as np

from winnow.acquisition.probabilities import Probabilities, by_blocks, entropy_of, mean_of_members
from winnow.acquisition.reproducible import Floats, sum_last


def bald(probs_NMC: Probabilities) -> Floats:
    """Give how much of the uncertainty about each frame is disagreement between members.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities, float [frames, members, classes]; each row sums to one.
        Passes of Monte-Carlo dropout are members too.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in nats, 0 (all members say the same) to ln min(M, C) (they are
        certain and split); element *i* belongs to row *i*.

    Raises
    ------
    BadInput
        Wrong shape, NaN, or a row that does not sum to one.

    Notes
    -----
    H[mean_m p_m] - mean_m H[p_m], in float64; what rounding puts below zero is zero. Equals the
    mean Kullback-Leibler divergence of the members from their mean. Costs N·M·C time and a
    constant amount of memory beside the result.

    References
    ----------
    Houlsby et al., "Bayesian Active Learning for Classification and Preference Learning", 2011,
    arXiv 1112.5745, equation 2. Gal, Islam and Ghahramani, 2017, arXiv 1703.02910, section 3.

    Examples
    --------
    >>> bald(np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])).round(10).tolist()
    [0.1537951886]
    """
    return by_blocks(probs_NMC, _mutual_information)


def _mutual_information(probs_NMC: Floats) -> Floats:
    n_members = probs_NMC.shape[1]
    total_N = entropy_of(mean_of_members(probs_NMC))
    expected_N = sum_last(entropy_of(probs_NMC)) / n_members
    return np.maximum(total_N - expected_N, 0.0)

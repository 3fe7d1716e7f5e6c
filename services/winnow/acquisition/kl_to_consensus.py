"""Distance of the members from their mean."""

from __future__ import annotations

import numpy as np

from winnow.acquisition.probabilities import (
    Probabilities,
    by_blocks,
    divergence_of,
    mean_of_members,
)
from winnow.acquisition.reproducible import Floats, sum_last


def kl_to_consensus(probs_NMC: Probabilities) -> Floats:
    """Give the mean Kullback-Leibler divergence of the members from their mean prediction.

    The same number as `bald`, reached by another way: they differ by no more than rounding.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities, float [frames, members, classes]; each row sums to one.
        Passes of Monte-Carlo dropout are members too.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in nats, 0 (all members say the same) to ln min(M, C); element *i*
        belongs to row *i*.

    Raises
    ------
    BadInput
        Wrong shape, NaN, or a row that does not sum to one.

    Notes
    -----
    Costs N·M·C time and a constant amount of memory beside the result.

    References
    ----------
    McCallum and Nigam, "Employing EM and Pool-Based Active Learning for Text Classification",
    ICML 1998.

    Examples
    --------
    >>> committee = np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])
    >>> kl_to_consensus(committee).round(10).tolist()
    [0.1537951886]
    """
    return by_blocks(probs_NMC, _mean_divergence)


def _mean_divergence(probs_NMC: Floats) -> Floats:
    consensus_NC = mean_of_members(probs_NMC)
    # The mean of members below the smallest number is zero, and a divergence from it no number.
    consensus_NC = np.maximum(consensus_NC, np.nextafter(0.0, 1.0))
    divergences_NM = divergence_of(probs_NMC, consensus_NC[:, None, :])
    return sum_last(divergences_NM) / probs_NMC.shape[1]

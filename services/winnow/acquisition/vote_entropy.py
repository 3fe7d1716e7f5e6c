"""Spread of the committee's votes."""

from __future__ import annotations

import numpy as np

from winnow.acquisition.probabilities import Probabilities, by_blocks, entropy_of
from winnow.acquisition.reproducible import Floats
from winnow.acquisition.votes import votes_of


def vote_entropy(probs_NMC: Probabilities) -> Floats:
    """Give the entropy of the members' votes about each frame.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities, float [frames, members, classes]; each row sums to one.
        Passes of Monte-Carlo dropout are members too; of bare votes give `np.eye(C)[votes_NM]`.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in nats, 0 (all members vote alike) to ln min(M, C); element *i*
        belongs to row *i*.

    Raises
    ------
    BadInput
        Wrong shape, NaN, or a row that does not sum to one.

    Notes
    -----
    A member votes for its best class; one with several best classes sides with the others, see
    `votes_of`. Costs N·M·C time and a constant amount of memory beside the result.

    References
    ----------
    Dagan and Engelson, "Committee-Based Sampling For Training Probabilistic Classifiers", ICML
    1995.

    Examples
    --------
    >>> committee = np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])
    >>> vote_entropy(committee).round(10).tolist()
    [0.6365141683]
    """
    return by_blocks(probs_NMC, _spread)


def _spread(probs_NMC: Floats) -> Floats:
    return entropy_of(votes_of(probs_NMC).astype(np.float64) / probs_NMC.shape[1])

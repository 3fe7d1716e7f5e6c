"""Share of the committee that does not vote with the majority."""

from __future__ import annotations

from winnow.acquisition.probabilities import Probabilities, by_blocks
from winnow.acquisition.reproducible import Floats
from winnow.acquisition.votes import votes_of


def variation_ratio(probs_NMC: Probabilities) -> Floats:
    """Give the share of members whose vote is not the most frequent one.

    It counts votes: one minus the largest mean probability, which goes by this name elsewhere, is
    `least_confidence`.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities, float [frames, members, classes]; each row sums to one.
        Passes of Monte-Carlo dropout are members too; of bare votes give `np.eye(C)[votes_NM]`.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 without unit, 0 (all members vote alike) to 1 - 1/min(M, C);
        element *i* belongs to row *i*.

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
    Freeman, "Elementary Applied Statistics", 1965. Gal and Ghahramani, "Dropout as a Bayesian
    Approximation", 2016, arXiv 1506.02142; Gal, Islam and Ghahramani, 2017, arXiv 1703.02910,
    section 3.

    Examples
    --------
    >>> import numpy as np
    >>> committee = np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])
    >>> variation_ratio(committee).round(10).tolist()
    [0.3333333333]
    """
    return by_blocks(probs_NMC, _minority)


def _minority(probs_NMC: Floats) -> Floats:
    n_members = probs_NMC.shape[1]
    minority: Floats = (n_members - votes_of(probs_NMC).max(axis=1)) / n_members
    return minority

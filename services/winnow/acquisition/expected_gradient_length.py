"""How far a label would move the last layer."""

from __future__ import annotations

import numpy as np

from winnow.acquisition.checked import Rows, check_lengths, norms_of
from winnow.acquisition.probabilities import Probabilities, by_blocks, mean_of_members
from winnow.acquisition.reproducible import Floats, sum_last


def expected_gradient_length(probs_NMC: Probabilities, embeddings_ND: Rows) -> Floats:
    """Give the length of the loss gradient at the last layer, expected over the unknown label.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities, float [frames, members, classes]; each row sums to one.
        The label is drawn from their mean, and the gradient is that of the mean.
    embeddings_ND
        float [frames, D], what a softmax layer maps to these probabilities; row *i* is frame *i*.
        A constant 1 as its last column takes the bias into account.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in units of the embedding, 0 (certain, or a zero vector) to the norm
        of the frame's embedding; element *i* belongs to row *i*.

    Raises
    ------
    BadInput
        Wrong shape, different numbers of frames, NaN, or a row that does not sum to one.

    Notes
    -----
    Cross-entropy of a softmax layer with label y has the gradient (p - e_y) h^T, whose Frobenius
    norm is |p - e_y| |h|: no gradient is ever formed. Costs N·(M·C + D) time and a constant amount
    of memory beside the result.

    References
    ----------
    Settles, Craven and Ray, "Multiple-Instance Active Learning", NeurIPS 2007. The
    gradient of a last layer: Ash et al., 2020, arXiv 1906.03671, section 3.

    Examples
    --------
    >>> expected_gradient_length(np.array([[[0.5, 0.5]]]), np.array([[3.0, 4.0]])).round(8).tolist()
    [3.53553391]
    """
    check_lengths({"probs_NMC": len(probs_NMC), "embeddings_ND": len(embeddings_ND)})
    return by_blocks(probs_NMC, _residual) * norms_of(embeddings_ND)


def _residual(probs_NMC: Floats) -> Floats:
    """Give sum_y p_y |p - e_y|."""
    probs_NC = mean_of_members(probs_NMC)
    squares_NC = probs_NC * probs_NC
    others_NC = sum_last(squares_NC)[:, None] - squares_NC
    # Only for the best class can that difference cancel; there the others are added up.
    rows, best = np.arange(len(probs_NC)), probs_NC.argmax(axis=1)
    squares_NC[rows, best] = 0.0
    others_NC[rows, best] = sum_last(squares_NC)
    missing_NC = 1.0 - probs_NC
    lengths_NC = np.sqrt(np.maximum(others_NC, 0.0) + missing_NC * missing_NC)
    return sum_last(probs_NC * lengths_NC)

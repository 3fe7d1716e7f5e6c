"""Acquisition scores weighted by how typical a frame is of the pool."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import Rows, check_lengths, finite_of, row_blocks
from winnow.acquisition.reproducible import Floats, exp_of, log_of, sum_last
from winnow.domain.errors import BadInput

_BITS: Final = 52
_BITS_OF_SUM: Final = 62


def information_density(scores_N: Floats, embeddings_ND: Rows, *, beta: float = 1.0) -> Floats:
    """Give acquisition scores times the density of the pool around each frame, to the power beta.

    Parameters
    ----------
    scores_N
        Acquisition scores of any function, at least 0.
    embeddings_ND
        float [frames, D], finite; row *i* is frame *i*.
    beta
        Weight of typicality, at least 0; 0 leaves the scores as they are.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in the unit of the scores, 0 to the score itself.

    Raises
    ------
    BadInput
        Wrong shapes, different numbers of frames, NaN, a negative score or a negative beta.

    Notes
    -----
    score · density^beta with `density_of`. Costs two passes over the embeddings, N·D, where the
    definition asks for all pairs; memory for a block.

    References
    ----------
    Settles and Craven, "An Analysis of Active Learning Strategies for Sequence Labeling Tasks",
    EMNLP 2008 (information density), with the cosine moved to 0…1.

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    >>> information_density(np.array([0.3, 0.3, 0.3]), rows).round(8).tolist()
    [0.2, 0.2, 0.1]
    """
    scores_N = finite_of(scores_N, name="scores_N", axes=("frames",))
    check_lengths({"scores_N": len(scores_N), "embeddings_ND": len(embeddings_ND)})
    if (scores_N < 0.0).any():
        row = int(np.flatnonzero(scores_N < 0.0)[0])
        msg = f"scores_N: row {row}: expected a score of at least 0, found {scores_N[row]!s}"
        raise BadInput(msg)
    if not 0.0 <= beta < np.inf:
        msg = f"beta: expected a finite number of at least 0, found {beta}"
        raise BadInput(msg)
    return scores_N * _power(density_of(embeddings_ND), beta)


def _power(density_N: Floats, beta: float) -> Floats:
    if beta == 0.0:
        return np.ones_like(density_N)
    if beta == 1.0:
        return density_N
    present = density_N > 0.0
    powers_N = exp_of(beta * log_of(np.where(present, density_N, 1.0)))
    return np.where(present, powers_N, 0.0)


def density_of(embeddings_ND: Rows) -> Floats:
    """Give how typical each frame is of the pool: (1 + mean cosine to all frames) / 2.

    Parameters
    ----------
    embeddings_ND
        float [frames, D], finite. A zero vector has the cosine 0 to everything.

    Returns
    -------
    numpy.ndarray
        `density_N`, float64 without unit, 0 (opposite to all others) to 1 (all alike); larger is
        more typical.

    Raises
    ------
    BadInput
        Wrong shape, NaN, or an infinity; the text names the row.

    Notes
    -----
    The mean over j of cos(i, j) is the dot product of the unit vector i with the mean unit vector,
    so no pair is ever looked at; the frame itself is among the j. That mean is summed in integers,
    unit vectors in multiples of 2**-k with k = 62 - log2(N), at most 52: exact, so the order of
    the frames changes no bit. Within 2**-k + 1e-15: 1e-12 at 4 million frames.

    Examples
    --------
    >>> density_of(np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])).round(8).tolist()
    [0.83333333, 0.83333333, 0.66666667]
    """
    mean_D = _mean_unit_vector(embeddings_ND)
    density_N = np.empty(len(embeddings_ND))
    for rows, block in row_blocks(embeddings_ND, name="embeddings_ND"):
        cosines = sum_last(_unit(block) * mean_D)
        density_N[rows] = np.clip(0.5 + 0.5 * cosines, 0.0, 1.0)  # cosines stray by a rounding
    return density_N


def _mean_unit_vector(embeddings_ND: Rows) -> Floats:
    n_frames = max(1, len(embeddings_ND))
    scale = 2.0 ** min(_BITS, _BITS_OF_SUM - n_frames.bit_length())
    total_D: npt.NDArray[np.int64] | int = 0
    for _, block in row_blocks(embeddings_ND, name="embeddings_ND"):
        total_D = total_D + np.rint(_unit(block) * scale).astype(np.int64).sum(axis=0)
    mean_D: Floats = np.asarray(total_D, dtype=np.float64) / scale / n_frames
    return mean_D


def _unit(rows_ND: Floats) -> Floats:
    norms_N = np.sqrt(sum_last(rows_ND * rows_ND))
    units_ND: Floats = rows_ND / np.where(norms_N > 0.0, norms_N, 1.0)[:, None]
    return units_ND

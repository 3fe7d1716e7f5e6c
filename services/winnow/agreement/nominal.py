"""Agreement between annotators on nominal labels, corrected for chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput

MISSING = -1
Codes = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float64]


def codes_of(labels: Sequence[Sequence[str]]) -> Codes:
    """Give labels as numbers, one row a frame, one column an annotator; empty is `MISSING`."""
    names = sorted({label for row in labels for label in row if label})
    index = {"": MISSING} | {name: code for code, name in enumerate(names)}
    return np.array([[index[label] for label in row] for row in labels], dtype=np.int64)


def krippendorff_alpha(codes_NA: Codes) -> float:
    """Give Krippendorff's alpha for nominal values; frames with one value do not count.

    Parameters
    ----------
    codes_NA
        int [N, A]: class of frame *i* by annotator *a*, or `MISSING`.

    Returns
    -------
    float
        1 for perfect agreement, 0 for agreement by chance; NaN if nothing can be compared or if
        all values are the same.

    Notes
    -----
    1 - D_o/D_e over the coincidence matrix, in which each frame with m values adds 1/(m - 1) per
    ordered pair. Cost O(N·C²) time, O(N·C) memory.

    References
    ----------
    Krippendorff, "Content Analysis", 3rd edition, 2013, chapter 12.

    Examples
    --------
    >>> krippendorff_alpha(np.array([[0, 0], [1, 1], [0, 1]]))
    0.4444444444444444
    """
    counts_NC = _value_counts(codes_NA)
    m_N = counts_NC.sum(axis=1)
    counts_NC, m_N = counts_NC[m_N >= 2], m_N[m_N >= 2]
    totals_C = counts_NC.sum(axis=0)
    n = float(totals_C.sum())
    expected = n * n - float((totals_C**2).sum())
    if expected == 0.0:
        return math.nan
    pairs_N = m_N**2 - (counts_NC**2).sum(axis=1)
    observed = float((pairs_N / (m_N - 1)).sum())
    return 1.0 - (n - 1) * observed / expected


def cohen_kappa(first_N: Codes, second_N: Codes) -> float:
    """Give Cohen's kappa of two raters over the frames that both rated; NaN without a base.

    References
    ----------
    Cohen, "A coefficient of agreement for nominal scales", 1960.

    Raises
    ------
    BadInput
        The two do not have the same frames.

    Examples
    --------
    >>> cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    0.5
    """
    if first_N.shape != second_N.shape or first_N.ndim != 1:
        msg = f"kappa: expected two equally long rows, found {first_N.shape}, {second_N.shape}"
        raise BadInput(msg)
    both_N = (first_N != MISSING) & (second_N != MISSING)
    first_N, second_N = first_N[both_N], second_N[both_N]
    if len(first_N) == 0:
        return math.nan
    n_classes = int(max(first_N.max(), second_N.max())) + 1
    shares = [np.bincount(one, minlength=n_classes) / len(one) for one in (first_N, second_N)]
    by_chance = float(shares[0] @ shares[1])
    observed = float((first_N == second_N).mean())
    return math.nan if by_chance == 1.0 else (observed - by_chance) / (1.0 - by_chance)


def _value_counts(codes_NA: Codes) -> Counts:
    """Give how often each frame got each class: float64 [N, C]."""
    if codes_NA.ndim != 2:
        msg = f"alpha: expected frames by annotators, found shape {codes_NA.shape}"
        raise BadInput(msg)
    n_classes = int(codes_NA.max(initial=MISSING)) + 1
    counts_NC = np.zeros((len(codes_NA), n_classes))
    frames, annotators = np.nonzero(codes_NA != MISSING)
    np.add.at(counts_NC, (frames, codes_NA[frames, annotators]), 1.0)
    return counts_NC

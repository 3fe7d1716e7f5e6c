"""Agreement of several annotators on the same frames, and their vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput

MISSING = -1


def krippendorff_alpha(answers_AN: npt.NDArray[np.int64]) -> float:
    """Give nominal alpha = 1 - D_o/D_e of class indices [annotators, frames]; -1 is missing.

    1 is perfect agreement, 0 what chance gives; NaN where fewer than two answers pair up or all
    answers are equal. Cost: O(A N + N C).

    References
    ----------
    Krippendorff 2011, "Computing Krippendorff's alpha-reliability".

    Examples
    --------
    >>> krippendorff_alpha(np.array([[0, 1, 1, 0], [0, 1, 1, 0]]))
    1.0
    """
    if answers_AN.ndim != 2:
        msg = f"answers: expected [annotators, frames], found shape {answers_AN.shape}"
        raise BadInput(msg)
    n_classes = int(answers_AN.max(initial=0)) + 1
    counts_NC = np.stack([(answers_AN == c).sum(axis=0) for c in range(n_classes)], axis=1)
    counts_NC = counts_NC[counts_NC.sum(axis=1) >= 2]
    values_N = counts_NC.sum(axis=1)
    totals_C = counts_NC.sum(axis=0)
    n = int(totals_C.sum())
    expected = n * n - float((totals_C**2).sum())
    if n < 2 or expected == 0:
        return float("nan")
    pairs_N = values_N**2 - (counts_NC**2).sum(axis=1)
    observed = float((pairs_N / (values_N - 1)).sum())
    return 1.0 - (n - 1) * observed / expected


def cohen_kappa(first_N: npt.NDArray[np.int64], second_N: npt.NDArray[np.int64]) -> float:
    """Give Cohen's kappa of two annotators' class indices; NaN where chance explains all.

    References
    ----------
    Cohen 1960, "A coefficient of agreement for nominal scales".
    """
    if first_N.shape != second_N.shape or not first_N.size:
        msg = f"answers: expected two of one length, found {first_N.shape}, {second_N.shape}"
        raise BadInput(msg)
    n_classes = int(max(first_N.max(), second_N.max())) + 1
    shares = [np.bincount(one, minlength=n_classes) / one.size for one in (first_N, second_N)]
    by_chance = float(shares[0] @ shares[1])
    if by_chance == 1.0:
        return float("nan")
    return (float((first_N == second_N).mean()) - by_chance) / (1.0 - by_chance)


def majority(labels: Sequence[str]) -> tuple[str, bool]:
    """Give the most frequent label and whether it stands alone; a tie gives the smallest name."""
    counts = Counter(labels)
    best = max(counts.values())
    winners = sorted(label for label, count in counts.items() if count == best)
    return winners[0], len(winners) == 1

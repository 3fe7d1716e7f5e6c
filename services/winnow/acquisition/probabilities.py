"""What all acquisition functions share: checked probabilities, their mean, their entropy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import Floats, log_of, sum_last
from winnow.domain.errors import BadInput

Probabilities = npt.NDArray[np.float32] | npt.NDArray[np.float64]

SUM_TOLERANCE: Final = 1e-3
"""A float32 softmax over 1000 classes strays by 1e-4; ten times that is somebody's mistake."""
BLOCK_VALUES: Final = 1 << 17
"""Numbers worked on at once: 1 MiB of float64, so that the temporaries stay in the cache."""


def by_blocks(probs_NMC: Probabilities, score: Callable[[Floats], Floats]) -> Floats:
    """Check probabilities and score them, some rows at a time.

    Parameters
    ----------
    probs_NMC
        Float [frames, members, classes], each row sums to one.
    score
        Takes float64 [rows, members, classes] and gives one number a row.

    Raises
    ------
    BadInput
        Not three axes, no member or class, NaN, negative, or a row whose sum is not one; the text
        names the row and the member.
    """
    if probs_NMC.ndim != 3 or probs_NMC.shape[1] < 1 or probs_NMC.shape[2] < 1:
        msg = f"probs_NMC: expected shape [frames, members, classes], found {probs_NMC.shape}"
        raise BadInput(msg)
    n_frames, n_members, n_classes = probs_NMC.shape
    rows = max(1, BLOCK_VALUES // (n_members * n_classes))
    scores = np.empty(n_frames)
    for start in range(0, n_frames, rows):
        block = probs_NMC[start : start + rows].astype(np.float64)
        _check(block, first_row=start)
        scores[start : start + rows] = score(block)
    return scores


def _check(probs_NMC: Floats, *, first_row: int) -> None:
    sums_NM = sum_last(probs_NMC)
    right = (np.abs(sums_NM - 1.0) <= SUM_TOLERANCE) & (probs_NMC >= 0.0).all(axis=2)
    if not right.all():  # a NaN compares false, so it is not right either
        row, member = (int(i) for i in np.argwhere(~right)[0])
        msg = (
            f"probs_NMC: row {first_row + row}, member {member}: expected probabilities that sum "
            f"to 1, found {probs_NMC[row, member].tolist()}"
        )
        raise BadInput(msg)


def mean_of_members(probs_NMC: Floats) -> Floats:
    """Give `probs_NC`, the committee's mean prediction."""
    return sum_last(np.moveaxis(probs_NMC, 1, -1)) / probs_NMC.shape[1]


def entropy_of(probs: Floats) -> Floats:
    """Give -sum p ln p over the last axis in nats, with 0 ln 0 = 0."""
    logs = log_of(np.where(probs > 0.0, probs, 1.0))
    return np.maximum(-sum_last(probs * logs), 0.0)  # a sum a rounding above 1 gives -1e-16

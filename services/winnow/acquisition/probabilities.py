"""What all acquisition functions share: checked probabilities, their mean, their entropy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import numbers_of
from winnow.acquisition.reproducible import Floats, log_of, sum_last
from winnow.domain.errors import BadInput

Probabilities = npt.NDArray[np.float32] | npt.NDArray[np.float64]

SHOWN: Final = 10
"""Probabilities of a wrong row that an error repeats."""
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
        Not three axes, no member or class, NaN, negative, or a row whose sum is farther than 0.001
        from one; the text names the row and the member.
    """
    scores = np.empty(len(probabilities_of(probs_NMC)))
    for rows, block in blocks_of(probs_NMC):
        scores[rows] = score(block)
    return scores


def probabilities_of(probs_NMC: Probabilities, *, name: str = "probs_NMC") -> Probabilities:
    """Give probabilities as an array of three axes, its values not looked at yet.

    Raises
    ------
    BadInput
        Not numbers, not three axes, or no member or class.
    """
    probs_NMC = numbers_of(probs_NMC, name=name)
    if probs_NMC.ndim != 3 or probs_NMC.shape[1] < 1 or probs_NMC.shape[2] < 1:
        hint = " (of one model: probs[:, None])" if probs_NMC.ndim == 2 else ""
        msg = f"{name}: expected shape [frames, members, classes], found {probs_NMC.shape}{hint}"
        raise BadInput(msg)
    return probs_NMC


def blocks_of(
    probs_NMC: Probabilities, *, name: str = "probs_NMC", n_rows: int | None = None
) -> Iterator[tuple[slice, Floats]]:
    """Give checked float64 blocks of rows and where they stand.

    Parameters
    ----------
    probs_NMC
        Float [frames, members, classes], each row sums to one.
    name
        What an error calls them.
    n_rows
        Rows of a block; none takes as many as keep the temporaries in the cache.

    Raises
    ------
    BadInput
        See `by_blocks`.
    """
    probs_NMC = probabilities_of(probs_NMC, name=name)
    n_frames, n_members, n_classes = probs_NMC.shape
    step = n_rows or max(1, BLOCK_VALUES // (n_members * n_classes))
    for start in range(0, n_frames, step):
        rows = slice(start, min(start + step, n_frames))
        block = probs_NMC[rows].astype(np.float64)
        _check(block, first_row=start, name=name)
        yield rows, block


def _check(probs_NMC: Floats, *, first_row: int, name: str) -> None:
    with np.errstate(invalid="ignore"):  # infinities of both signs
        sums_NM = sum_last(probs_NMC)
    # 1 - 0.999 is a rounding above 0.001.
    right = (np.abs(sums_NM - 1.0) <= SUM_TOLERANCE * (1.0 + 1e-9)) & (probs_NMC >= 0.0).all(axis=2)
    if not right.all():  # a NaN compares false, so it is not right either
        row, member = (int(i) for i in np.argwhere(~right)[0])
        found, least = probs_NMC[row, member].tolist(), float(probs_NMC[row, member].min())
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        why = f"the least is {least:g}" if least < 0.0 else f"they sum to {sums_NM[row, member]:g}"
        msg = (
            f"{name}: row {first_row + row}, member {member}: expected probabilities that sum "
            f"to 1, found {found[:SHOWN]}{more}: {why}"
        )
        raise BadInput(msg)


def mean_of_members(probs_NMC: Floats) -> Floats:
    """Give `probs_NC`, the committee's mean prediction."""
    return sum_last(np.moveaxis(probs_NMC, 1, -1)) / probs_NMC.shape[1]


def entropy_of(probs: Floats) -> Floats:
    """Give -sum p ln p over the last axis in nats, with 0 ln 0 = 0."""
    logs = log_of(np.where(probs > 0.0, probs, 1.0))
    return np.maximum(-sum_last(probs * logs), 0.0)  # a sum a rounding above 1 gives -1e-16


def divergence_of(probs: Floats, others: Floats) -> Floats:
    """Give sum p ln(p / q) over the last axis in nats: the Kullback-Leibler divergence from q.

    Where p is 0 nothing is added; where q is 0 and p is not, the result is infinite. What
    rounding puts below zero is zero.
    """
    present = probs > 0.0
    logs = log_of(np.where(present, probs, 1.0)) - log_of(np.where(others > 0.0, others, 1.0))
    divergences = np.maximum(sum_last(np.where(present, probs * logs, 0.0)), 0.0)
    return np.where((present & (others == 0.0)).any(axis=-1), np.inf, divergences)

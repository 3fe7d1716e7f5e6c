"""Columns of the candidates, checked: who asks for one gets it whole or is told what is wrong."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.probabilities import blocks_of, mean_of_members
from winnow.domain.errors import BadInput
from winnow.strategies.protocol import Candidates, Column, Floats, FrameIds, probs_of

SCORE_MAX: Final = 1e15


def column_of(candidates: Candidates, name: str) -> Column:
    """Give a column, or refuse: there is none of this name, or of another length."""
    column = candidates.columns.get(name)
    if column is None or column.shape != (len(candidates),):
        found = "none" if column is None else f"shape {column.shape}"
        there = ", ".join(sorted(candidates.columns)) or "no column"
        msg = f"columns: expected {name!r} of {len(candidates)} frames, found {found} ({there})"
        raise BadInput(msg)
    return column


def numbers_of(candidates: Candidates, name: str) -> Floats:
    """Give a column of finite numbers as float64, or refuse; the text names the row."""
    column = column_of(candidates, name)
    if column.dtype.kind not in "iufb":
        msg = f"columns: expected numbers in {name!r}, found {column.dtype}"
        raise BadInput(msg)
    numbers_N = column.astype(np.float64)
    wrong = np.flatnonzero(~(np.abs(numbers_N) <= SCORE_MAX))  # a NaN compares false
    if len(wrong):
        row = int(wrong[0])
        msg = (
            f"columns: {name!r}: expected finite numbers up to {SCORE_MAX:g}, row {row} (frame "
            f"{candidates.frame_ids[row]}) has {numbers_N[row]}"
        )
        raise BadInput(msg)
    return numbers_N


def sessions_of(candidates: Candidates) -> FrameIds:
    """Give the sessions, or refuse: there are none, or of another length."""
    sessions_N = candidates.sessions_N
    if sessions_N is None or sessions_N.shape != (len(candidates),):
        found = "none" if sessions_N is None else sessions_N.shape
        msg = f"sessions_N: expected shape ({len(candidates)},), found {found}"
        raise BadInput(msg)
    return sessions_N


def prices_of(candidates: Candidates) -> npt.NDArray[np.int64]:
    """Give the prices, or refuse: there are none, of another length, or negative."""
    prices_N = candidates.price_micros_N
    if prices_N is None or prices_N.shape != (len(candidates),):
        found = "none" if prices_N is None else prices_N.shape
        msg = f"price_micros_N: expected shape ({len(candidates)},), found {found}"
        raise BadInput(msg)
    if prices_N.min(initial=0) < 0:
        row = int(np.argmin(prices_N))
        msg = f"price_micros_N: expected 0 or more, row {row} has {prices_N[row]}"
        raise BadInput(msg)
    return prices_N


def mean_probs_of(candidates: Candidates) -> Floats:
    """Give `probs_NC`, the committee's mean prediction, float64; or refuse.

    Costs N·M·C time and 8·N·C bytes.
    """
    probs_NMC = probs_of(candidates)
    probs_NC = np.empty((len(probs_NMC), probs_NMC.shape[2]))
    for rows, block in blocks_of(probs_NMC):
        probs_NC[rows] = mean_of_members(block)
    return probs_NC

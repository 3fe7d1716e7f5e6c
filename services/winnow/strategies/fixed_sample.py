"""A sample of the pool that no round's seed moves."""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.kernels.philox import order_of
from winnow.strategies.protocol import FrameIds, Positions, Ranks

SEED: Final = 0
"""The same for all rounds: what only measures a pool must not make a certain choice a drawn one."""


def fixed_sample(frame_ids: FrameIds, rank_N: Ranks, n_max: int, *, step: int) -> Positions:
    """Give all positions, or `n_max` drawn ones, in the order of their frame ids.

    Every frame is equally likely, by its id alone: the same frames in any order and company.
    Costs N log N.
    """
    if len(frame_ids) <= n_max:
        return np.argsort(rank_N)
    drawn = order_of(frame_ids, seed=SEED, step=step)[:n_max]
    in_order: Positions = drawn[np.argsort(rank_N[drawn])]
    return in_order

"""The random arm: what choosing is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from winnow.kernels.philox import order_of
from winnow.strategies.protocol import FrameIds, Positions

STEP: Final = 0
"""The arm's own draws: independent of those of any strategy."""


@dataclass(frozen=True, slots=True)
class RandomArm:
    """A simple random sample of the gated pool, in the order of the draws."""

    positions: Positions
    draw_probabilities: tuple[float, ...]
    """Of each draw among the frames that were left: 1/N, 1/(N-1), …"""


def arm_size(share: float, batch_size: int) -> int:
    """Give share x size of the batch, halves rounded up.

    Examples
    --------
    >>> arm_size(0.1, 25), arm_size(0.1, 4), arm_size(1.0, 7)
    (3, 0, 7)
    """
    return min(batch_size, int(np.floor(share * batch_size + 0.5)))


def draw_random_arm(frame_ids: FrameIds, n: int, *, seed: int) -> RandomArm:
    """Draw n frames; the order of the input changes nothing."""
    n_frames = len(frame_ids)
    positions = order_of(frame_ids, seed=seed, step=STEP)[:n]
    return RandomArm(positions, tuple(1.0 / (n_frames - m) for m in range(len(positions))))

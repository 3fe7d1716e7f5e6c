"""What learns from the labels of a round, and answers as a committee does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmark.frames import Numbers
from benchmark.pools import Pool

Probs = npt.NDArray[np.float32]
CALIBRATION_SHARE = 0.1
CALIBRATION_MIN = 20
"""Fewer held-out labels say nothing about a temperature."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Calibrated class probabilities of M members, or of M samples of one head."""

    pool_NMC: Probs
    held_HMC: Probs


class Learner(Protocol):
    """Trains from scratch in every round."""

    def learn(self, pool: Pool, labeled: Numbers, *, seed: int) -> Answers:
        """Learn the labels of the pool's frames at these rising positions, then answer."""
        ...


def kept_out_of(pool: Pool, labeled: Numbers) -> npt.NDArray[np.bool_]:
    """Tell which labels fit the temperature: by frame id, the same in every round and method."""
    limit = int(CALIBRATION_SHARE * 2**32)
    ids = pool.frame_ids[labeled].tolist()
    return np.array([int(frame_id[:8], 16) < limit for frame_id in ids], dtype=np.bool_)

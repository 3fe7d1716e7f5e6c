"""The committee of N models, as scoring sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import CommitteeVersion


@dataclass(frozen=True, slots=True)
class CommitteeAnswer:
    """What the members that answered say of one batch of frames.

    `probs_NMC[i, m]` are the calibrated class probabilities of frame *i* by
    `members_answered[m]`; float32, each row sums to one.
    """

    probs_NMC: npt.NDArray[np.float32]
    members_answered: tuple[str, ...]
    compute_ms: int
    """Measured accelerator (or CPU) milliseconds of all members together."""


class Committee(Protocol):
    """Gives predictions of one committee version."""

    def load(self, version: CommitteeVersion, members: BlobRef) -> Sequence[str]:
        """Make this version ready and give its members' names; loading it again is free.

        Raises
        ------
        Retryable
            Not all members are ready.
        """
        ...

    def score(self, version: CommitteeVersion, frames: Sequence[bytes]) -> CommitteeAnswer:
        """Score encoded images (as stored); a partial answer names who answered.

        Raises
        ------
        Retryable
            No member answered.
        """
        ...

"""The committee of N models, as scoring sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import SchemaMismatch
from winnow.domain.ids import CommitteeVersion


@dataclass(frozen=True, slots=True)
class CommitteeAnswer:
    """What the members that answered say of one batch of N frames.

    A committee of classification networks gives `probs_NMC`, one of detection networks
    `information_NC` and `boxes`.
    """

    members_answered: tuple[str, ...]
    compute_ms: int
    """Measured accelerator (or CPU) milliseconds of all members together."""
    probs_NMC: npt.NDArray[np.float32] | None = None
    """Calibrated class probabilities of frame *i* by `members_answered[m]`; float32, each row
    sums to one."""
    information_NC: npt.NDArray[np.float32] | None = None
    """Mutual information of the members' calibrated probability maps, mean over the map's cells,
    of each class; float32, nats, 0 to ln 2."""
    boxes: tuple[str, ...] = ()
    """Of each frame the boxes of the members' mean map, best first, as JSON:
    `[{"box":[x,y,width,height],"class":"person","score":0.83}]`, whole pixels of the upright
    frame; with scores down to 0.01, so that who uses them chooses a threshold."""

    def class_probs(self) -> npt.NDArray[np.float32]:
        """Give `probs_NMC`.

        Raises
        ------
        SchemaMismatch
            A committee of another kind has answered.
        """
        if self.probs_NMC is None:
            msg = "expected the class probabilities of a committee, found no such answer"
            raise SchemaMismatch(msg)
        return self.probs_NMC

    def map_information(self) -> npt.NDArray[np.float32]:
        """Give `information_NC`; raises as `class_probs` does."""
        if self.information_NC is None:
            msg = "expected the map information of a committee, found no such answer"
            raise SchemaMismatch(msg)
        return self.information_NC


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

        Parameters
        ----------
        frames
            May be on their way yet: who looks at one waits, or is told by what `Blobs.get` raises.

        Raises
        ------
        Retryable
            No member answered.
        """
        ...

    def maps(self, version: CommitteeVersion, frames: Sequence[bytes]) -> npt.NDArray[np.float16]:
        """Give calibrated probability maps of a handful of frames, [N, M, C, h, w].

        For reports: maps of a whole pool are never moved. N x M x C x h x w x 2 bytes.

        Raises
        ------
        SchemaMismatch
            A committee of a kind without maps.
        Retryable
            A member did not answer.
        """
        ...

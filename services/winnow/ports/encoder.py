"""Frame → embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Encoder(Protocol):
    """Turns decoded frames into vectors whose distances mean visual likeness."""

    @property
    def version(self) -> str:
        """Name, parameters and digest of weights: vectors of other versions do not mix."""
        ...

    @property
    def dimension(self) -> int:
        """Length D of each vector."""
        ...

    def encode(self, frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Give `embeddings_ND` of RGB frames uint8 [height, width, 3], sizes may differ."""
        ...

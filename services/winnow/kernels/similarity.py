"""How alike two rows are, as a falling function of their distance: the same bits everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import Floats, sum_last
from winnow.kernels.protocol import Rows

SimilarityKind = Literal["distance", "cosine", "cauchy"]


@dataclass(frozen=True, slots=True)
class Similarity:
    """A similarity between 0 and 1 that is 1 for equal rows.

    `distance`: 1 / (1 + scale·d) for the Euclidean distance d. `cosine`: (1 + cos) / 2, which is
    1 - d²/4 for the distance d of the rows at length 1; a row of zeros stays at the origin, where
    its similarity to every other direction is 3/4. `cauchy`: 1 / (1 + scale·d²), near 1 well within
    the radius 1/√scale and falling with the square outside it.
    """

    kind: SimilarityKind = "distance"
    scale: float = 1.0

    def rows(self, rows_KD: Rows) -> Rows | Floats:
        """Give the rows between which distances count."""
        return unit_rows(rows_KD) if self.kind == "cosine" else rows_KD

    def of(self, squared: Floats) -> Floats:
        """Give the similarities for squared distances of `rows`.

        It falls or stays as the distance grows, also after rounding.

        Examples
        --------
        >>> Similarity(scale=0.5).of(np.array([0.0, 4.0])).tolist()
        [1.0, 0.5]
        """
        if self.kind == "cosine":
            return 1.0 - 0.25 * squared
        far = squared if self.kind == "cauchy" else np.sqrt(squared)
        similarity: Floats = 1.0 / (1.0 + self.scale * far)
        return similarity


def unit_rows(rows_KD: Rows) -> Floats:
    """Give the rows at length 1, in float64; a row of zeros stays one.

    Examples
    --------
    >>> unit_rows(np.float32([[3, 4], [0, 0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    rows = rows_KD.astype(np.float64)
    units: Floats = rows / lengths_of(rows)[:, None]
    return units


def lengths_of(rows_KD: npt.NDArray[np.float64]) -> Floats:
    """Give the Euclidean length of each row, 1 for a row of zeros: what it is divided by."""
    lengths: Floats = np.sqrt(sum_last(rows_KD * rows_KD))
    return np.where(lengths > 0.0, lengths, 1.0)

"""What a backend must be able to do, and how wrong it may be."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


class Nearest(Protocol):
    """Rows that a backend holds, each with the distance to its nearest center so far."""

    @property
    def squared(self) -> Rows:
        """Squared distance of each row to the nearest center; `inf` before the first."""
        ...

    def lower(self, centers_LD: Rows) -> None:
        """Take more centers into account; costs L·N·D multiply-adds, memory bounded."""
        ...


class DistanceKernel(Protocol):
    """A backend for distances of many rows to few centers.

    It may add in any order, with any number of threads, fused or not, as long as each squared
    distance is within `squared_l2_error` of the exact one: whoever picks compares the contenders
    again in float64.
    """

    name: str

    def hold(self, rows_ND: Rows) -> Nearest:
        """Take rows (finite, never written to), e.g. to the memory of a GPU."""
        ...


def squared_l2_error(norms_N: Floats, norm_max: float, dimension: int) -> Floats:
    """Give by how much a float32 squared distance of each row may be off.

    Parameters
    ----------
    norms_N
        Euclidean norm of each row.
    norm_max
        Largest norm of a center.
    dimension
        D.

    Notes
    -----
    |x|² + |c|² - 2 x·c evaluated in float32: the product of vectors is off by at most
    D·u·|x|·|c| in any order of summation, the rest by a few u·(|x| + |c|)², u = 2⁻²⁴ (Higham,
    "Accuracy and Stability of Numerical Algorithms", section 3.1; the squared norms are sums of D
    terms too). D + 8 covers all of it with room for second-order terms.
    """
    unit = float(np.finfo(np.float32).eps) / 2
    reach: Floats = norms_N + norm_max
    return (dimension + 8) * unit * reach * reach

"""What a backend must be able to do, and how wrong it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]


class RowSource(Protocol):
    """Float32 rows that are read in blocks: an array, a memory map, or computed when read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give (N, D)."""
        ...

    def __getitem__(self, rows: slice | Positions, /) -> Rows:
        """Give some rows as float32 [K, D]."""
        ...


Parts = tuple[RowSource, ...]
"""Row *i* of all parts together is one vector: the outer product of its parts. One part is an
ordinary vector; a gradient embedding is (residual, features), C + D numbers instead of C·D."""


@dataclass(frozen=True, slots=True)
class Centers:
    """Rows that others are measured from, each with its squared norm."""

    parts: tuple[Rows, ...]
    squares: Rows

    def __len__(self) -> int:
        """Give L."""
        return len(self.squares)

    @classmethod
    def of(cls, *parts: Rows) -> Centers:
        """Take rows, and find their squared norms."""
        squares = np.ones(len(parts[0]), dtype=np.float32)
        for part in parts:
            squares *= np.einsum("ld,ld->l", part, part)
        return cls(parts, squares)

    def __getitem__(self, rows: slice) -> Centers:
        """Give some of them (views)."""
        return Centers(tuple(part[rows] for part in self.parts), self.squares[rows])


class Held(Protocol):
    """Rows that a backend holds, e.g. in the memory of a GPU."""

    def __len__(self) -> int:
        """Give N."""
        ...

    @property
    def squares(self) -> Rows:
        """Give the squared norm of each row."""
        ...

    def take(self, pos_K: Positions) -> Held:
        """Give a copy of some rows that lies together."""
        ...

    def distances(self, centers: Centers) -> Rows:
        """Give the squared distance of each row to each center, float32 [N, L]."""
        ...

    def nearest(self, centers: Centers) -> Rows:
        """Give the squared distance of each row to its nearest center, float32 [N].

        Costs L·N·D multiply-adds as matrix products; memory beside the result is bounded.
        """
        ...


class DistanceKernel(Protocol):
    """A backend for distances of many rows to some centers.

    It may add in any order, with any number of threads, fused or not, as long as each squared
    distance is within `squared_l2_error` of the exact one: whoever picks compares the contenders
    again in float64.
    """

    name: str

    def hold(self, parts: Parts) -> Held:
        """Take rows (finite, never written to)."""
        ...


def squared_l2_error(norms_N: Floats, norm_max: float, n_terms: int) -> Floats:
    """Give by how much a float32 squared distance of each row may be off.

    Parameters
    ----------
    norms_N
        Euclidean norm of each row.
    norm_max
        Largest norm of a center.
    n_terms
        Numbers that a distance is summed of: the widths of all parts together.

    Notes
    -----
    |x|² + |c|² - 2 x·c evaluated in float32: the product of vectors is off by at most
    n·u·|x|·|c| in any order of summation, the rest by a few u·(|x| + |c|)², u = 2⁻²⁴ (Higham,
    "Accuracy and Stability of Numerical Algorithms", section 3.1; the squared norms are sums of n
    terms too; the product of the parts' products adds one u each). n + 8 covers all of it with
    room for second-order terms.
    """
    unit = float(np.finfo(np.float32).eps) / 2
    reach: Floats = norms_N + norm_max
    return (n_terms + 8) * unit * reach * reach

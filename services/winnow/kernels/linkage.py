"""Average linkage of many small groups, without the similarities of their members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.protocol import Floats, Rows
from winnow.kernels.sieve import Positions

GRID: Final = 2.0**26
"""Means of unit vectors are rounded to multiples of 1/GRID (1.5e-8)."""


@dataclass(frozen=True, slots=True)
class Merges:
    """A dendrogram: all merges of M groups, those of the most similar first."""

    pairs_JM: npt.NDArray[np.intp]
    """[M - 1, 2] Groups, each named by its smallest member, the smaller name first."""
    similarity_J: Floats
    """Mean cosine between the members of the two; never rises."""

    def cut(self, n_merges: int) -> Positions:
        """Give [M] the smallest member of each one's cluster after so many merges.

        Examples
        --------
        >>> import numpy as np
        >>> merges = Merges(np.array([[0, 2], [0, 1]]), np.array([0.9, 0.1]))
        >>> merges.cut(1).tolist()
        [0, 1, 0]
        """
        root_M = np.arange(len(self.pairs_JM) + 1)
        for kept, gone in self.pairs_JM[:n_merges].tolist():
            root_M[gone] = kept
        while (root_M[root_M] != root_M).any():
            root_M = root_M[root_M]
        return root_M


def unit_rows(rows_ND: Rows) -> Floats:
    """Give float64 rows of length one; a row of zeros stays one, similar to nothing.

    Examples
    --------
    >>> import numpy as np
    >>> unit_rows(np.float32([[3, 4], [0, 0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    wide_ND = rows_ND.astype(np.float64)
    norms_N = np.sqrt(sum_last(wide_ND * wide_ND))
    units_ND: Floats = wide_ND / np.where(norms_N > 0.0, norms_N, 1.0)[:, None]
    return units_ND


def average_linkage(means_MD: Floats, sizes_M: npt.NDArray[np.intp]) -> Merges:
    """Merge groups of unit vectors, always the two with the largest mean cosine between members.

    Parameters
    ----------
    means_MD
        float64, the mean of the unit vectors in each group, in the order that decides ties.
    sizes_M
        How many vectors each mean stands for, at least 1.

    Notes
    -----
    The mean cosine between the members of two groups is the product of the groups' means, so what
    is between single vectors never has to be computed; for groups of one vector each this is
    average linkage as it stands. Products are of integers below 2⁵³ (`GRID`) and therefore the
    same bits from any BLAS. A chain of nearest neighbours finds the merges: M²·D multiply-adds
    and about 3·M² comparisons; memory 8·M² bytes, so the caller bounds M.

    References
    ----------
    Lance and Williams, "A general theory of classificatory sorting strategies", 1967 (the update).
    Müllner, "Modern hierarchical, agglomerative clustering algorithms", arXiv 1109.2378, section
    3 (nearest-neighbour chains).

    Examples
    --------
    >>> import numpy as np
    >>> means_MD = np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
    >>> merges = average_linkage(means_MD, np.ones(3, dtype=np.intp))
    >>> merges.pairs_JM.tolist(), merges.similarity_J.round(6).tolist()
    ([[0, 2], [0, 1]], [0.8, 0.3])
    """
    if len(means_MD) < 2:
        return Merges(np.empty((0, 2), dtype=np.intp), np.empty(0))
    similarity_MM, size_M = _products(means_MD), sizes_M.astype(np.float64)
    is_gone_M = np.zeros(len(means_MD), dtype=np.bool_)
    pairs: list[tuple[int, int]] = []
    found: list[float] = []
    chain: list[int] = []
    while len(pairs) < len(means_MD) - 1:
        if not chain:
            chain.append(int(np.argmin(is_gone_M)))
        last = chain[-1]
        nearest = int(np.argmax(similarity_MM[last]))
        if len(chain) > 1 and similarity_MM[last, chain[-2]] >= similarity_MM[last, nearest]:
            kept, gone = sorted(chain[-2:])
            del chain[-2:]
            pairs.append((kept, gone))
            found.append(float(similarity_MM[kept, gone]))
            is_gone_M[gone] = True
            _join(similarity_MM, size_M, kept, gone)
        else:
            chain.append(nearest)
    order_J = np.argsort(-np.array(found), kind="stable")
    return Merges(np.array(pairs, dtype=np.intp)[order_J], np.array(found)[order_J])


def _products(means_MD: Floats) -> Floats:
    grid_MD = np.rint(means_MD * GRID)
    similarity_MM: Floats = (grid_MD @ grid_MD.T) / (GRID * GRID)
    np.fill_diagonal(similarity_MM, -np.inf)
    return similarity_MM


def _join(similarity_MM: Floats, size_M: Floats, kept: int, gone: int) -> None:
    """Make one group of two, in place."""
    one_M, two_M = similarity_MM[kept], similarity_MM[gone]
    size = size_M[kept] + size_M[gone]
    joined_M = (size_M[kept] * one_M + size_M[gone] * two_M) / size
    # A mean rounded above both would break the order of the chain.
    joined_M = np.minimum(np.maximum(joined_M, np.minimum(one_M, two_M)), np.maximum(one_M, two_M))
    joined_M[[kept, gone]] = -np.inf
    similarity_MM[kept], similarity_MM[:, kept] = joined_M, joined_M
    similarity_MM[gone], similarity_MM[:, gone] = -np.inf, -np.inf
    size_M[kept] = size

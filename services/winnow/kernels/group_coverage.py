"""Facility location whose elements are groups of rows, such as the frames of a segment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.facility_location import ROWS_AT_ONCE, FacilityLocation, Precision
from winnow.kernels.protocol import Floats, Positions, Rows
from winnow.kernels.similarity import Similarity


class GroupCoverage(FacilityLocation):
    """Σ over targets t of w_t · max over rows j of chosen groups of s(t, j), grown by groups.

    Parameters
    ----------
    rows_ND, starts_G
        Finite float32 rows, group after group; group g is rows starts_G[g] up to starts_G[g + 1]
        (up to N for the last one). No group is empty.
    targets_TD, known_LD, weights_T, similarity
        See `FacilityLocation`.

    Notes
    -----
    As there, gains are computed exactly, have the same bits everywhere and never grow; a group's
    is that of all its rows together. A look costs T·|g|·D multiply-adds in float32, an exact gain
    about as much and D float64 operations for each target; memory as `FacilityLocation`.
    """

    def __init__(
        self,
        rows_ND: Rows,
        starts_G: Sequence[int] | Positions,
        targets_TD: Rows,
        *,
        known_LD: Rows | None = None,
        weights_T: Floats | None = None,
        similarity: Similarity | None = None,
    ) -> None:
        super().__init__(
            rows_ND, targets_TD, known_LD=known_LD, weights_T=weights_T, similarity=similarity
        )
        self._edges = np.append(np.asarray(starts_G, dtype=np.intp), len(rows_ND))

    def __len__(self) -> int:
        """Give the number of groups."""
        return len(self._edges) - 1

    def _bounds(self, pos_K: Positions, kind: Precision) -> Floats:
        glance, bounds_K = self._glance(kind), np.empty(len(pos_K))
        for place, group in enumerate(pos_K.tolist()):
            most_T = np.zeros(len(self._held_T), dtype=kind)
            for rows_KD in self._parts(group):
                for some, low_KT in glance.low(self._similarity.rows(rows_KD)):
                    more_T = glance.more(low_KT, self._held_T[some]).max(axis=0)
                    np.maximum(most_T[some], more_T, out=most_T[some])
            bounds_K[place] = self._added(most_T[None], slice(None))[0]
        return self._upwards(bounds_K, kind)

    def gains(self, pos_K: Positions | Sequence[int]) -> Floats:
        """Give, exactly, by how much the value would grow with each of these groups alone."""
        gains = np.empty(len(pos_K))
        for place, group in enumerate(np.asarray(pos_K, dtype=np.intp).tolist()):
            grown = self.copy()
            grown.take(group)
            gains[place] = sum_last(self._weighted(grown._held_T - self._held_T))
        return gains

    def take(self, pos: int) -> None:
        """Choose a group."""
        for rows_KD in self._parts(pos):
            self._know(rows_KD)

    def _parts(self, group: int) -> Iterator[Rows]:
        first, last = int(self._edges[group]), int(self._edges[group + 1])
        for start in range(first, last, ROWS_AT_ONCE):
            yield self._rows_ND[start : min(start + ROWS_AT_ONCE, last)]

"""How well groups of rows cover other rows: fast in float32, decided in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.exact import norms_of, squared_l2
from winnow.kernels.protocol import Floats, Rows, squared_l2_error

BLOCK_VALUES: Final = 1 << 22
"""Distances held at once: 16 MiB of float32."""
SCALE: Final = 0.01
"""Of distance in a similarity, as in the published code of Akcin et al., CoRL 2023."""
_SAFETY: Final = 1.25  # of the error bound: comparisons with it are rounded to float32 themselves
_SLACK: Final = 1e-9  # of a bound added up in any order, over exact sums


def similarity_of(squared: Floats) -> Floats:
    """Give 1 / (1 + 0.01·d) for squared distances d²: 1 for equal rows, 0 for infinitely far ones.

    It falls or stays as d² grows, also after rounding.

    Examples
    --------
    >>> similarity_of(np.array([0.0, 10000.0, np.inf])).tolist()
    [1.0, 0.5, 0.0]
    """
    similarity: Floats = 1.0 / (1.0 + SCALE * np.sqrt(squared))
    return similarity


class GroupCoverage:
    """Facility location: Σᵢ wᵢ · max over covering rows j of s(i, j), grown by groups of rows.

    Parameters
    ----------
    ground_MD
        Finite float32: what is to be covered. Sums run in this order, so whoever wants the same
        bits for any order of the input gives the rows in a canonical one.
    rows_ND, starts_G
        Finite float32 rows, group after group; group g is rows starts_G[g] up to starts_G[g + 1]
        (up to N for the last one). No group is empty.
    weights_M
        What covering each ground row is worth, at least 0; 1 unless told.
    known_LD
        Rows that cover from the beginning; may be empty.

    Notes
    -----
    Distances are computed in float32; pairs within the error bound (`squared_l2_error`) of a
    group's nearest are computed again in float64, so every gain has the same bits on every
    machine. A gain is a sum of fixed shape of terms that only fall while coverage grows, and
    rounding keeps order: the computed gain never grows either. A gain from earlier is therefore a
    bound for the gain now, bit for bit, and lazy evaluation chooses what full evaluation would.

    Costs L·M·D multiply-adds to begin with, M·N·D for `bounds` and M·|g|·D for a gain; memory a
    few numbers a row and `BLOCK_VALUES` distances at a time, never M·N.
    """

    def __init__(
        self,
        ground_MD: Rows,
        rows_ND: Rows,
        starts_G: Sequence[int] | npt.NDArray[np.intp],
        *,
        weights_M: Floats | None = None,
        known_LD: Rows | None = None,
    ) -> None:
        self._ground = _Ground(ground_MD)
        self._rows_ND = rows_ND
        self._edges = np.append(np.asarray(starts_G, dtype=np.intp), len(rows_ND))
        self._weights_M = np.ones(len(ground_MD)) if weights_M is None else weights_M
        self._error_M = self._ground.error_of(rows_ND)
        self._squared_M = np.full(len(ground_MD), np.inf)
        """Exact squared distance of each ground row to the nearest covering one."""
        if known_LD is not None and len(known_LD):
            # A set of equal rows must not cost a pass for each.
            self._know(known_LD[distinct(known_LD)[0]])

    def __len__(self) -> int:
        """Give the number of groups."""
        return len(self._edges) - 1

    @property
    def value(self) -> float:
        """Give the objective: the weighted sum of similarities to the nearest covering row."""
        return float(sum_last(self._weights_M * similarity_of(self._squared_M)))

    @property
    def value_max(self) -> float:
        """Give what it would be if every ground row were covered by its equal."""
        return float(sum_last(self._weights_M))

    def copy(self) -> Self:
        """Give one that grows by itself; the rows are shared."""
        other = copy(self)
        other._squared_M = self._squared_M.copy()
        return other

    def gains(self, groups: Sequence[int]) -> Floats:
        """Give, exactly, by how much the value would grow with each of these groups alone."""
        gains = np.empty(len(groups))
        held_M = similarity_of(self._squared_M)
        for start, stop in self._runs(groups):
            gained_GM = similarity_of(self._squared(groups[start:stop])) - held_M
            gains[start:stop] = sum_last(self._weights_M * gained_GM)
        return gains

    def take(self, group: int) -> None:
        """Let a group cover from now on."""
        self._squared_M = self._squared([group])[0]

    def bounds(self) -> Floats:
        """Give, for every group, a number that its gain does not exceed; added up in any order.

        Quick and not of the same bits everywhere: for deciding what to look at, never to store.
        """
        bounds_G = np.empty(len(self))
        held_M = similarity_of(self._squared_M)
        for start, stop in self._runs(range(len(self))):
            near_GM = np.full((stop - start, len(held_M)), np.inf, dtype=np.float32)
            for piece in self._pieces(range(start, stop)):
                least_GM = np.minimum.reduceat(
                    self._ground.approximate(piece.rows_KD), piece.firsts
                )
                np.minimum.at(near_GM, piece.places, least_GM)
            low_GM = np.maximum(near_GM - self._error_M, 0.0)
            gained_GM = np.maximum(similarity_of(low_GM) * (1.0 + _SLACK) - held_M, 0.0)
            bounds_G[start:stop] = (gained_GM @ self._weights_M) * (1.0 + _SLACK)
        return bounds_G

    def _know(self, known_LD: Rows) -> None:
        error_M = self._ground.error_of(known_LD)
        for start in range(0, len(known_LD), self._ground.rows_at_once):
            piece = _Piece(known_LD[start : start + self._ground.rows_at_once], [0], [0])
            self._squared_M = self._ground.lowered(self._squared_M, piece, error_M)[0]

    def _squared(self, groups: Sequence[int]) -> Floats:
        """Give [G, M]: squared distances to the nearest row that covers, or is of the group."""
        found_GM = np.repeat(self._squared_M[None], len(groups), axis=0)
        for piece in self._pieces(groups):
            lowered_GM = self._ground.lowered(self._squared_M, piece, self._error_M)
            np.minimum.at(found_GM, piece.places, lowered_GM)
        return found_GM

    def _runs(self, groups: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Give [start, stop) of groups that are worked on together: few enough rows, or one."""
        start, n_rows = 0, 0
        for place, group in enumerate(groups):
            size = int(self._edges[group + 1] - self._edges[group])
            if place > start and n_rows + size > self._ground.rows_at_once:
                yield start, place
                start, n_rows = place, 0
            n_rows += size
        if len(groups):
            yield start, len(groups)

    def _pieces(self, groups: Sequence[int]) -> Iterator[_Piece]:
        """Give the groups' rows, few enough at a time; a large group comes in several pieces."""
        rows, firsts, places, n_rows = list[Rows](), list[int](), list[int](), 0
        for place, group in enumerate(groups):
            first, last = int(self._edges[group]), int(self._edges[group + 1])
            for start in range(first, last, self._ground.rows_at_once):
                part = self._rows_ND[start : min(start + self._ground.rows_at_once, last)]
                if n_rows + len(part) > self._ground.rows_at_once:
                    yield _Piece(np.concatenate(rows), firsts, places)
                    rows, firsts, places, n_rows = [], [], [], 0
                rows.append(part)
                firsts.append(n_rows)
                places.append(place)
                n_rows += len(part)
        if rows:
            yield _Piece(np.concatenate(rows), firsts, places)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one or more groups: which row each begins with, and the group's place."""

    rows_KD: Rows
    firsts: list[int]
    places: list[int]


class _Ground:
    """The rows to be covered, and distances to them."""

    def __init__(self, rows_MD: Rows) -> None:
        self._rows_MD = rows_MD
        self._squares_M = np.einsum("md,md->m", rows_MD, rows_MD)
        self._norms_M = norms_of(rows_MD)
        self.rows_at_once = max(1, BLOCK_VALUES // max(1, len(rows_MD)))

    def error_of(self, rows_KD: Rows) -> Floats:
        """Give by how much `approximate` may be off for each ground row."""
        norm_max = float(norms_of(rows_KD).max(initial=0.0))
        return _SAFETY * squared_l2_error(self._norms_M, norm_max, self._rows_MD.shape[1])

    def approximate(self, rows_KD: Rows) -> Rows:
        """Give squared distances [K, M] in float32."""
        distances_KM: Rows = rows_KD @ self._rows_MD.T
        distances_KM *= np.float32(-2.0)
        distances_KM += self._squares_M
        distances_KM += np.einsum("kd,kd->k", rows_KD, rows_KD)[:, None]
        return distances_KM

    def lowered(self, squared_M: Floats, piece: _Piece, error_M: Floats) -> Floats:
        """Give [G, M]: the smaller of these distances and the exact ones to each group's rows."""
        approximate_KM = self.approximate(piece.rows_KD)
        least_GM = np.minimum.reduceat(approximate_KM, piece.firsts)
        # Beyond it a row is surely not the group's nearest, or no nearer than what covers already.
        reach_M = np.where(squared_M > 0.0, squared_M + error_M, -np.inf)
        bound_GM = np.minimum(least_GM + 2.0 * error_M, reach_M).astype(np.float32)
        sizes = np.diff([*piece.firsts, len(approximate_KM)])
        row_P, ground_P = np.nonzero(approximate_KM <= np.repeat(bound_GM, sizes, axis=0))
        group_P = np.repeat(np.arange(len(sizes)), sizes)[row_P]
        lowered_GM = np.repeat(squared_M[None], len(sizes), axis=0)
        step = max(1, BLOCK_VALUES // max(1, self._rows_MD.shape[1]))
        for start in range(0, len(row_P), step):
            pair = slice(start, start + step)
            rows_PD, ground_PD = piece.rows_KD[row_P[pair]], self._rows_MD[ground_P[pair]]
            squared_P = squared_l2(rows_PD, ground_PD)
            np.minimum.at(lowered_GM, (group_P[pair], ground_P[pair]), squared_P)
        return lowered_GM


def distinct(rows_LD: Rows) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Give where each different row is first, in that order, and for every row which one it is.

    Rows are compared bit by bit; costs L log L.

    Examples
    --------
    >>> [part.tolist() for part in distinct(np.float32([[1, 2], [0, 0], [1, 2]]))]
    [[0, 1], [0, 1, 0]]
    """
    if not rows_LD.size:
        return np.arange(min(1, len(rows_LD))), np.zeros(len(rows_LD), dtype=np.intp)
    rows_LD = np.ascontiguousarray(rows_LD)
    whole_L = rows_LD.view(np.dtype((np.void, rows_LD.itemsize * rows_LD.shape[1]))).ravel()
    _, first, place_L = np.unique(whole_L, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.sort(first), rank[place_L]

"""How well chosen rows stand for a pool: facility location, fast in float32, decided in float64.

The value of a set S is the sum over the rows to be stood for of their similarity to the nearest
row of S. It is monotone and submodular, so greedy choice reaches at least 1 - 1/e of the best set
of its size. For greedy choice over positions (on a vehicle, then over the union)::

    covering = FacilityLocation(rows_ND, targets_TD, known_LD=cloud_LD)
    picks = greedy(covering.bounds(), covering.gains, covering.take, n, upper=covering.upper)
    covering.value

`gains`, `bounds`, `take`, `value` and `copy` are those of `budgeted_greedy.Growing`, so
`budgeted_greedy` chooses under bytes or money with the same object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.alike import first_alike
from winnow.kernels.exact import squared_l2
from winnow.kernels.protocol import Floats, Positions, Rows, RowSource
from winnow.kernels.similarity import Similarity

TARGETS_AT_ONCE: Final = 1024
ROWS_AT_ONCE: Final = 256
"""A block of similarities is ROWS_AT_ONCE x TARGETS_AT_ONCE float32: 1 MiB, so that it stays in
the cache while some passes work on it."""
EXACT_VALUES: Final = 1 << 20
"""Numbers of exact pairs held at once: 8 MiB of float64."""
_SCALE_MAX: Final = 2.0**60
"""Far above what embeddings need, far below what float32 can hold times a squared distance."""
Precision = type[np.float32] | type[np.float64]


class FacilityLocation:
    """Σ over targets t of w_t · max over chosen rows j of s(t, j), grown row by row.

    Parameters
    ----------
    rows_ND
        Finite float32: what may be chosen; may be memory-mapped.
    targets_TD
        Finite float32: what is to be stood for. Sums run in this order, so whoever wants the same
        bits for any order of the input gives a canonical one.
    known_LD
        Rows that count as chosen from the beginning; may be empty.
    similarity
        What makes two rows alike.
    weights_T
        What standing for each target is worth, finite and at least 0; 1 unless told.

    Notes
    -----
    `upper` computes similarities in float32 and errs upwards by a bound on rounding; `gains` looks
    again in float64 at each target that may gain. The computed gain is a sum of fixed shape of
    terms that never grow while rows are chosen, and rounding keeps order: an earlier gain is a
    bound for a later one, bit for bit, so lazy evaluation gives the picks of full evaluation.

    A look costs T·D multiply-adds in float32, an exact gain (targets that gain)·D in float64.
    Memory: 1 to 5 copies of the targets, nothing of the order of N.

    References
    ----------
    Nemhauser, Wolsey and Fisher, "An analysis of approximations for maximizing submodular set
    functions", 1978 (1 - 1/e).
    """

    def __init__(
        self,
        rows_ND: RowSource,
        targets_TD: Rows,
        *,
        known_LD: Rows | None = None,
        similarity: Similarity | None = None,
        weights_T: Floats | None = None,
    ) -> None:
        self._rows_ND, self._similarity = rows_ND, similarity or Similarity()
        self._weights_T = weights_T
        self._targets_TD = self._similarity.rows(targets_TD)
        first = _Glance(self._targets_TD, self._similarity, np.float32)
        self._glances: dict[Precision, _Glance] = {np.float32: first}
        self._held_T = np.zeros(len(targets_TD))
        """Exact similarity of each target to the nearest chosen row."""
        if known_LD is not None:
            # Equal rows would all be a target's nearest, and each of them looked at exactly.
            known_LD = known_LD[np.unique(first_alike(known_LD))]
            for start in range(0, len(known_LD), ROWS_AT_ONCE):
                self._know(known_LD[start : start + ROWS_AT_ONCE])

    def __len__(self) -> int:
        """Give N."""
        return int(self._rows_ND.shape[0])

    @property
    def value(self) -> float:
        """Give the value of what is chosen: 0 for nothing, Σw where every target is chosen."""
        return float(sum_last(self._weighted(self._held_T)))

    def copy(self) -> Self:
        """Give one that grows by itself; rows and targets are shared."""
        other = copy(self)
        other._held_T = self._held_T.copy()
        return other

    def bounds(self) -> Floats:
        """Give for every row what its gain does not exceed; costs N·T·D multiply-adds."""
        return self.upper(np.arange(len(self)))

    def upper(self, pos_K: Positions) -> Floats:
        """Give numbers that the gains of these rows do not exceed; not the same bits everywhere."""
        return self._bounds(pos_K, np.float32)

    def closer(self, pos_K: Positions) -> Floats:
        """Give the same in float64, which tells rows apart that nearly agree; thrice the cost."""
        return self._bounds(pos_K, np.float64)

    def _bounds(self, pos_K: Positions, kind: Precision) -> Floats:
        glance, bounds_K = self._glance(kind), np.zeros(len(pos_K))
        for start in range(0, len(pos_K), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            for targets, low_KT in glance.low(self._rows(pos_K[some])):
                more_KT = glance.more(low_KT, self._held_T[targets])
                bounds_K[some] += self._added(more_KT, targets)
        return self._upwards(bounds_K, kind)

    def _glance(self, kind: Precision) -> _Glance:
        if kind not in self._glances:
            self._glances[kind] = _Glance(self._targets_TD, self._similarity, kind)
        return self._glances[kind]

    def _added(self, more_KT: npt.NDArray[Any], targets: slice) -> Floats:
        """Add up over some targets, in any order."""
        weights_T = self._weights_T
        added_K: Floats = (
            more_KT.sum(axis=1, dtype=np.float64)
            if weights_T is None
            else np.einsum("kt,t->k", more_KT, weights_T[targets])
        )
        return added_K

    def _upwards(self, sums_K: Floats, kind: Precision) -> Floats:
        """Give bounds: what was added up had been rounded, and the order was any."""
        slack = 16.0 * float(np.finfo(kind).eps) + len(self._held_T) * 2.0**-51
        return sums_K * (1.0 + slack)

    def gains(self, pos_K: Positions | Sequence[int]) -> Floats:
        """Give, exactly, by how much the value would grow with each of these rows alone."""
        pos_K = np.asarray(pos_K, dtype=np.intp)
        step, gains = max(1, EXACT_VALUES // max(1, len(self._held_T))), np.empty(len(pos_K))
        for start in range(0, len(pos_K), step):
            some = slice(start, start + step)
            gained_KT = np.zeros((len(pos_K[some]), len(self._held_T)))
            for row_P, target_P, similarity_P in self._closer(self._rows(pos_K[some])):
                gained_P = np.maximum(similarity_P - self._held_T[target_P], 0.0)
                gained_KT[row_P, target_P] = gained_P
            gains[some] = sum_last(self._weighted(gained_KT))
        return gains

    def take(self, pos: int) -> None:
        """Choose a row."""
        for _, target_P, similarity_P in self._closer(self._rows(np.array([pos]))):
            self._hold(target_P, similarity_P)

    def _rows(self, pos_K: Positions) -> Rows | Floats:
        return self._similarity.rows(self._rows_ND[pos_K])

    def _weighted(self, values: Floats) -> Floats:
        return values if self._weights_T is None else values * self._weights_T

    def _hold(self, target_P: Positions, similarity_P: Floats) -> None:
        np.maximum.at(self._held_T, target_P, similarity_P)

    def _closer(self, rows_KD: Rows | Floats) -> Iterator[tuple[Positions, Positions, Floats]]:
        """Give pairs (row, target) that may be closer than what is held, and their similarity."""
        glance = self._glances[np.float32]
        for some, low_KT in glance.low(rows_KD):
            row_P, target_P = np.nonzero(glance.more(low_KT, self._held_T[some]))
            yield from self._exact(rows_KD, row_P, target_P + some.start)

    def _exact(
        self, rows_KD: Rows | Floats, row_P: Positions, target_P: Positions
    ) -> Iterator[tuple[Positions, Positions, Floats]]:
        step = max(1, EXACT_VALUES // max(1, rows_KD.shape[1]))
        for start in range(0, len(row_P), step):
            row_Q, target_Q = row_P[start : start + step], target_P[start : start + step]
            squared_Q = squared_l2(rows_KD[row_Q], self._targets_TD[target_Q])
            yield row_Q, target_Q, self._similarity.of(squared_Q)

    def _know(self, known_KD: Rows) -> None:
        """Let rows count as chosen; looks exactly only at those that may be a target's nearest."""
        rows_KD, glance = self._similarity.rows(known_KD), self._glances[np.float32]
        spread = np.float32(4.0 * glance.error_of(rows_KD).max(initial=0.0))
        for some, low_KT in glance.low(rows_KD):
            near_KT = low_KT <= low_KT.min(axis=0) + spread
            near_KT &= glance.more(low_KT, self._held_T[some]) > 0.0
            row_P, target_P = np.nonzero(near_KT)
            for _, target_Q, similarity_Q in self._exact(rows_KD, row_P, target_P + some.start):
                self._hold(target_Q, similarity_Q)


class _Glance:
    """Similarities to the targets by matrix products of one precision, never too small.

    A squared distance is a product of D + 2 terms, (-2x, 1, |x|²)·(t, |t|², 1). It is off by at
    most (D + 2)·u·Σ|term| <= (D + 2)·u·(|x| + |t|)² in any order of summation (Higham, "Accuracy
    and Stability of Numerical Algorithms", section 3.1); |x|² and |t|² are sums of D terms in
    float64, and rows of length 1 are rounded once if they come as float32: D + 16 covers it in
    float32, 2·D + 32 in float64. So much is taken off |x|².
    """

    def __init__(self, targets_TD: Rows | Floats, similarity: Similarity, kind: Precision) -> None:
        self._similarity, self._kind = similarity, kind
        self._unit = float(np.finfo(kind).eps) / 2
        dimension = targets_TD.shape[1]
        self._n_roundings = dimension + 16 if kind is np.float32 else 2 * dimension + 32
        self._right_TE = np.empty((len(targets_TD), dimension + 2), dtype=kind)
        self._right_TE[:, :-2] = targets_TD
        squares_T = _squares(self._right_TE[:, :-2])
        self._right_TE[:, -2], self._right_TE[:, -1] = squares_T, 1.0
        self._norm_max = float(np.sqrt(squares_T.max(initial=0.0)))

    def error_of(self, rows_KD: npt.NDArray[Any]) -> Floats:
        """Give by how much squared distances of these rows may be off."""
        reach_K = np.sqrt(_squares(rows_KD)) + self._norm_max
        error_K: Floats = self._n_roundings * self._unit * reach_K * reach_K
        return error_K

    def low(self, rows_KD: Rows | Floats) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
        """Give, some targets at a time, squared distances that are too small by their error.

        Yields which targets, and [K, targets], which the next step overwrites.
        """
        rows: npt.NDArray[Any] = rows_KD.astype(self._kind, copy=False)
        left_KE = np.empty((len(rows), rows.shape[1] + 2), dtype=self._kind)
        np.multiply(rows, self._kind(-2.0), out=left_KE[:, :-2])
        left_KE[:, -2] = 1.0
        left_KE[:, -1] = _squares(rows) - self.error_of(rows)
        room = np.empty((len(rows), TARGETS_AT_ONCE), dtype=self._kind)
        for start in range(0, len(self._right_TE), TARGETS_AT_ONCE):
            some = slice(start, min(start + TARGETS_AT_ONCE, len(self._right_TE)))
            right_TE = self._right_TE[some]
            low_KT = np.matmul(left_KE, right_TE.T, out=room[:, : len(right_TE)])
            yield some, np.maximum(low_KT, self._kind(0.0), out=low_KT)

    def more(self, low_KT: npt.NDArray[Any], held_T: Floats) -> npt.NDArray[Any]:
        """Turn such distances into what similarities exceed those held by, at most."""
        kind, unit = self._kind, self._unit
        if self._similarity.kind == "cosine":
            low_KT *= kind(-0.25)
            low_KT += kind(1.0 + 8.0 * unit)
        else:
            if self._similarity.kind == "distance":
                np.sqrt(low_KT, out=low_KT)
            # A smaller scale keeps the bound one, an infinite one would make 0 of it no number.
            low_KT *= kind(min(self._similarity.scale, _SCALE_MAX))
            low_KT += kind(1.0)
            np.divide(kind(1.0 + 16.0 * unit), low_KT, out=low_KT)
        low_KT -= (held_T * (1.0 - 4.0 * unit)).astype(kind)
        more_KT: npt.NDArray[Any] = np.maximum(low_KT, kind(0.0), out=low_KT)
        return more_KT


def _squares(rows_KD: npt.NDArray[Any]) -> Floats:
    squares_K: Floats = np.einsum("kd,kd->k", rows_KD, rows_KD, dtype=np.float64)
    return squares_K


def facility_location_value(
    rows_ND: Rows,
    chosen: Sequence[int],
    *,
    targets_TD: Rows | None = None,
    known_LD: Rows | None = None,
    similarity: Similarity | None = None,
) -> float:
    """Give how well chosen rows stand for others.

    Parameters
    ----------
    rows_ND
        Finite float32.
    chosen
        Positions among them; may be none.
    targets_TD
        What is to be stood for; the rows themselves unless told.
    known_LD, similarity
        See `FacilityLocation`.

    Returns
    -------
    float
        Between 0 and the number of targets. Costs T·D for each chosen row.

    Examples
    --------
    >>> points = np.float32([[0], [1], [4], [5], [9], [10]])
    >>> round(facility_location_value(points, [2, 4], similarity=Similarity(scale=0.01)), 10)
    5.9126102677
    """
    targets_TD = rows_ND if targets_TD is None else targets_TD
    covering = FacilityLocation(rows_ND, targets_TD, known_LD=known_LD, similarity=similarity)
    for pos in chosen:
        covering.take(pos)
    return covering.value

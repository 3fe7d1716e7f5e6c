"""What part of each row lies outside the span of chosen ones: greedy log-determinants.

The determinant of a similarity matrix is the squared volume that its rows span. A row's *residual*
d² is by what factor it multiplies the determinant if it joins the chosen ones: 1 for what is unlike
all of them, 0 for what they span. Residuals only fall while rows are chosen, so they are gains for
`lazy_greedy`; log d² is the gain of the log-determinant.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from winnow.acquisition.reproducible import exp_of, sum_last
from winnow.kernels.exact import squared_l2
from winnow.kernels.protocol import Floats, Positions, Rows, RowSource
from winnow.kernels.similarity import unit_rows

RESIDUAL_MIN: Final = 1e-6
"""What is smaller counts as 0: a row that lies in the span within a thousandth of its length."""
BLOCK_ROWS: Final = 1 << 12
_AGAIN: Final = 1e-2  # below it float32 cannot tell a residual from its own error
_UNIT: Final = float(np.finfo(np.float32).eps) / 2
_UNIT_DOUBLE: Final = float(np.finfo(np.float64).eps) / 2
_HALF_ROOT: Final = float(np.sqrt(0.5))


class Volume(Protocol):
    """Residuals of rows, given the chosen ones."""

    def start(self) -> Floats:
        """Give the exact residual of every row while nothing is chosen."""
        ...

    def residuals(self, pos_K: Positions) -> Floats:
        """Give exact residuals; they never grow while rows are chosen, bit for bit."""
        ...

    def upper(self, pos_K: Positions) -> Floats:
        """Give numbers that residuals do not exceed, quicker; not the same bits everywhere."""
        ...

    def take(self, row_D: Rows) -> None:
        """Choose a row (of whatever origin); its residual must not be 0."""
        ...


class LinearVolume:
    """Residuals under the similarity (1 + cos) / 2: opposite directions are the most unlike.

    It is the inner product of (1, x/|x|)/√2, so D + 1 rows span everything. A row of zeros is
    (1, 0)/√2.

    Parameters
    ----------
    rows_ND
        Finite float32; may be memory-mapped.
    n_max
        How many rows will be chosen at most.

    Notes
    -----
    Chosen rows give orthonormal directions q_j (Gram-Schmidt, twice, in float64); the residual is
    1 - Σ (f·q_j)², subtracted one after the other: what Chen's incremental Cholesky factor holds,
    without a kernel matrix and without the factor's row of every item. `upper` computes products
    in float32, errs upwards by their rounding bound, and continues where it last stopped; what
    comes out too small for float32 is computed again in float64. Costs D for each row and chosen
    row that it meets; memory some numbers a row and n_max·D.

    References
    ----------
    Chen, Zhang and Zhou, "Fast greedy MAP inference for determinantal point process to improve
    recommendation diversity", NeurIPS 2018, algorithm 1.
    """

    def __init__(self, rows_ND: RowSource, n_max: int) -> None:
        n_rows, dimension = rows_ND.shape
        self._rows_ND = rows_ND
        self._norm_N = np.empty(n_rows)
        for first in range(0, n_rows, BLOCK_ROWS):
            block = rows_ND[first : first + BLOCK_ROWS]
            squares = np.einsum("nd,nd->n", block, block, dtype=np.float64)
            self._norm_N[first : first + BLOCK_ROWS] = np.sqrt(squares)
        # Products of subnormal numbers have no relative error bound.
        self._is_tiny = bool(((self._norm_N > 0.0) & (self._norm_N < 1e-20)).any())
        self._directions_BE = np.zeros((min(n_max, dimension + 1), dimension + 1))
        self._short_BE = np.zeros(self._directions_BE.shape, dtype=np.float32)
        self._n_chosen = 0
        self._upper_N = self.start()
        self._seen_N = np.zeros(n_rows, dtype=np.int32)
        self._error = (dimension + 16) * _UNIT
        self._error_double = (dimension + 16) * _UNIT_DOUBLE

    def start(self) -> Floats:
        """See `Volume.start`."""
        return np.where(self._norm_N > 0.0, 1.0, 0.5)

    def residuals(self, pos_K: Positions) -> Floats:
        """See `Volume.residuals`."""
        chosen_BE, start_K = self._directions_BE[: self._n_chosen], self.start_of(pos_K)
        residual_K = np.empty(len(pos_K))
        for place, vector_E in enumerate(_features(self._rows_ND[pos_K])):
            shares_B = sum_last(chosen_BE * vector_E)
            residual_K[place] = _less(start_K[place], shares_B)
        return _or_nothing(residual_K)

    def start_of(self, pos_K: Positions) -> Floats:
        """Give `start` of some rows."""
        return np.where(self._norm_N[pos_K] > 0.0, 1.0, 0.5)

    def upper(self, pos_K: Positions) -> Floats:
        """See `Volume.upper`."""
        if self._is_tiny:
            return _or_nothing(self._upper_double(pos_K))
        seen_K, rows_KD = self._seen_N[pos_K], self._rows_ND[pos_K]
        first = int(seen_K.min(initial=self._n_chosen))
        pending = self._short_BE[first : self._n_chosen]
        share_KB = np.abs(self._shares(rows_KD, pos_K, pending))
        share_KB -= np.float32(self._error)
        np.maximum(share_KB, np.float32(0.0), out=share_KB)
        share_KB[np.arange(first, self._n_chosen) < seen_K[:, None]] = 0.0
        lost_K = np.einsum("kb,kb->k", share_KB, share_KB, dtype=np.float64)
        upper_K = self._upper_N[pos_K] - lost_K
        again = np.flatnonzero(upper_K < _AGAIN)
        if len(again):
            upper_K[again] = self._upper_double(pos_K[again])
        self._upper_N[pos_K], self._seen_N[pos_K] = upper_K, self._n_chosen
        return _or_nothing(upper_K)

    def take(self, row_D: Rows) -> None:
        """See `Volume.take`."""
        vector_E = _features(row_D[None])[0]
        chosen_BE = self._directions_BE[: self._n_chosen]
        for _ in range(2):  # the second time takes away what rounding left of the first
            shares_B = sum_last(chosen_BE * vector_E)
            vector_E = vector_E - sum_last((chosen_BE * shares_B[:, None]).T)
        length = np.sqrt(sum_last(vector_E * vector_E))
        self._directions_BE[self._n_chosen] = vector_E / length
        self._short_BE[self._n_chosen] = self._directions_BE[self._n_chosen]
        self._n_chosen += 1

    def _shares(self, rows_KD: Rows, pos_K: Positions, chosen_BE: Rows) -> Rows:
        norm_K = np.where(self._norm_N[pos_K] > 0.0, self._norm_N[pos_K], 1.0)
        share_KB: Rows = rows_KD @ chosen_BE[:, 1:].T
        share_KB *= (_HALF_ROOT / norm_K).astype(np.float32)[:, None]
        share_KB += chosen_BE[:, 0] * np.float32(_HALF_ROOT)
        return share_KB

    def _upper_double(self, pos_K: Positions) -> Floats:
        share_KB = _features(self._rows_ND[pos_K]) @ self._directions_BE[: self._n_chosen].T
        certain_KB = np.maximum(np.abs(share_KB) - self._error_double, 0.0)
        upper_K: Floats = self.start_of(pos_K) - np.einsum("kb,kb->k", certain_KB, certain_KB)
        return upper_K + 4.0 * (self._n_chosen + 1) * _UNIT_DOUBLE


class RadialVolume:
    """Residuals under the similarity exp(-d² / (2·length²)): no number of rows spans everything.

    Parameters
    ----------
    rows_ND
        Finite float32; may be memory-mapped.
    n_max
        How many rows will be chosen at most.
    length
        Distance at which similarity has fallen to 0.61; larger than 0.

    Notes
    -----
    W, the inverse of the Cholesky factor of the chosen rows' similarities, grows by a row with each
    of them; a row's share of direction j is Σ_l W_jl·k_l. Costs b·(D + b) for each look at a row
    when b are chosen; memory n_max² and n_max·D.

    References
    ----------
    Chen, Zhang and Zhou, NeurIPS 2018, algorithm 1 (there with the factor instead of its inverse).
    """

    def __init__(self, rows_ND: RowSource, n_max: int, length: float) -> None:
        self._rows_ND = rows_ND
        self._half_inverse = 0.5 / (length * length)
        self._chosen_BD = np.zeros((n_max, rows_ND.shape[1]), dtype=np.float32)
        self._inverse_BB = np.zeros((n_max, n_max))
        self._reach_B = np.zeros(n_max)
        self._n_chosen = 0

    def start(self) -> Floats:
        """See `Volume.start`."""
        return np.ones(self._rows_ND.shape[0])

    def residuals(self, pos_K: Positions) -> Floats:
        """See `Volume.residuals`."""
        residuals = [_less(1.0, self._shares_of(row_D)) for row_D in self._rows_ND[pos_K]]
        return _or_nothing(np.array(residuals))

    def upper(self, pos_K: Positions) -> Floats:
        """See `Volume.upper`."""
        rows_KD = self._rows_ND[pos_K].astype(np.float64)
        chosen_BD = self._chosen_BD[: self._n_chosen].astype(np.float64)
        square_K = np.einsum("kd,kd->k", rows_KD, rows_KD)
        square_B = np.einsum("bd,bd->b", chosen_BD, chosen_BD)
        squared_KB = square_K[:, None] + square_B - 2.0 * (rows_KD @ chosen_BD.T)
        similarity_KB = np.exp(-self._half_inverse * np.maximum(squared_KB, 0.0))
        reach_K = (np.sqrt(square_K) + np.sqrt(square_B.max(initial=0.0))) ** 2
        # The similarity falls by at most half_inverse per unit of squared distance.
        off_K = (rows_KD.shape[1] + 8) * _UNIT_DOUBLE * reach_K * self._half_inverse
        off_K += (self._n_chosen + 32) * _UNIT_DOUBLE
        share_KB = np.abs(similarity_KB @ self._inverse_BB[: self._n_chosen, : self._n_chosen].T)
        share_KB -= off_K[:, None] * self._reach_B[: self._n_chosen]
        np.maximum(share_KB, 0.0, out=share_KB)
        upper_K: Floats = 1.0 - np.einsum("kb,kb->k", share_KB, share_KB)
        return _or_nothing(upper_K + 4.0 * (self._n_chosen + 1) * _UNIT_DOUBLE)

    def take(self, row_D: Rows) -> None:
        """See `Volume.take`."""
        count = self._n_chosen
        shares_B = self._shares_of(row_D)
        residual = _less(1.0, shares_B)
        before_BB = self._inverse_BB[:count, :count]
        inverse_B = -sum_last((before_BB * shares_B[:, None]).T) / np.sqrt(residual)
        self._inverse_BB[count, :count] = inverse_B
        self._inverse_BB[count, count] = 1.0 / np.sqrt(residual)
        self._reach_B[count] = np.abs(self._inverse_BB[count]).sum()
        self._chosen_BD[count] = row_D
        self._n_chosen += 1

    def _shares_of(self, row_D: Rows) -> Floats:
        chosen_BD = self._chosen_BD[: self._n_chosen]
        squared_B = squared_l2(chosen_BD, np.broadcast_to(row_D, chosen_BD.shape))
        similarity_B = exp_of(-self._half_inverse * squared_B)
        inverse_BB = self._inverse_BB[: self._n_chosen, : self._n_chosen]
        return _sum_neighbours(inverse_BB * similarity_B)


def _features(rows_KD: Rows) -> Floats:
    units = unit_rows(rows_KD)
    return np.concatenate([np.ones((len(units), 1)), units], axis=1) * _HALF_ROOT


def _less(start: float, shares_B: Floats) -> float:
    """Give start - Σ share², subtracted in order: more shares never change what came before."""
    left = np.subtract.accumulate(np.concatenate([[start], shares_B * shares_B]))
    return float(left[-1])


def _or_nothing(residual_K: Floats) -> Floats:
    return np.where(residual_K < RESIDUAL_MIN, 0.0, residual_K)


def _sum_neighbours(values_JB: Floats) -> Floats:
    """Give sums over the last axis by pairs of neighbours: zeros at the end change no bit."""
    if values_JB.shape[-1] == 0:
        return np.zeros(values_JB.shape[:-1])
    while values_JB.shape[-1] > 1:
        even, odd = values_JB[..., 0::2], values_JB[..., 1::2]
        paired = even.copy()
        paired[..., : odd.shape[-1]] += odd
        values_JB = paired
    total: Floats = values_JB[..., 0]
    return total

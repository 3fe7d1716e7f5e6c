"""Fisher information of a softmax layer, and which points bring it closest to a target.

The Fisher information of a point with features x and class probabilities p is S ⊗ xxᵀ with
S = diag(p) - ppᵀ, a matrix of R = C·D rows. It is W Wᵀ for the C columns √p_c·(e_c - p) ⊗ x, so a
point changes an inverse by a matrix of rank C, and all that a choice needs to know of a point are
two matrices [C, C]. Every product is `exact_product.product` or elementwise: the same bits
everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.exact_product import Cut, cut, product
from winnow.kernels.protocol import Floats, Positions

ROWS_AT_ONCE: Final = 1024
POINTS_AT_ONCE: Final = 256
"""Of the two matrices [C, C] of that many points, so that some passes stay in the cache."""


@dataclass(frozen=True, slots=True)
class Points:
    """Features and class probabilities of some points."""

    features_KD: Floats
    probs_KC: Floats

    def at(self, rows: Positions) -> Points:
        """Give some of them."""
        return Points(self.features_KD[rows], self.probs_KC[rows])


def information_of(blocks: Iterable[Points], n_classes: int, dimension: int) -> Floats:
    """Give the sum of the Fisher informations of many points.

    Parameters
    ----------
    blocks
        The points, at most some thousand at a time; the sum runs in their order.

    Returns
    -------
    numpy.ndarray
        float64 [C·D, C·D], symmetric; row c·D + d belongs to class c and feature d.

    Notes
    -----
    Costs C²·D²/4 multiply-adds a point, memory C²·D² and `ROWS_AT_ONCE`·D² numbers.
    """
    classes, features = np.triu_indices(n_classes), np.triu_indices(dimension)
    total_PQ = np.zeros((len(classes[0]), len(features[0])))
    for block in blocks:
        for start in range(0, len(block.probs_KC), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            probs_KC = block.probs_KC[some]
            spread_KP = -probs_KC[:, classes[0]] * probs_KC[:, classes[1]]
            spread_KP[:, classes[0] == classes[1]] += probs_KC
            left = cut(np.ascontiguousarray(spread_KP.T), side="left")
            right = cut(_pairs(block.features_KD[some]).T, side="right")
            total_PQ += product(left, right)
    total = np.empty((n_classes, n_classes, dimension, dimension))
    for (first, second), total_Q in zip(np.transpose(classes), total_PQ, strict=True):
        total[first, second][features] = total_Q
        total[first, second].T[features] = total_Q
        total[second, first] = total[first, second]
    return total.transpose(0, 2, 1, 3).reshape(n_classes * dimension, -1)


def inverse_of(matrix_RR: Floats) -> Floats:
    """Give the inverse of a symmetric positive definite matrix, by R elementwise sweeps.

    Examples
    --------
    >>> inverse_of(np.array([[2.0, 1.0], [1.0, 1.0]])).tolist()
    [[1.0, -1.0], [-1.0, 2.0]]
    """
    inverse_RR = matrix_RR.copy()
    for row in range(len(inverse_RR)):
        pivot = inverse_RR[row, row]
        swept_R = inverse_RR[row] / pivot
        column_R = inverse_RR[:, row].copy()
        inverse_RR -= column_R[:, None] * swept_R
        inverse_RR[row], inverse_RR[:, row] = swept_R, -column_R / pivot
        inverse_RR[row, row] = 1.0 / pivot
    both: Floats = (inverse_RR + inverse_RR.T) / 2.0
    return both


class Design:
    """tr(M⁻¹ F) while points are added to the information M, or removed from it.

    Parameters
    ----------
    points
        Those that may be added (removed).
    target_RR
        F, the information that counts.
    inverse_RR
        M⁻¹ at the beginning.
    change
        Whether points are added or removed.

    Notes
    -----
    With W the C columns of a point, A = I ± Wᵀ M⁻¹ W and B = Wᵀ M⁻¹ F M⁻¹ W, adding the point
    lowers the trace by tr(A⁻¹ B), removing it raises it by the same (Woodbury). When one point
    changes M by U Uᵀ, every other one's A and B change by products of [C, C] with its row of
    M⁻¹ W: C²·D multiply-adds a point instead of C²·D². Memory: 2·C² numbers a point and some R².
    """

    def __init__(
        self,
        points: Points,
        target_RR: Floats,
        inverse_RR: Floats,
        *,
        change: Literal["add", "remove"] = "add",
    ) -> None:
        self._points, self._sign = points, 1.0 if change == "add" else -1.0
        self._target = cut(target_RR, side="left")
        self._features = cut(points.features_KD, side="left")
        self._blocks = list(_blocks_of(points))
        self.inverse_RR = inverse_RR
        """M⁻¹ by now."""
        own_KCC = self._forms(inverse_RR)
        for own in own_KCC:
            own *= self._sign
            own[np.diag_indices(len(own))] += 1.0
        self._own, self._both = own_KCC, self._forms(_around(inverse_RR, target_RR))
        """A and B of each block: [C, C, POINTS_AT_ONCE]."""

    def changes(self) -> Floats:
        """Give by how much each point would change the trace, as positive numbers [K]."""
        pairs = zip(self._own, self._both, strict=True)
        changes = [_trace_of_ratio(own, both) for own, both in pairs]
        return np.concatenate([np.empty(0), *changes])[: len(self._points.probs_KC)]

    def apply(self, row: int) -> None:
        """Add (remove) a point."""
        columns_RC = _columns(self._points.features_KD[row], self._points.probs_KC[row])
        inverse = cut(self.inverse_RR, side="left")
        moved_RC = _times(inverse, columns_RC)
        own_CC = self._sign * _symmetric(_times(columns_RC.T, moved_RC))
        own_CC[np.diag_indices(len(own_CC))] += 1.0
        step_RC = _divided(moved_RC, _cholesky(own_CC))
        seen_RC = _times(self._target, step_RC)
        weight_CC = _symmetric(_times(step_RC.T, seen_RC))
        drift_RC = _times(inverse, seen_RC)
        drift_RC -= (0.5 * self._sign) * _times(step_RC, weight_CC)
        self.inverse_RR = self.inverse_RR - self._sign * _times(step_RC, step_RC.T)
        self._move(step_RC, drift_RC)

    def _move(self, step_RC: Floats, drift_RC: Floats) -> None:
        """Let A lose (Wᵀ step)(Wᵀ step)ᵀ, and B the two mixed products with Wᵀ drift."""
        n_classes = step_RC.shape[1]
        both = np.stack([step_RC, drift_RC]).reshape(2, n_classes, -1, n_classes)
        moves = both.transpose(0, 1, 3, 2).reshape(2 * n_classes * n_classes, -1)
        met_KX = product(self._features, cut(moves, side="right"))
        for place, block in enumerate(self._blocks):
            met_XK = np.zeros((met_KX.shape[1], POINTS_AT_ONCE))
            some = met_KX[place * POINTS_AT_ONCE : (place + 1) * POINTS_AT_ONCE]
            met_XK[:, : len(some)] = some.T
            met = met_XK.reshape(2, n_classes, n_classes, POINTS_AT_ONCE)
            steps, drifts = block.columns(met[0]), block.columns(met[1])
            own, two = self._own[place], self._both[place]
            for of_step, of_drift in zip(steps, drifts, strict=True):
                own -= of_step[:, None] * of_step
                mixed = of_step[:, None] * (self._sign * of_drift)
                two -= mixed
                two -= mixed.transpose(1, 0, 2)

    def _forms(self, matrix_RR: Floats) -> list[Floats]:
        """Give Wᵀ·matrix·W for the columns W of each point, in blocks."""
        n_classes = self._points.probs_KC.shape[1]
        first, second = np.triu_indices(n_classes)
        forms = cut(_coefficients(matrix_RR, n_classes), side="left")
        found = list[Floats]()
        for block in self._blocks:
            form_PK = product(forms, cut(_pairs(block.features_KD), side="right"))
            whole = np.empty((n_classes, n_classes, POINTS_AT_ONCE))
            whole[first, second] = whole[second, first] = form_PK
            found.append(block.both_sides(whole))
        return found


@dataclass(frozen=True, slots=True)
class _Block:
    """Some points, and what turns a matrix [C·D] into their own [C]; the last axis is the point."""

    features_KD: Floats
    probs_CK: Floats
    roots_CK: Floats

    def columns(self, met: Floats) -> Floats:
        """Give Wᵀ·v for x·v of each class [C, J, K], with J first: √p_c·(x·v_c - Σ p_e·x·v_e)."""
        mean_JK = _weighted(met, self.probs_CK)
        found: Floats = (met - mean_JK) * self.roots_CK[:, None]
        return np.ascontiguousarray(found.transpose(1, 0, 2))

    def both_sides(self, forms: Floats) -> Floats:
        """Give Wᵀ·matrix·W for xᵀ·matrix·x of each pair of classes [C, C, K]."""
        mean_CK = _weighted(forms, self.probs_CK)
        forms = (forms + _weighted(mean_CK, self.probs_CK)) - (mean_CK[:, None] + mean_CK)
        found: Floats = forms * (self.roots_CK[:, None] * self.roots_CK)
        return found


def _blocks_of(points: Points) -> Iterator[_Block]:
    n_classes, dimension = points.probs_KC.shape[1], points.features_KD.shape[1]
    for start in range(0, len(points.probs_KC), POINTS_AT_ONCE):
        some = slice(start, start + POINTS_AT_ONCE)
        features_KD = np.zeros((POINTS_AT_ONCE, dimension))
        probs_CK = np.zeros((n_classes, POINTS_AT_ONCE))
        count = len(points.probs_KC[some])
        features_KD[:count] = points.features_KD[some]
        probs_CK[:, :count] = points.probs_KC[some].T
        yield _Block(features_KD, probs_CK, np.sqrt(probs_CK))


def _weighted(values: Floats, weights_CK: Floats) -> Floats:
    """Give Σ_c values[c]·weights[c], added in the order of classes."""
    total: Floats = values[0] * weights_CK[0]
    for value, weight_K in zip(values[1:], weights_CK[1:], strict=True):
        total = total + value * weight_K
    return total


def _columns(features_D: Floats, probs_C: Floats) -> Floats:
    """Give W [C·D, C] of one point."""
    spread_CC = (np.eye(len(probs_C)) - probs_C[:, None]) * np.sqrt(probs_C)
    columns: Floats = spread_CC[:, None, :] * features_D[:, None]
    return columns.reshape(-1, len(probs_C))


def _pairs(features_KD: Floats) -> Floats:
    """Give x_d·x_e for all d <= e."""
    first, second = np.triu_indices(features_KD.shape[1])
    pairs: Floats = features_KD[:, first] * features_KD[:, second]
    return pairs


def _coefficients(matrix_RR: Floats, n_classes: int) -> Floats:
    """Give, for each pair of classes, what `_pairs` are to be multiplied with: xᵀ·matrix·x."""
    wide = matrix_RR.reshape(n_classes, -1, n_classes, matrix_RR.shape[1] // n_classes)
    first, second = np.triu_indices(wide.shape[1])
    halves = wide.transpose(0, 2, 1, 3)[np.triu_indices(n_classes)]
    found: Floats = halves[:, first, second] + halves[:, second, first]
    found[:, first == second] *= 0.5
    return found


def _around(inverse_RR: Floats, target_RR: Floats) -> Floats:
    inverse = cut(inverse_RR, side="left")
    return _symmetric(_times(inverse, _times(inverse, target_RR).T))


def _times(left: Cut | Floats, right_KJ: Floats) -> Floats:
    """Give the product of two matrices."""
    if not isinstance(left, Cut):
        left = cut(np.ascontiguousarray(left), side="left")
    return product(left, cut(np.ascontiguousarray(right_KJ.T), side="right"))


def _symmetric(matrix: Floats) -> Floats:
    both: Floats = (matrix + matrix.T) / 2.0
    return both


def _trace_of_ratio(own: Floats, both: Floats) -> Floats:
    """Give tr(own⁻¹·both) of many pairs of symmetric matrices [C, C, K], by elimination."""
    own, both = own.copy(), both.copy()
    total_K = np.zeros(own.shape[2])
    for c in range(len(own)):
        total_K += both[c, c] / own[c, c]
        share = own[c + 1 :, c] / own[c, c]
        own[c + 1 :, c + 1 :] -= share[:, None] * own[c, c + 1 :]
        mixed = share[:, None] * (both[c, c + 1 :] - 0.5 * share * both[c, c])
        both[c + 1 :, c + 1 :] -= mixed
        both[c + 1 :, c + 1 :] -= mixed.transpose(1, 0, 2)
    return total_K


def _cholesky(matrix_CC: Floats) -> Floats:
    lower = np.zeros_like(matrix_CC)
    for c in range(len(matrix_CC)):
        left_C = matrix_CC[c:, c] - sum_last(lower[c:, :c] * lower[c, :c])
        lower[c:, c] = left_C / np.sqrt(left_C[0])
    return lower


def _divided(matrix_RC: Floats, lower_CC: Floats) -> Floats:
    """Give matrix·lower⁻ᵀ."""
    found = np.zeros_like(matrix_RC)
    for c in range(len(lower_CC)):
        before_R = sum_last(found[:, :c] * lower_CC[c, :c])
        found[:, c] = (matrix_RC[:, c] - before_R) / lower_CC[c, c]
    return found

"""What a softmax layer on the embeddings is told by frames, in a bounded number of dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.probabilities import blocks_of, mean_of_members
from winnow.acquisition.reproducible import sum_last
from winnow.domain.errors import BadInput
from winnow.kernels.exact_product import cut, product
from winnow.kernels.fisher import ROWS_AT_ONCE, Points, information_of
from winnow.kernels.philox import draws_of, order_of
from winnow.strategies.fixed_sample import SEED
from winnow.strategies.protocol import (
    Candidates,
    Floats,
    Positions,
    Ranks,
    Rows,
    centers_of,
    embeddings_of,
    probs_of,
)

SIGNS_STEP: Final = 45
CLASSES_STEP: Final = 46


class LastLayer:
    """Frames as points of a softmax layer: features, and the committee's mean probabilities.

    Parameters
    ----------
    candidates
        With embeddings and probabilities.
    rank_N
        Decides in which order sums run.
    features_max
        Wider embeddings are multiplied by random signs / √features_max. Inner products keep their
        value in the mean, with a relative deviation of some √(2 / features_max) (Johnson and
        Lindenstrauss; signs: Achlioptas 2003).
    classes_max
        More classes fall at random into so many groups of equal size; the probability of a group
        is the sum of its classes'. Frames that are unsure between classes of one group look sure:
        one pair in `classes_max`.

    Notes
    -----
    Signs and groups depend on nothing but the widths. Costs D·features_max and M·C a frame.
    """

    def __init__(
        self, candidates: Candidates, rank_N: Ranks, features_max: int, classes_max: int
    ) -> None:
        self._candidates, self.frame_ids, self.rank_N = candidates, candidates.frame_ids, rank_N
        self._probs_NMC = probs_of(candidates)
        n_classes, dimension = self._probs_NMC.shape[2], embeddings_of(candidates).shape[1]
        self._groups_C = _groups(n_classes, min(n_classes, classes_max))
        self.n_classes = min(n_classes, classes_max)
        self.dimension = max(1, min(dimension, features_max))
        self._signs = (
            cut(_signs(features_max, dimension), side="right") if dimension > features_max else None
        )

    def points(self, pos_K: Positions) -> Points:
        """Give frames as points."""
        blocks = list(self._blocks(pos_K))
        return Points(
            np.concatenate([np.empty((0, self.dimension)), *(b.features_KD for b in blocks)]),
            np.concatenate([np.empty((0, self.n_classes)), *(b.probs_KC for b in blocks)]),
        )

    def information(self, pos_K: Positions) -> Floats:
        """Give the sum of the Fisher informations of frames, in this order."""
        return information_of(self._blocks(pos_K), self.n_classes, self.dimension)

    def labeled_information(self) -> Floats | None:
        """Give the sum for the labeled frames; none if there are none."""
        rows_LD = centers_of(self._candidates)
        if not len(rows_LD):
            return None
        probs_LC = self._labeled_probs(len(rows_LD))
        blocks = (
            Points(self._features(rows_LD[block]), probs_LC[block])
            for block in _slices(len(rows_LD))
        )
        return information_of(blocks, self.n_classes, self.dimension)

    def _labeled_probs(self, n_labeled: int) -> Floats:
        probs_LMC, n_classes = self._candidates.center_probs_LMC, self._probs_NMC.shape[2]
        if probs_LMC is None:
            return self._grouped(np.full((n_labeled, 1, n_classes), 1.0 / n_classes))
        if probs_LMC.ndim != 3 or probs_LMC.shape[::2] != (n_labeled, n_classes):
            expected = f"({n_labeled}, M, {n_classes})"
            msg = f"center_probs_LMC: expected shape {expected}, found {probs_LMC.shape}"
            raise BadInput(msg)
        blocks = [
            self._grouped(block) for _, block in blocks_of(probs_LMC, name="center_probs_LMC")
        ]
        return np.concatenate(blocks)

    def _blocks(self, pos_K: Positions) -> Iterator[Points]:
        rows_ND = embeddings_of(self._candidates)
        for some in _slices(len(pos_K)):
            probs_KMC = self._probs_NMC[pos_K[some]].astype(np.float64)
            yield Points(self._features(rows_ND[pos_K[some]]), self._grouped(probs_KMC))

    def _features(self, rows_KD: Rows) -> Floats:
        features_KD = rows_KD.astype(np.float64)
        if self._signs is not None:
            features_KD = product(cut(features_KD, side="left"), self._signs)
            features_KD *= 1.0 / np.sqrt(self.dimension)
        return features_KD if features_KD.shape[1] else np.zeros((len(rows_KD), 1))

    def _grouped(self, probs_KMC: Floats) -> Floats:
        probs_KC = mean_of_members(probs_KMC)
        grouped = np.zeros((len(probs_KC), self.n_classes))
        for number, group in enumerate(self._groups_C):
            grouped[:, group] += probs_KC[:, number]
        grouped /= sum_last(grouped)[:, None]
        return grouped


def _slices(n_rows: int) -> Iterator[slice]:
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, n_rows, ROWS_AT_ONCE))


def _groups(n_classes: int, n_groups: int) -> Positions:
    """Give each class its group."""
    if n_classes == n_groups:
        return np.arange(n_classes)
    groups_C = np.empty(n_classes, dtype=np.intp)
    groups_C[order_of(_numbers(n_classes), seed=SEED, step=CLASSES_STEP)] = (
        np.arange(n_classes) % n_groups
    )
    return groups_C


def _signs(n_rows: int, n_columns: int) -> Floats:
    """Give random signs [rows, columns]; sign k is bit k % 64 of draw k // 64."""
    draws = draws_of(_numbers(-(-n_rows * n_columns // 64)), seed=SEED, step=SIGNS_STEP)
    bits = (draws[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    signs = bits.ravel()[: n_rows * n_columns].astype(np.float64) * 2.0 - 1.0
    return signs.reshape(n_rows, n_columns)


def _numbers(n: int) -> npt.NDArray[np.str_]:
    return np.array([f"{number:032x}" for number in range(n)], dtype="U32")

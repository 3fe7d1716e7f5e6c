"""Stop when the committee no longer changes: its predictions, or its weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import array_of, finite_of, numbers_of, whole_numbers_of
from winnow.acquisition.entropy import entropy
from winnow.acquisition.probabilities import Probabilities, probabilities_of
from winnow.acquisition.reproducible import log_of, sum_last
from winnow.domain.errors import BadInput
from winnow.stopping.progress import Progress, newest
from winnow.stopping.verdict import Numbers, Verdict, not_measurable

Labels = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def cohen_kappa(before_N: Labels, after_N: Labels) -> float:
    """Give how much two predictions of the same frames agree beyond chance.

    Parameters
    ----------
    before_N, after_N
        Class index of each frame, from 0.

    Returns
    -------
    float
        -1 to 1; 1 for equal predictions, also where both say one and the same class throughout.

    Raises
    ------
    BadInput
        Lengths differ, no frames, a negative class, or what is no whole number.

    Notes
    -----
    (n·agreed - Σ_c a_c·b_c) / (n² - Σ_c a_c·b_c) from counts in whole numbers: exact but for the
    last division. Costs N log N.

    References
    ----------
    Cohen, "A Coefficient of Agreement for Nominal Scales", 1960. As a stopping rule: Bloodgood and
    Vijay-Shanker, CoNLL 2009.

    Examples
    --------
    >>> cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    0.5
    """
    before_N, after_N = _classes_of(before_N), _classes_of(after_N)
    n_frames = len(before_N)
    if n_frames != len(after_N) or not n_frames:
        msg = f"stop set: expected two equal lengths above 0, found {n_frames} and {len(after_N)}"
        raise BadInput(msg)
    if min(before_N.min(), after_N.min()) < 0:
        msg = f"stop set: expected classes from 0, found {min(before_N.min(), after_N.min())}"
        raise BadInput(msg)
    classes, code_B = np.unique(np.concatenate([before_N, after_N]), return_inverse=True)
    codes = np.split(code_B, [n_frames])
    counts = [np.bincount(code_N, minlength=len(classes)).tolist() for code_N in codes]
    by_chance: int = sum(a * b for a, b in zip(*counts, strict=True))
    if by_chance == n_frames * n_frames:
        return 1.0
    n_agreed = int((before_N == after_N).sum())
    return (n_frames * n_agreed - by_chance) / (n_frames * n_frames - by_chance)


def l2_change(before: Weights, after: Weights) -> float:
    """Give how far weights moved, as a share of their length: |after - before| / |before|.

    Only weights of the same network that started from the same values can be compared this way:
    two trainings from different starts are far apart however alike their predictions are.

    Raises
    ------
    BadInput
        Shapes differ, a weight is not finite (or beyond 1e150), or the weights before are all 0.

    Examples
    --------
    >>> l2_change(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
    0.1
    """
    before, after = numbers_of(before, name="weights"), numbers_of(after, name="weights")
    if before.shape != after.shape:
        msg = f"weights: expected the same shape, found {before.shape} and {after.shape}"
        raise BadInput(msg)
    before_W, after_W = (
        finite_of(weights.ravel(), name="weights", axes=("weights",)) for weights in (before, after)
    )
    moved, length = _norm(after_W - before_W), _norm(before_W)
    if length == 0.0:
        msg = "weights: expected some that are not 0, found none before"
        raise BadInput(msg)
    return moved / length


def mean_normalised_entropy(probs_NMC: Probabilities) -> float:
    """Give the mean uncertainty of a committee: entropy over ln C, 0 (certain) to 1.

    Raises
    ------
    BadInput
        No frames, or no probabilities (see `winnow.acquisition.entropy`).

    Examples
    --------
    >>> mean_normalised_entropy(np.array([[[0.5, 0.5]], [[1.0, 0.0]]]))
    0.5
    """
    if not len(probs_NMC):
        msg = "stop set: expected frames, found none"
        raise BadInput(msg)
    probs_NMC = probabilities_of(probs_NMC)
    entropy_N = entropy(probs_NMC)
    n_classes = probs_NMC.shape[2]
    if n_classes == 1:
        return 0.0
    most = float(log_of(np.array([float(n_classes)]))[0])
    return float(sum_last(entropy_N)) / len(probs_NMC) / most


@dataclass(frozen=True, slots=True)
class PredictionStability:
    """Stop when successive committees predict the same for a fixed stop set.

    The mean of the last agreements is compared, see `Progress.kappas`. Defaults are those of
    small-text's `KappaAverage`.
    """

    kappa_min: float = 0.99
    window: int = 3

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        tail = newest(progress.kappas, self.window)
        if tail is None:
            why = f"the last {self.window} agreements on a stop set are not all known"
            return not_measurable("prediction_stability", why, (("window", self.window),))
        mean = math.fsum(tail) / len(tail)
        numbers: Numbers = (
            ("kappa_mean", mean),
            ("kappa_newest", tail[-1]),
            ("kappa_min", self.kappa_min),
            ("window", self.window),
        )
        reason = (
            f"mean agreement {mean:.4f} of {self.window} rounds, threshold {self.kappa_min:.4f}"
        )
        # Sums, not means, are compared: three times the threshold must reach it.
        stop = math.fsum(tail) >= math.fsum([self.kappa_min] * len(tail))
        return Verdict("prediction_stability", stop, reason, numbers)


@dataclass(frozen=True, slots=True)
class WeightStability:
    """Stop when the committee's weights hardly moved in each of the last rounds."""

    change_max: float
    window: int = 2

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        tail = newest(progress.weight_changes, self.window)
        if tail is None:
            why = f"the last {self.window} changes of the weights are not all known"
            return not_measurable("weight_stability", why, (("window", self.window),))
        numbers: Numbers = (
            ("change_largest", max(tail)),
            ("change_newest", tail[-1]),
            ("change_max", self.change_max),
            ("window", self.window),
        )
        reason = (
            f"weights changed by up to {max(tail):.4f} in {self.window} rounds, threshold "
            f"{self.change_max:.4f}"
        )
        return Verdict("weight_stability", max(tail) <= self.change_max, reason, numbers)


def _classes_of(predictions: npt.ArrayLike) -> Labels:
    given = array_of(predictions, name="stop set")
    codes = given.astype(np.int64) if given.dtype.kind == "b" else given
    classes_N = whole_numbers_of(codes, name="stop set", unit="classes")
    if classes_N.ndim != 1:
        msg = f"stop set: expected one class for each frame, found shape {classes_N.shape}"
        raise BadInput(msg)
    return classes_N


def _norm(values_W: npt.NDArray[np.float64]) -> float:
    return math.sqrt(float(sum_last(values_W * values_W)))

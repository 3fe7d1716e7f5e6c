"""What the labels of several frames tell together about which member of a committee is right."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.probabilities import Probabilities, entropy_of
from winnow.acquisition.reproducible import sum_last
from winnow.kernels.merged_posteriors import merged
from winnow.kernels.philox import draws_of
from winnow.kernels.protocol import Floats, Positions

BLOCK_VALUES: Final = 1 << 15
"""Probabilities of labels worked on at once: 256 KiB of float64, so that some 20 passes over them
stay in the cache."""
BLOCK_SHORT: Final = 1 << 18
MERGED: Final = 128
"""Configurations whose posteriors are alike count as one in a first bound: so many are left."""
MERGING_PAYS: Final = 1 << 17
"""Configurations times frames above which merging costs less than it saves."""
CONFIGURATIONS_AT_ONCE: Final = 512
"""Terms of one float32 sum; sums of sums are float64."""
STEP: Final = 43
"""Draws of configurations: one a pick, the same for every seed."""
_AGAIN: Final = 20.0
Precision = type[np.float32] | type[np.float64]


class JointInformation:
    """Mutual information of the chosen frames' labels and the member that is right.

    Parameters
    ----------
    probs_NMC
        Class probabilities, float [frames, members, classes]; members are samples of the posterior
        and are the same for all frames. May be memory-mapped.
    configurations_max
        So many joint labels of the chosen frames are kept.

    Notes
    -----
    A *configuration* is one label for each chosen frame; it has a probability under each member,
    and so leaves a posterior over members. The gain of a frame is the mean, over configurations, of
    its BALD score under that posterior: exactly I(y; member | chosen labels), never negative, and
    0 where a configuration leaves one member.

    Each pick multiplies the configurations by C. Those that no member can give and those that leave
    one member are dropped, which changes nothing; while at most `configurations_max` are left, all
    is exact. Beyond that a systematic sample of this size is kept, drawn with probabilities
    proportional to what a configuration leaves undecided (P · (1 - Σ posterior²)); the heaviest
    ones are kept for certain, the others weigh 1 / probability: every gain stays unbiased
    (Fearnhead and Clifford 2003). A new draw may let a gain grow by its noise: at 8 members and 10
    classes, some 0.0003 nats with 1000 configurations.

    Costs S·M·C for each look at a frame, S the number of configurations, and less for a bound;
    memory S·(M + C) numbers, nothing of the order of N.

    References
    ----------
    Kirsch, van Amersfoort and Gal, "BatchBALD", NeurIPS 2019, arXiv 1906.08158, equations 8 to 12.
    Fearnhead and Clifford, "On-line inference for hidden Markov models via particle filters", 2003,
    section 3 (which of many weighted things to keep). The paper draws configurations with their
    probabilities, anew for each pick.
    """

    def __init__(self, probs_NMC: Probabilities, configurations_max: int) -> None:
        self._probs_NMC, self._max = probs_NMC, configurations_max
        n_members = probs_NMC.shape[1]
        self._joint_MS = np.full((n_members, 1), 1.0 / n_members)
        """Of member and configuration: probability, times the weight of the configuration."""
        self.is_exact = True
        """No configuration was left to chance so far."""
        self._n_chosen = 0
        self._prepare()

    @property
    def n_configurations(self) -> int:
        """Give how many configurations leave anything undecided."""
        return self._joint_MS.shape[1]

    def gains(self, pos_K: Positions) -> Floats:
        """Give by how much the information grows with each of these frames alone, in nats."""
        gains_K = np.empty(len(pos_K))
        for place, probs_MC in enumerate(self._probs(pos_K)):
            gains_K[place] = self._gain(probs_MC)
        return gains_K

    def upper(self, pos_K: Positions) -> Floats:
        """Give numbers that the gains do not exceed, quicker; not the same bits everywhere.

        The entropy of a label is concave in the posterior, so alike configurations may be merged
        into their mean (Jensen): costs `MERGED`·M·C for each frame. In float32, and again in
        float64 where float32 cannot tell a gain from its own error.
        """
        return self._bounds(pos_K, self._few)

    def closer(self, pos_K: Positions) -> Floats:
        """Give the same with all configurations, off by rounding alone; costs S·M·C."""
        return self._bounds(pos_K, self._all)

    def _bounds(self, pos_K: Positions, posteriors: _Posteriors) -> Floats:
        upper_K = self._upper(pos_K, posteriors, np.float32)
        again = np.flatnonzero(upper_K < _AGAIN * self._off(np.float32))
        if len(again):
            upper_K[again] = self._upper(pos_K[again], posteriors, np.float64)
        return upper_K

    def _upper(self, pos_K: Positions, posteriors: _Posteriors, kind: Precision) -> Floats:
        upper_K = np.empty(len(pos_K))
        n_members, n_classes = self._probs_NMC.shape[1:]
        n_rows = min(max(1, len(posteriors.weight_S)), CONFIGURATIONS_AT_ONCE)
        step = max(1, BLOCK_SHORT // ((n_rows + n_members) * n_classes))
        for start in range(0, len(pos_K), step):
            probs_KMC = self._probs(pos_K[start : start + step]).astype(kind)
            logs = np.log(np.maximum(probs_KMC, kind(1e-37)))
            own_KM = -(probs_KMC * logs).sum(axis=2, dtype=np.float64)
            together_K = posteriors.entropies(probs_KMC, kind)
            upper_K[start : start + step] = together_K - own_KM @ self._share_M
        return upper_K + self._off(kind)

    def _off(self, kind: Precision) -> float:
        """Give by how much an upper bound may be too small before this is added.

        Each probability is off by some M units, each logarithm by a few, each sum by the number of
        its terms; all of it is relative to an entropy of at most ln C.
        """
        n_members, n_classes = self._probs_NMC.shape[1:]
        n_roundings = 4 * (n_members + n_classes + CONFIGURATIONS_AT_ONCE + 16)
        unit = float(np.finfo(kind).eps) / 2
        return n_roundings * unit * (math.log(n_classes) + 1.0) * float(self._share_M.sum())

    def take(self, pos: int) -> None:
        """Choose a frame: every configuration goes on with every label that it may have."""
        self._n_chosen += 1
        probs_MC = self._probs(np.array([pos]))[0]
        left_SC = self._undecided(probs_MC)
        kept = np.flatnonzero(left_SC)
        weights: Floats = np.ones(len(kept))
        if len(kept) > self._max:
            self.is_exact = False
            chances = _chances(left_SC.ravel()[kept], self._max)
            drawn = _systematic(chances, self._uniform())
            kept, weights = kept[drawn], 1.0 / chances[drawn]
        config_S, class_S = np.divmod(kept, probs_MC.shape[1])
        self._joint_MS = self._joint_MS[:, config_S] * probs_MC[:, class_S] * weights
        self._prepare()

    def _probs(self, pos_K: Positions) -> Floats:
        """Give probabilities whose sums are 1 to the last place, as their laws need."""
        probs_KMC = self._probs_NMC[pos_K].astype(np.float64)
        probs_KMC /= sum_last(probs_KMC)[..., None]
        return probs_KMC

    def _prepare(self) -> None:
        joint_SM = np.ascontiguousarray(self._joint_MS.T)
        self._weight_S = sum_last(joint_SM)
        self._posterior_MS = self._joint_MS / self._weight_S
        posterior_SM = joint_SM / self._weight_S[:, None]
        self._all = _Posteriors(posterior_SM, self._weight_S)
        n_looks = len(self._weight_S) * len(self._probs_NMC)
        few = merged(posterior_SM, self._weight_S, MERGED) if n_looks > MERGING_PAYS else None
        self._few = self._all if few is None else _Posteriors(*few)
        self._share_M = self._joint_MS.sum(axis=1)

    def _gain(self, probs_MC: Floats) -> float:
        own_M, n_classes = entropy_of(probs_MC), probs_MC.shape[1]
        terms_S = np.empty(self.n_configurations)
        step = max(1, BLOCK_VALUES // n_classes)
        for start in range(0, len(terms_S), step):
            posterior_MS = self._posterior_MS[:, start : start + step]
            mean_SC = np.zeros((posterior_MS.shape[1], n_classes))
            expected_S = np.zeros(posterior_MS.shape[1])
            for member, probs_C in enumerate(probs_MC):
                mean_SC += posterior_MS[member][:, None] * probs_C
                expected_S += posterior_MS[member] * own_M[member]
            terms_S[start : start + step] = np.maximum(entropy_of(mean_SC) - expected_S, 0.0)
        return float(sum_last(self._weight_S * terms_S))

    def _undecided(self, probs_MC: Floats) -> Floats:
        """Give P · (1 - Σ posterior²) of each configuration with each label, 0 if one is left."""
        shape = (self.n_configurations, probs_MC.shape[1])
        total_SC, squares_SC = np.zeros(shape), np.zeros(shape)
        for joint_S, probs_C in zip(self._joint_MS, probs_MC, strict=True):
            joint_SC = joint_S[:, None] * probs_C
            total_SC += joint_SC
            joint_SC *= joint_SC
            squares_SC += joint_SC
        there_SC = np.where(total_SC > 0.0, total_SC, 1.0)
        left_SC = total_SC - squares_SC / there_SC
        return np.where(left_SC > 1e-15 * total_SC, left_SC, 0.0)

    def _uniform(self) -> float:
        draw = draws_of(np.array([f"{self._n_chosen:032x}"]), seed=0, step=STEP)[0]
        return float(int(draw) >> 11) * 2.0**-53


class _Posteriors:
    """Posteriors over members, and what each weighs."""

    def __init__(self, posterior_SM: Floats, weight_S: Floats) -> None:
        self.weight_S = weight_S
        self._posterior_SM: dict[Precision, npt.NDArray[Any]] = {
            np.float64: posterior_SM,
            np.float32: posterior_SM.astype(np.float32),
        }

    def entropies(self, probs_KMC: npt.NDArray[Any], kind: Precision) -> Floats:
        """Give the weighted sum of the entropies of each frame's label."""
        n_frames, n_members, n_classes = probs_KMC.shape
        labels_MX = np.ascontiguousarray(np.moveaxis(probs_KMC, 1, 0)).reshape(n_members, -1)
        posterior_SM = self._posterior_SM[kind]
        total_X = np.zeros(labels_MX.shape[1])
        for start in range(0, len(posterior_SM), CONFIGURATIONS_AT_ONCE):
            some = slice(start, start + CONFIGURATIONS_AT_ONCE)
            mean_SX = posterior_SM[some] @ labels_MX
            np.maximum(mean_SX, kind(1e-37), out=mean_SX)
            mean_SX *= np.log(mean_SX)
            total_X += self.weight_S[some].astype(kind) @ mean_SX
        entropy_K: Floats = -total_X.reshape(n_frames, n_classes).sum(axis=1)
        return entropy_K


def _chances(weights: Floats, n: int) -> Floats:
    """Give inclusion probabilities that add up to n, proportional to weights as far as possible."""
    falling = np.sort(weights)[::-1]
    rest = np.cumsum(falling[::-1])[::-1]
    # The first k are certain; those after them share n - k in proportion.
    fits = falling * (n - np.arange(len(falling))) < rest
    n_certain = int(np.argmax(fits))
    chances: Floats = np.minimum(weights * ((n - n_certain) / rest[n_certain]), 1.0)
    return chances


def _systematic(chances: Floats, uniform: float) -> Positions:
    """Give the positions of a systematic sample: each with its chance, evenly over the order."""
    certain = np.flatnonzero(chances >= 1.0)
    others = np.flatnonzero(chances < 1.0)
    turns = np.floor(np.cumsum(chances[others]) + uniform)
    drawn = others[np.diff(turns, prepend=0.0) > 0.0]
    return np.sort(np.concatenate([certain, drawn]))

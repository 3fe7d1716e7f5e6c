"""Which labels of a lot are inspected: likelier the riskier, never with probability zero.

Poisson sampling: each label is drawn on its own with a stored probability, so that the defect
rate of the whole lot can be estimated without bias however the risks were weighted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.kernels.philox import draws_of

Floats = npt.NDArray[np.float64]
INSPECTION_STEP = 7001
"""Step of the counter-based generator that belongs to inspection draws."""


@dataclass(frozen=True, slots=True)
class LotRisk:
    """What is known of each label of a lot before anybody inspects it.

    `disagrees_N` marks labels that differ from the pre-label, `forced_N` those that must be seen
    (accepted unchanged faster than anybody can look; annotators tied).
    """

    labels_N: npt.NDArray[np.str_]
    disagrees_N: npt.NDArray[np.bool_]
    forced_N: npt.NDArray[np.bool_]


def risk_weights(risk: LotRisk, *, weight_disagreement: float, weight_rare_class: float) -> Floats:
    """Give weights_N >= 1: how much likelier each label is inspected than a plain one.

    A class is rare if it has less than half of its even share of the lot.
    """
    names, inverse_N, counts = np.unique(risk.labels_N, return_inverse=True, return_counts=True)
    rare = counts < 0.5 * len(risk.labels_N) / max(1, len(names))
    weights_N = np.where(risk.disagrees_N, weight_disagreement, 1.0)
    return np.asarray(weights_N * np.where(rare[inverse_N], weight_rare_class, 1.0))


def inclusion_probabilities(
    weights_N: Floats, forced_N: npt.NDArray[np.bool_], *, share: float, floor: float
) -> Floats:
    """Give probabilities_N in [floor, 1], proportional to the weights where neither bound holds.

    Their sum is share x N where the bounds leave that possible; forced labels have 1 and count.

    Cost: O(N log N) at most (a few passes until nothing more is capped).

    References
    ----------
    Särndal, Swensson and Wretman 1992, section 3.5.

    Raises
    ------
    BadInput
        A weight is not positive and finite, or floor is not in (0, 1].
    """
    if not 0.0 < floor <= 1.0 or not np.all(np.isfinite(weights_N) & (weights_N > 0)):
        msg = f"sampling plan: expected positive weights and a floor in (0, 1], found {floor}"
        raise BadInput(msg)
    probabilities_N = np.where(forced_N, 1.0, floor)
    free_N = ~forced_N
    rest = share * len(weights_N) - float(forced_N.sum())
    while free_N.any():
        scaled_N = weights_N * (rest / float(weights_N[free_N].sum()))
        high_N, low_N = free_N & (scaled_N >= 1.0), free_N & (scaled_N <= floor)
        bound_N = high_N if high_N.any() else low_N
        if not bound_N.any():
            probabilities_N[free_N] = scaled_N[free_N]
            break
        probabilities_N[bound_N] = 1.0 if high_N.any() else floor
        rest -= float(probabilities_N[bound_N].sum())
        free_N &= ~bound_N
    return probabilities_N


def draw_inspected(
    frame_ids: npt.NDArray[np.str_], probabilities_N: Floats, *, seed: int
) -> npt.NDArray[np.bool_]:
    """Draw each label on its own; the draw belongs to (seed, frame id), not to the order."""
    uniform_N = draws_of(frame_ids, seed=seed, step=INSPECTION_STEP) / float(2**64)
    return np.asarray(uniform_N < probabilities_N)

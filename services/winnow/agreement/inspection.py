"""Which labels are inspected: Poisson sampling in which risk raises the probability.

Every label has a probability above zero, and it is stored: an estimate from the inspected ones
then speaks for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.kernels.philox import draws_of

STEP = 0x5141
"""Number of this decision among those of a round's seed ("QA" in ASCII)."""
HALVINGS = 200
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Risk:
    """What makes a label likelier to be wrong, one element a frame."""

    differs_N: Flags
    """From the pre-label that the annotator saw."""
    rare_N: Flags
    """Its class is rare in this lot."""
    certain_N: Flags
    """Inspected in any case: accepted unchanged faster than anyone can look, or a tied vote."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much likelier, and at least how likely, a label is inspected."""

    disagreement: float
    rare_class: float
    floor: float


def rare_labels(labels: Sequence[str], n_classes: int) -> Flags:
    """Tell for each label whether its class has less than half of an even share of the lot.

    Examples
    --------
    >>> rare_labels(["a"] * 5 + ["b"], n_classes=2).tolist()
    [False, False, False, False, False, True]
    """
    counts = Counter(labels)
    limit = len(labels) / (2 * n_classes)
    return np.array([counts[label] < limit for label in labels], dtype=np.bool_)


def inclusion_probabilities(risk: Risk, weights: Weights, *, expected_size: float) -> Floats:
    """Give each label's probability of being inspected.

    Parameters
    ----------
    expected_size
        How many inspections to expect; more where floor and certain ones ask for more.

    Returns
    -------
    numpy.ndarray
        float64 [N]: 1 for the certain ones, else min(1, max(floor, c·weight)) with the c for which
        they sum to `expected_size`, if any c does.

    Raises
    ------
    BadInput
        The floor is not above zero and at most one, or the size exceeds the lot.
    """
    n_labels = len(risk.certain_N)
    if not 0.0 < weights.floor <= 1.0 or not 0.0 <= expected_size <= n_labels:
        msg = (
            f"inspection: expected a floor in (0, 1] and a size of at most {n_labels}, found "
            f"{weights.floor} and {expected_size}"
        )
        raise BadInput(msg)
    weights_N = np.where(risk.differs_N, weights.disagreement, 1.0)
    weights_N = weights_N * np.where(risk.rare_N, weights.rare_class, 1.0)

    def at(scale: float) -> Floats:
        probabilities_N: Floats = np.clip(scale * weights_N, weights.floor, 1.0)
        probabilities_N[risk.certain_N] = 1.0
        return probabilities_N

    low, high = 0.0, 1.0  # every weight is at least one: at scale 1 all are certain
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if float(at(middle).sum()) < expected_size else (low, middle)
    return at(high)


def drawn(frame_ids: Sequence[str], inclusion_N: Floats, *, seed: int) -> Flags:
    """Draw each frame by itself with its probability; neither order nor company changes it."""
    bits_N = draws_of(np.array(frame_ids, dtype=np.str_), seed=seed, step=STEP)
    uniform_N = (bits_N >> np.uint64(11)).astype(np.float64) * 2.0**-53
    chosen_N: Flags = uniform_N < inclusion_N
    return chosen_N

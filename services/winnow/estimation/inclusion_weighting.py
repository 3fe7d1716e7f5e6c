"""Weights that make labels of chosen frames speak for the pool they were chosen from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.estimation.lure import training_weights


def inclusion_weights(
    inclusion_probabilities: Sequence[float | None], *, weight_max: float
) -> npt.NDArray[np.float64]:
    """Give each label's weight in a training loss: the inverse of its frame's probability.

    Parameters
    ----------
    inclusion_probabilities
        With which each frame came into its batch, above 0 to 1; None where that is not defined, as
        of frames that were not drawn: they count once, like those that were sure to come.
    weight_max
        Larger ones are cut: a single frame must not decide what is learned.

    Returns
    -------
    numpy.ndarray
        float64 [N], mean 1. Cut weights are biased, uncut ones noisy: look at
        `winnow.estimation.effective_sample_size`.

    Raises
    ------
    BadInput
        A probability outside (0, 1].

    References
    ----------
    Horvitz & Thompson, JASA 1952; cutting: Ionides, JCGS 2008. That weights help a flexible
    network at all is doubtful (Byrd & Lipton, ICML 2019): they are off by default.

    Examples
    --------
    >>> inclusion_weights([1.0, 0.5, None], weight_max=10).tolist()
    [0.75, 1.5, 0.75]
    """
    probabilities = np.array([1.0 if p is None else p for p in inclusion_probabilities])
    wrong = ~((probabilities > 0) & (probabilities <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        msg = f"inclusion probability of label {row}: expected above 0, at most 1, found "
        raise BadInput(msg + str(probabilities[row]))
    if not len(probabilities):
        return probabilities
    weights_N = training_weights(1.0 / probabilities, weight_max=weight_max)
    return np.asarray(weights_N / weights_N.mean())

"""With which probability a frame comes into a batch that is partly chosen, partly drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import sum_last
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]


def inclusion_of_choices(
    *, n_choices: int, n_population: int, n_random: int, batch_size: int
) -> Floats:
    """Give the inclusion probability of each frame of a fixed sequence of choices.

    A batch is a simple random sample of `n_random` frames of the population, united with as many
    frames from the head of the sequence as fill it to `batch_size`. The sequence does not depend
    on the draw; how far it is used does, because the two may overlap.

    Parameters
    ----------
    n_choices
        Length K of the sequence; at most `batch_size`.
    n_population, n_random, batch_size
        Sizes of the gated pool, of the random arm and of the batch.

    Returns
    -------
    numpy.ndarray
        float64 [K]: element *k* is the probability for the frame at place *k*. It is 1 for the
        first `batch_size - n_random`, the certainty stratum, and falls towards
        `n_random / n_population`, which all frames outside the sequence have.

    Raises
    ------
    BadInput
        Sizes that contradict each other.

    Notes
    -----
    The frame at place k is in if it is drawn, or if at least k - (batch_size - n_random) + 1 of
    the k frames before it are. The number of drawn ones among them is followed frame by frame:
    K·n_random steps, in a fixed order of + and *, so that the result has the same bits everywhere.
    Of a batch as large as the population every choice is in, and nothing is followed.

    References
    ----------
    Särndal, Swensson and Wretman, "Model Assisted Survey Sampling", 1992, section 3.7
    (take-all strata).

    Examples
    --------
    >>> inclusion_of_choices(n_choices=2, n_population=4, n_random=1, batch_size=2).tolist()
    [1.0, 0.5]
    """
    if not 0 <= n_random <= batch_size <= n_population or not 0 <= n_choices <= batch_size:
        msg = (
            "expected n_random <= batch_size <= n_population and n_choices <= batch_size, found "
            f"{n_random}, {batch_size}, {n_population}, {n_choices}"
        )
        raise BadInput(msg)
    if batch_size == n_population:
        return np.ones(n_choices)
    n_certain = batch_size - n_random
    drawn = np.arange(n_random + 1, dtype=np.float64)
    chance: Floats = np.zeros(n_random + 1)  # chance[h]: h of the frames so far are drawn
    chance[0] = 1.0
    inclusion = np.ones(n_choices)
    for k in range(n_choices):
        next_drawn = (n_random - drawn) / (n_population - k)
        if k >= n_certain:
            enough = k - n_certain + 1
            by_overlap, by_draw = chance[enough:], (chance * next_drawn)[:enough]
            inclusion[k] = min(1.0, float(sum_last(by_overlap)) + float(sum_last(by_draw)))
        stays = chance * (1.0 - next_drawn)
        stays[1:] += (chance * next_drawn)[:-1]
        chance = stays
    return inclusion

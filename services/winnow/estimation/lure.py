"""Unbiased means from a batch that was drawn with known, unequal probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import sum_last
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]


def lure_weights(
    draw_probabilities: Sequence[float | None] | Floats,
    *,
    n_population: int,
    drawn_from: Sequence[int | None] | npt.NDArray[np.int64] | None = None,
) -> Floats:
    """Give the weight of each draw of a batch in the unbiased mean over the whole population.

    Parameters
    ----------
    draw_probabilities
        Of each draw among the frames that were left then, in the order of the draws.
    n_population
        Frames before the first draw.
    drawn_from
        Frames that each draw may have brought. Give it: it is what shows that constraints or
        scores of 0 kept frames out.

    Returns
    -------
    numpy.ndarray
        float64 [M], at least 0; element *m* belongs to draw *m*. All 1 if every draw was uniform,
        or if the whole population was drawn.

    Raises
    ------
    BadInput
        The weights are not defined, and why: a pick that was not drawn, an unknown probability, or
        a draw that some of the frames left could not have won.

    Notes
    -----
    v_m = 1 + (N-M)/(N-m) · (1/((N-m+1)·q_m) - 1), m = 1 … M; the mean of v_m · value_m estimates
    the mean of the population without bias, whatever the scores were. That rests on every frame
    that is left having a chance at every draw. M must not depend on what was drawn: of a batch
    that is united with a random arm, take the picks that come in whatever the arm holds, the first
    (batch size - size of the arm) of them. Costs M.

    References
    ----------
    Farquhar, Gal and Rainforth, "On Statistical Bias in Active Learning", ICLR 2021, arXiv
    2101.11665, equation 8 (levelled unbiased risk estimator).

    Examples
    --------
    >>> lure_weights([0.25, 1 / 3], n_population=4).tolist()
    [1.0, 1.0]
    >>> lure_weights([0.5, 0.5], n_population=4).round(4).tolist()
    [0.6667, 0.6667]
    """
    unknown_as_nan = [math.nan if q is None else float(q) for q in draw_probabilities]
    q_M = np.array(unknown_as_nan, dtype=np.float64)
    n_draws = len(q_M)
    if n_draws > n_population:
        msg = f"LURE: expected at most {n_population} draws, found {n_draws}"
        raise BadInput(msg)
    left_M = n_population - np.arange(n_draws, dtype=np.float64)
    _check_draws(q_M, left_M)
    if drawn_from is not None:
        _check_reach(drawn_from, left_M)
    if n_draws == n_population:
        return np.ones(n_draws)
    share_M = (n_population - n_draws) / (left_M - 1.0)
    weights_M: Floats = 1.0 + share_M * (1.0 / (left_M * q_M) - 1.0)
    return np.maximum(weights_M, 0.0)  # a rounding below 0 where a weight is 0


def united_weights(
    batch: Positions, arm: Positions, drawn: Sequence[int] | Positions, weights_M: Floats
) -> Floats:
    """Give the weights of a batch that unites a random arm with the draws of a strategy.

    Parameters
    ----------
    batch
        Positions of its frames, those of arm and draws among them.
    arm
        A simple random sample of the population.
    drawn
        The first M = size of the batch - size of the arm choices, which are in whatever the arm
        holds; element *m* weighs `weights_M[m]` by LURE.

    Returns
    -------
    numpy.ndarray
        float64, of each frame of `batch`, at least 0: 1 in the arm, its LURE weight among the
        draws, their sum in both, and 0 of a choice that only came in because arm and draws overlap:
        the arm decided about it. The mean of weight times value estimates the population's mean
        without bias: arm and draws both do, and each counts by its size.

    Examples
    --------
    >>> united_weights(np.array([4, 2, 7]), np.array([4]), [4, 2], np.array([0.5, 1.5])).tolist()
    [1.5, 1.5, 0.0]
    """
    weight_of = dict.fromkeys(np.asarray(arm).tolist(), 1.0)
    for pos, weight in zip(np.asarray(drawn).tolist(), weights_M.tolist(), strict=True):
        weight_of[pos] = weight_of.get(pos, 0.0) + weight
    return np.array([weight_of.get(pos, 0.0) for pos in np.asarray(batch).tolist()])


def lure_mean(values_M: Floats, weights_M: Floats) -> float:
    """Give the unbiased estimate of the population's mean: the mean of weight times value.

    Raises
    ------
    BadInput
        Lengths differ, or there are no draws.

    Examples
    --------
    >>> weights = lure_weights([0.5, 0.5], n_population=4)
    >>> round(lure_mean(np.array([0.3, 0.6]), weights), 6)
    0.3
    """
    if values_M.shape != weights_M.shape or values_M.ndim != 1 or not len(values_M):
        msg = f"LURE: expected a weight for each value, found {weights_M.shape}, {values_M.shape}"
        raise BadInput(msg)
    return float(sum_last(values_M * weights_M)) / len(values_M)


def effective_sample_size(weights_M: Floats) -> float:
    """Give how many equally weighted labels these are worth: (Σ w)² / Σ w².

    Between 1 and M; 0 without weights.

    References
    ----------
    Kish, "Survey Sampling", 1965, section 11.7.

    Raises
    ------
    BadInput
        A weight below 0, or one that is not finite.

    Examples
    --------
    >>> effective_sample_size(np.array([1.0, 1.0, 1.0])), effective_sample_size(np.array([1.0, 0]))
    (3.0, 1.0)
    """
    if not (np.isfinite(weights_M) & (weights_M >= 0.0)).all():
        msg = "weights: expected finite numbers of at least 0, found others"
        raise BadInput(msg)
    total, squares = float(sum_last(weights_M)), float(sum_last(weights_M * weights_M))
    return total * total / squares if squares else 0.0


def training_weights(weights_M: Floats, *, weight_max: float | None = None) -> Floats:
    """Give weights for a training loss, cut at `weight_max`; without it they stay as they are.

    A loss weighted by LURE is unbiased and may be unsteady: a frame that was unlikely to be drawn
    pulls hard. Cutting trades a bias for that; report `effective_sample_size` beside it.

    Raises
    ------
    BadInput
        A maximum that is not positive.

    Examples
    --------
    >>> training_weights(np.array([0.5, 8.0]), weight_max=4.0).tolist()
    [0.5, 4.0]
    """
    if weight_max is None:
        return weights_M.copy()
    if not weight_max > 0.0:
        msg = f"weight_max: expected a positive number, found {weight_max}"
        raise BadInput(msg)
    return np.minimum(weights_M, weight_max)


def _check_draws(q_M: Floats, left_M: Floats) -> None:
    """Refuse probabilities that are unknown, impossible, or of a pick that was no draw."""
    for m, (q, left) in enumerate(zip(q_M.tolist(), left_M.tolist(), strict=True), start=1):
        if math.isnan(q):
            why = "its probability is unknown: it was chosen, not drawn"
        elif not 0.0 < q <= 1.0:
            why = f"expected a probability in (0, 1], found {q}"
        elif q == 1.0 and left > 1.0:
            why = f"its probability is 1 while {left:.0f} frames were left: it was certain"
        else:
            continue
        msg = f"LURE is not defined: draw {m}: {why}"
        raise BadInput(msg)


def _check_reach(drawn_from: Sequence[int | None] | npt.NDArray[np.int64], left_M: Floats) -> None:
    if len(drawn_from) != len(left_M):
        msg = f"LURE: expected drawn_from of {len(left_M)} draws, found {len(drawn_from)}"
        raise BadInput(msg)
    for m, (found, left) in enumerate(zip(drawn_from, left_M.tolist(), strict=True), start=1):
        if found is None or found != left:
            msg = (
                f"LURE is not defined: draw {m} may have brought {found} of the {left:.0f} frames "
                "left: a constraint, a floor or a score of 0 kept the others out"
            )
            raise BadInput(msg)

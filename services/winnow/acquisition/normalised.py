"""Scores of different units on one scale, and their sum over tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

import numpy as np

from winnow.acquisition.checked import NUMBER_MAX, check_lengths, finite_of
from winnow.acquisition.reproducible import Floats, sum_last
from winnow.domain.errors import BadInput

Scale = Literal["rank", "min_max", "z"]


def normalised(scores_N: Floats, *, how: Scale = "rank", name: str = "scores_N") -> Floats:
    """Give scores without their unit.

    Parameters
    ----------
    scores_N
        float [frames], finite.
    how
        `rank`: the share of the other frames that score less, equal ones counting half, 0 to 1;
        no outlier moves it. `min_max`: 0 for the least and 1 for the largest score, linear between
        them. `z`: distance from the mean in standard deviations (divided by N).
    name
        What an error calls the scores.

    Returns
    -------
    numpy.ndarray
        float64 [frames] without unit, of the same order as the scores. Where all are equal, or
        there is only one, nothing can be said: 0.5 by rank and min_max, 0 by z. The order of the
        frames changes no bit.

    Raises
    ------
    BadInput
        Another shape, NaN or an infinity (the text names the row), or an unknown `how`.

    Notes
    -----
    Costs N log N time and a few times N memory. Depends on the pool, not on the frame alone.

    Examples
    --------
    >>> scores = np.array([0.0, 1.0, 1.0, 4.0])
    >>> normalised(scores).tolist()
    [0.0, 0.5, 0.5, 1.0]
    >>> normalised(scores, how="min_max").tolist()
    [0.0, 0.25, 0.25, 1.0]
    >>> normalised(scores, how="z").round(8).tolist()
    [-1.0, -0.33333333, -0.33333333, 1.66666667]
    """
    if how not in _SCALES:
        msg = f"how: expected one of {', '.join(_SCALES)}, found {how!r}"
        raise BadInput(msg)
    return _SCALES[how](finite_of(scores_N, name=name, axes=("frames",)))


def lower_share(scores_N: Floats) -> Floats:
    """Give how many of the other frames score less, equal ones counting half."""
    _, group_N, size_G = np.unique(scores_N, return_inverse=True, return_counts=True)
    below_G = np.cumsum(size_G) - size_G
    lower: Floats = (below_G + (size_G - 1) * 0.5)[group_N]
    return lower


def _ranks(scores_N: Floats) -> Floats:
    if len(scores_N) < 2:
        return np.full(len(scores_N), 0.5)
    return lower_share(scores_N) / (len(scores_N) - 1)


def _min_max(scores_N: Floats) -> Floats:
    if len(scores_N) == 0 or scores_N.max() == scores_N.min():
        return np.full(len(scores_N), 0.5)
    least = scores_N.min()
    shares: Floats = (scores_N - least) / (scores_N.max() - least)
    return shares


def _z(scores_N: Floats) -> Floats:
    if len(scores_N) == 0 or scores_N.max() == scores_N.min():
        return np.zeros(len(scores_N))
    # Added in sorted order, so that the order of the frames changes no bit.
    deviation_N = scores_N - sum_last(np.sort(scores_N)) / len(scores_N)
    largest = np.abs(deviation_N).max()
    deviation_N = deviation_N / largest
    variance = sum_last(np.sort(deviation_N * deviation_N)) / len(scores_N)
    scores: Floats = deviation_N / np.sqrt(variance)
    return scores


_SCALES: Final[dict[str, Callable[[Floats], Floats]]] = {
    "rank": _ranks,
    "min_max": _min_max,
    "z": _z,
}


def weighted_sum(
    scores: Mapping[str, Floats], weights: Mapping[str, float], *, how: Scale = "rank"
) -> Floats:
    """Give one score a frame from the scores of several tasks or modalities.

    Parameters
    ----------
    scores
        Name → float [frames], finite; those without a weight are left out.
    weights
        Name → a finite number of at least 0, one of them above 0; they need not sum to one.
    how
        How each task's scores lose their unit, see `normalised`.

    Returns
    -------
    numpy.ndarray
        float64 [frames] without unit: Σ weight · normalised score.

    Raises
    ------
    BadInput
        A weight for scores that do not exist (the text lists those that do), a negative or no
        positive weight, or scores that are not finite or of different lengths.

    Notes
    -----
    Added in the order of the names, so the order of the mappings changes no bit. Costs K·N log N.

    Examples
    --------
    >>> scores = {"detection": np.array([0.1, 0.9, 0.5]), "depth": np.array([20.0, 10.0, 30.0])}
    >>> weighted_sum(scores, {"detection": 0.5, "depth": 0.25}).tolist()
    [0.125, 0.5, 0.5]
    """
    _check_weights(scores, weights)
    names = sorted(weights)
    check_lengths({name: len(scores[name]) for name in names})
    total = np.zeros(len(scores[names[0]]))
    for name in names:
        total += float(weights[name]) * normalised(scores[name], how=how, name=name)
    return total


def largest_normalised(scores: Mapping[str, Floats], *, how: Scale = "z") -> Floats:
    """Give each frame the largest of its tasks' normalised scores: one doubtful task is enough.

    Parameters
    ----------
    scores
        Name → float [frames], finite; at least one.
    how
        See `normalised`.

    Raises
    ------
    BadInput
        No scores, different lengths, or scores that are not finite.

    References
    ----------
    Choi, Elezi, Lee, Farabet and Alvarez, "Active Learning for Deep Object Detection via
    Probabilistic Modeling", ICCV 2021, arXiv 2103.16130 (with `z`).

    Examples
    --------
    >>> scores = {"box": np.array([0.0, 0.0, 3.0]), "class": np.array([0.2, 0.4, 0.3])}
    >>> largest_normalised(scores, how="rank").tolist()
    [0.25, 1.0, 1.0]
    """
    if not scores:
        msg = "scores: expected at least one task, found none"
        raise BadInput(msg)
    check_lengths({name: len(column) for name, column in scores.items()})
    columns = [normalised(scores[name], how=how, name=name) for name in sorted(scores)]
    largest: Floats = np.max(np.stack(columns), axis=0)
    return largest


def _check_weights(scores: Mapping[str, Floats], weights: Mapping[str, float]) -> None:
    for name, weight in sorted(weights.items()):
        if name not in scores:
            msg = f"weights: expected one of {', '.join(sorted(scores))}, found {name!r}"
            raise BadInput(msg)
        if not 0.0 <= weight <= NUMBER_MAX:
            msg = f"weights: {name}: expected a finite number of at least 0, found {weight}"
            raise BadInput(msg)
    if not any(weight > 0.0 for weight in weights.values()):
        msg = f"weights: expected at least one above 0, found {dict(weights)}"
        raise BadInput(msg)

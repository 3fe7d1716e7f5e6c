"""Temperature scaling, and the measures that tell whether it was needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]

TEMPERATURE_MIN = 0.05
TEMPERATURE_MAX = 20.0
"""Bounds of the search: a fit that reaches one says that logits are (almost) separable or noise."""
_BISECTIONS = 60


def softmax(logits_NC: Floats, *, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Give `probs_NC` = softmax(logits / temperature), float64, each row summing to one.

    Parameters
    ----------
    logits_NC
        Finite, [N, C].
    temperature
        Above zero; above one flattens, below one sharpens.

    Raises
    ------
    ValueError
        The temperature is not above zero.

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    if not temperature > 0:
        msg = f"temperature: expected above 0, found {temperature}"
        raise ValueError(msg)
    scaled = np.asarray(logits_NC, dtype=np.float64) / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)  # the largest exponent is 0: no overflow
    weights = np.exp(scaled)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def fit_temperature(logits_NC: Floats, labels_N: Labels, *, prior_strength: float = 0.0) -> float:
    """Give the temperature that makes labels most likely under softmax(logits / T).

    With a prior the maximum of likelihood times log-normal(0, 1 / prior_strength) is given: a
    handful of labels, all predicted correctly, would otherwise ask for certainty.

    Parameters
    ----------
    logits_NC
        Finite, [N, C], of frames that the member was not trained on.
    labels_N
        Class index of each, 0 … C-1.
    prior_strength
        Labels' worth of belief that T is 1; 0 is plain maximum likelihood.

    Returns
    -------
    float
        In [0.05, 20]; 1.0 for no frames at all.

    Notes
    -----
    The negative log-likelihood is convex in the inverse temperature b, with slope
    mean(E_p[z] - z_label), so bisection of the slope on log b finds the minimum for certain.
    O(60 N C).

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, section 4.2.

    Examples
    --------
    >>> logits = np.log([[0.9, 0.1]] * 10)
    >>> round(fit_temperature(logits, np.array([0] * 9 + [1])), 3)
    1.0
    """
    _check(logits_NC, labels_N)
    if len(labels_N) == 0:
        return 1.0
    low, high = -np.log(TEMPERATURE_MAX), -np.log(TEMPERATURE_MIN)  # of log b
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if _slope(logits_NC, labels_N, middle, prior_strength) > 0:
            high = middle
        else:
            low = middle
    return float(np.clip(np.exp(-0.5 * (low + high)), TEMPERATURE_MIN, TEMPERATURE_MAX))


def fit_sample_temperature(logits_NMC: Floats, labels_N: Labels) -> float:
    """Give the temperature that makes labels most likely under the mean over members.

    One temperature for all members or posterior samples, fitted to what they say together:
    mean_m softmax(logits_m / T). Fitted to each alone, their mean would be too flat.

    Parameters
    ----------
    logits_NMC
        Finite, [N, M, C], of frames that the members were not trained on.
    labels_N
        Class index of each, 0 … C-1.

    Returns
    -------
    float
        In [0.05, 20]; 1.0 for no frames at all.

    Notes
    -----
    Not convex, unlike the case of one member: the best of a grid over log T, then golden-section
    search between its neighbours. O(60 N M C).

    Examples
    --------
    >>> logits = np.log([[[0.9, 0.1]]] * 10)
    >>> round(fit_sample_temperature(logits, np.array([0] * 9 + [1])), 3)
    1.0
    """
    if logits_NMC.ndim != 3:
        msg = f"expected [N, M, C], found {logits_NMC.shape}"
        raise ValueError(msg)
    n, m, c = logits_NMC.shape
    _check(logits_NMC.reshape(n, m * c), labels_N)
    if len(labels_N) == 0:
        return 1.0
    logits = np.asarray(logits_NMC, dtype=np.float64)

    def loss(log_t: float) -> float:
        probs = softmax(logits.reshape(n * m, c), temperature=float(np.exp(log_t)))
        return negative_log_likelihood(probs.reshape(n, m, c).mean(axis=1), labels_N)

    grid = np.linspace(np.log(TEMPERATURE_MIN), np.log(TEMPERATURE_MAX), 25)
    best = int(np.argmin([loss(float(x)) for x in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    return float(np.clip(np.exp(_golden(loss, low, high)), TEMPERATURE_MIN, TEMPERATURE_MAX))


def negative_log_likelihood(probs_NC: Floats, labels_N: Labels) -> float:
    """Give the mean of -log p(label) in nats; 0 is perfect.

    Raises
    ------
    ValueError
        Shapes differ, a label is no class, or there are no frames.

    Examples
    --------
    >>> round(negative_log_likelihood(np.array([[0.5, 0.5]]), np.array([1])), 4)
    0.6931
    """
    _check(probs_NC, labels_N, empty=False)
    picked = np.asarray(probs_NC, dtype=np.float64)[np.arange(len(labels_N)), labels_N]
    # The smallest normal float32: a float32 probability that underflowed to 0 stays finite.
    return float(-np.log(np.maximum(picked, np.finfo(np.float32).tiny)).mean())


def expected_calibration_error(probs_NC: Floats, labels_N: Labels, *, n_bins: int = 15) -> float:
    """Give the mean gap between confidence and accuracy over bins of equal width, in [0, 1].

    Raises
    ------
    ValueError
        As `negative_log_likelihood` does.

    References
    ----------
    Guo et al. 2017, eq. 3; Naeini et al., AAAI 2015.

    Examples
    --------
    >>> expected_calibration_error(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    0.5
    """
    _check(probs_NC, labels_N, empty=False)
    probs = np.asarray(probs_NC, dtype=np.float64)
    confidence_N = probs.max(axis=1)
    correct_N = (probs.argmax(axis=1) == labels_N).astype(np.float64)
    # Bins are (low, high], as in the paper.
    bins_N = np.clip(np.ceil(confidence_N * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins_N, weights=confidence_N - correct_N, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(labels_N))


def _golden(loss: Callable[[float], float], low: float, high: float) -> float:
    """Give where a function with one valley between low and high is least, within 1e-6."""
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-6:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    return 0.5 * (low + high)


def _slope(logits_NC: Floats, labels_N: Labels, log_b: float, prior_strength: float) -> float:
    """Give the derivative by log b of the summed loss and the prior."""
    logits = np.asarray(logits_NC, dtype=np.float64)
    b = float(np.exp(log_b))
    probs_NC = softmax(logits, temperature=1.0 / b)
    picked_N = logits[np.arange(len(labels_N)), labels_N]
    gap = float(((probs_NC * logits).sum(axis=1) - picked_N).sum())
    return b * gap + prior_strength * log_b


def _check(values_NC: Floats, labels_N: Labels, *, empty: bool = True) -> None:
    if values_NC.ndim != 2 or labels_N.shape != values_NC.shape[:1]:
        msg = f"expected [N, C] and [N], found {values_NC.shape} and {labels_N.shape}"
        raise ValueError(msg)
    if not empty and len(labels_N) == 0:
        msg = "expected at least one frame, found none"
        raise ValueError(msg)
    if not np.all(np.isfinite(values_NC)):
        msg = "expected finite values, found NaN or infinity"
        raise ValueError(msg)
    if len(labels_N) and (labels_N.min() < 0 or labels_N.max() >= values_NC.shape[1]):
        msg = f"expected labels below {values_NC.shape[1]}, found {labels_N.min()}…{labels_N.max()}"
        raise ValueError(msg)

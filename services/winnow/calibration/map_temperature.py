"""Temperature of a map of yes-or-no probabilities: one class's cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from winnow.calibration.temperature import TEMPERATURE_MAX, TEMPERATURE_MIN

Floats = npt.NDArray[np.floating]

_BISECTIONS = 40


def fit_map_temperature(
    logits_U: Floats, hits_U: npt.NDArray[np.bool_], *, prior_strength: float = 0.0
) -> float:
    """Give the temperature that makes hits most likely under sigmoid(logits / T).

    Parameters
    ----------
    logits_U
        Finite, [U]: the map's cells of frames that the member was not trained on, without cells
        of which it is not clear what they should say.
    hits_U
        Which of them hold an object's centre.
    prior_strength
        Objects' worth of belief that T is 1 (log-normal, as for classes); 0 is plain maximum
        likelihood.

    Returns
    -------
    float
        In [0.05, 20]; 1.0 without any hit: empty cells alone would ask for certainty.

    Notes
    -----
    The negative log-likelihood is convex in b = 1 / T, with slope sum z (sigmoid(b z) - hit), so
    bisection of the slope on log b finds the minimum for certain. O(40 U).

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, section 4.2,
    for two classes with logits z and 0.

    Examples
    --------
    >>> logits = np.log(np.full(10, 0.9 / 0.1))
    >>> round(fit_map_temperature(logits, np.arange(10) < 9), 3)
    1.0
    """
    if logits_U.ndim != 1 or hits_U.shape != logits_U.shape:
        msg = f"expected [U] and [U], found {logits_U.shape} and {hits_U.shape}"
        raise ValueError(msg)
    if not np.all(np.isfinite(logits_U)):
        msg = "expected finite logits, found NaN or infinity"
        raise ValueError(msg)
    if not hits_U.any():
        return 1.0
    logits = np.asarray(logits_U, dtype=np.float64)
    of_hits = float(logits[hits_U].sum())
    low, high = -np.log(TEMPERATURE_MAX), -np.log(TEMPERATURE_MIN)  # of log b
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        b = float(np.exp(middle))
        gap = float((logits * _sigmoid(b * logits)).sum()) - of_hits
        if b * gap + prior_strength * middle > 0:
            high = middle
        else:
            low = middle
    return float(np.clip(np.exp(-0.5 * (low + high)), TEMPERATURE_MIN, TEMPERATURE_MAX))


def map_log_likelihood(
    logits_U: Floats, hits_U: npt.NDArray[np.bool_], *, temperature: float = 1.0
) -> float:
    """Give the sum over cells of log p(what the cell holds), nats; 0 is perfect.

    Examples
    --------
    >>> round(map_log_likelihood(np.zeros(2), np.array([True, False])), 4)
    -1.3863
    """
    scaled = np.asarray(logits_U, dtype=np.float64) / temperature
    return float(-np.logaddexp(0.0, np.where(hits_U, -scaled, scaled)).sum())


def _sigmoid(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))

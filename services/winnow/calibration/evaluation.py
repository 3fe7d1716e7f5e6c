"""How good predictions are on labeled frames: overall and class by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from winnow.calibration.temperature import (
    Floats,
    Labels,
    expected_calibration_error,
    negative_log_likelihood,
)


def evaluate(probs_NC: Floats, labels_N: Labels) -> dict[str, float]:
    """Give `accuracy` and `ece` in [0, 1] and `nll` in nats; empty for no frames.

    Examples
    --------
    >>> evaluate(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))["accuracy"]
    0.5
    """
    if len(labels_N) == 0:
        return {}
    return {
        "accuracy": float((np.argmax(probs_NC, axis=1) == labels_N).mean()),
        "ece": expected_calibration_error(probs_NC, labels_N),
        "nll": negative_log_likelihood(probs_NC, labels_N),
    }


def evaluate_by_class(
    probs_NC: Floats, labels_N: Labels, class_names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Give for each class `n`, and `recall` and `precision` where their denominator is not 0."""
    predicted_N = np.argmax(probs_NC, axis=1) if len(labels_N) else np.empty(0, dtype=np.int64)
    report: dict[str, dict[str, float]] = {}
    for c, name in enumerate(class_names):
        of_class_N, as_class_N = labels_N == c, predicted_N == c
        hits = float((of_class_N & as_class_N).sum())
        report[name] = {"n": float(of_class_N.sum())}
        if of_class_N.any():
            report[name]["recall"] = hits / float(of_class_N.sum())
        if as_class_N.any():
            report[name]["precision"] = hits / float(as_class_N.sum())
    return report

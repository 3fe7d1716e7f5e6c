"""Temperature, NLL and ECE against ten-line references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from winnow.calibration.evaluation import evaluate, evaluate_by_class
from winnow.calibration.temperature import (
    expected_calibration_error,
    fit_sample_temperature,
    fit_temperature,
    negative_log_likelihood,
    softmax,
)


def overconfident(
    n: int = 400, temperature: float = 2.5
) -> tuple[
    np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    np.ndarray[tuple[int, ...], np.dtype[np.int64]],
]:
    """Labels drawn from softmax(logits / T): T is what the fit must find."""
    rng = np.random.default_rng(3)
    logits_NC = rng.standard_normal((n, 4)) * 5
    probs_NC = softmax(logits_NC, temperature=temperature)
    labels_N = np.array([rng.choice(4, p=p) for p in probs_NC])
    return logits_NC, labels_N


def reference_ece(probs_NC: object, labels_N: object, n_bins: int) -> float:
    probs, labels = np.asarray(probs_NC), np.asarray(labels_N)
    confidence, total = probs.max(axis=1), 0.0
    for low in np.arange(n_bins) / n_bins:
        inside = (confidence > low) & (confidence <= low + 1 / n_bins)
        if inside.any():
            accuracy = (probs.argmax(axis=1) == labels)[inside].mean()
            total += inside.mean() * abs(accuracy - confidence[inside].mean())
    return float(total)


def test_the_fit_finds_scipys_minimum() -> None:
    logits_NC, labels_N = overconfident()

    def loss(log_t: float) -> float:
        return negative_log_likelihood(softmax(logits_NC, temperature=np.exp(log_t)), labels_N)

    reference = float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
    assert fit_temperature(logits_NC, labels_N) == pytest.approx(reference, rel=1e-3)
    assert fit_temperature(logits_NC, labels_N) == pytest.approx(2.5, rel=0.2)


def test_scaling_improves_nll_and_ece_and_changes_no_prediction() -> None:
    logits_NC, labels_N = overconfident()
    before = softmax(logits_NC)
    after = softmax(logits_NC, temperature=fit_temperature(logits_NC, labels_N))
    assert negative_log_likelihood(after, labels_N) < negative_log_likelihood(before, labels_N)
    assert evaluate(after, labels_N)["ece"] < evaluate(before, labels_N)["ece"]
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


def test_scaled_logits_scale_the_temperature() -> None:
    logits_NC, labels_N = overconfident()
    once, thrice = fit_temperature(logits_NC, labels_N), fit_temperature(3 * logits_NC, labels_N)
    assert thrice == pytest.approx(3 * once, rel=1e-6)


def test_a_prior_keeps_a_handful_of_correct_labels_from_certainty() -> None:
    logits_NC, labels_N = np.eye(4) * 3, np.arange(4)
    assert fit_temperature(logits_NC, labels_N) == pytest.approx(0.05)
    assert 0.4 < fit_temperature(logits_NC, labels_N, prior_strength=5.0) < 1.0


def test_no_frames_leave_the_temperature_at_one() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0, dtype=np.int64)) == 1.0


@pytest.mark.parametrize("n_bins", [5, 15])
def test_ece_is_that_of_the_reference(n_bins: int) -> None:
    logits_NC, labels_N = overconfident()
    probs_NC = softmax(logits_NC)
    found = expected_calibration_error(probs_NC, labels_N, n_bins=n_bins)
    assert found == pytest.approx(reference_ece(probs_NC, labels_N, n_bins))


def test_ece_is_zero_where_confidence_is_accuracy() -> None:
    probs_NC = np.array([[0.75, 0.25]] * 4)
    assert expected_calibration_error(probs_NC, np.array([0, 0, 0, 1])) == 0.0


def test_softmax_of_huge_logits_is_finite() -> None:
    probs_NC = softmax(np.array([[1e4, -1e4, 0.0]]))
    assert probs_NC.tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("values_NC", "labels_N", "text"),
    [
        (np.zeros((2, 3)), np.array([0]), r"expected \[N, C\] and \[N\]"),
        (np.full((1, 3), np.nan), np.array([0]), "expected finite"),
        (np.zeros((1, 3)), np.array([3]), "expected labels below 3"),
    ],
)
def test_wrong_input_is_refused(values_NC: object, labels_N: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fit_temperature(values_NC, labels_N)  # type: ignore[arg-type]


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="expected above 0"):
        softmax(np.zeros((1, 2)), temperature=0.0)


def test_classes_without_frames_have_no_recall() -> None:
    probs_NC = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.3, 0.7, 0.0]])
    report = evaluate_by_class(probs_NC, np.array([0, 1, 1]), ("a", "b", "c"))
    assert report["a"] == {"n": 1.0, "recall": 1.0, "precision": 0.5}
    assert report["b"] == {"n": 2.0, "recall": 0.5, "precision": 1.0}
    assert report["c"] == {"n": 0.0}
    assert evaluate(probs_NC[:0], np.array([], dtype=np.int64)) == {}


def test_one_temperature_for_all_members_fits_what_they_say_together() -> None:
    rng = np.random.default_rng(5)
    labels_N = rng.integers(0, 3, 400)
    logits_NMC = 4 * (np.eye(3)[labels_N][:, None, :] + rng.standard_normal((400, 5, 3)))

    def loss(temperature: float) -> float:
        flat = softmax(logits_NMC.reshape(-1, 3), temperature=temperature)
        return negative_log_likelihood(flat.reshape(400, 5, 3).mean(axis=1), labels_N)

    found = fit_sample_temperature(logits_NMC, labels_N)
    least = min(loss(t) for t in np.geomspace(0.05, 20, 400))
    assert loss(found) <= least + 1e-9
    alone = fit_temperature(logits_NMC.reshape(-1, 3), labels_N.repeat(5))
    assert loss(found) < loss(alone)


def test_one_member_alone_gets_the_temperature_of_temperature_scaling() -> None:
    rng = np.random.default_rng(6)
    logits_NC, labels_N = 3 * rng.standard_normal((200, 4)), rng.integers(0, 4, 200)
    found = fit_sample_temperature(logits_NC[:, None, :], labels_N)
    assert found == pytest.approx(fit_temperature(logits_NC, labels_N), rel=1e-4)
    assert fit_sample_temperature(np.empty((0, 2, 3)), np.empty(0, dtype=np.int64)) == 1.0

"""Calibration errors against definitions written out, and where theory knows the answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from winnow.calibration.calibration_errors import (
    ESTIMATORS,
    accuracy_interval,
    calibration_report,
    classwise_calibration_error,
    debiased_rms_error,
    equal_mass_bins,
    map_cells,
)
from winnow.calibration.reliability import ReliabilityBin, calibration_error, reliability
from winnow.calibration.temperature import expected_calibration_error, softmax

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def honest(n: int, *, seed: int) -> tuple[Floats, Labels]:
    """Labels drawn from the very probabilities: there is no calibration error but chance."""
    rng = np.random.default_rng(seed)
    probs_NC = softmax(2 * rng.standard_normal((n, 4)))
    return probs_NC, np.array([rng.choice(4, p=p) for p in probs_NC])


def test_the_report_agrees_with_definitions_written_out() -> None:
    probs_NC, labels_N = honest(240, seed=0)
    found = calibration_report(probs_NC, labels_N)
    assert found.keys() == ESTIMATORS.keys()
    assert found["ece"] == pytest.approx(expected_calibration_error(probs_NC, labels_N))
    hot = np.eye(4)[labels_N]
    assert found["brier"] == pytest.approx(np.mean(np.sum((probs_NC - hot) ** 2, axis=1)))
    confidence_N, correct_N = probs_NC.max(axis=1), probs_NC.argmax(axis=1) == labels_N
    gaps = [
        abs(confidence_N[rows].mean() - correct_N[rows].mean()) / 15
        for rows in np.split(np.argsort(confidence_N), 15)
    ]
    assert found["ace"] == pytest.approx(sum(gaps))
    of_classes = []
    for c in range(4):
        total = 0.0
        for low in np.arange(15) / 15:
            inside = (probs_NC[:, c] > low) & (probs_NC[:, c] <= low + 1 / 15)
            if inside.any():
                total += abs(probs_NC[inside, c].sum() - (labels_N[inside] == c).sum()) / 240
        of_classes.append(total)
    assert classwise_calibration_error(probs_NC, labels_N) == pytest.approx(np.mean(of_classes))


def test_chance_alone_looks_like_an_error_until_it_is_taken_out() -> None:
    plain, debiased = [], []
    for seed in range(30):
        probs_NC, labels_N = honest(150, seed=seed)
        bins = equal_mass_bins(probs_NC.max(axis=1), probs_NC.argmax(axis=1) == labels_N)
        gaps = [one.n * (one.confidence - one.accuracy) ** 2 for one in bins]
        plain.append((sum(gaps) / 150) ** 0.5)
        debiased.append(debiased_rms_error(bins))
    assert np.mean(plain) > 0.1
    assert np.mean(debiased) < 0.5 * np.mean(plain)


def test_equal_confidences_are_one_bin_whatever_the_order() -> None:
    confidence_N = np.array([0.9] * 7 + [0.5] * 3)
    correct_N = np.arange(10) % 2 == 0
    bins = equal_mass_bins(confidence_N, correct_N, n_bins=5)
    assert [one.n for one in bins] == [3, 7]
    assert equal_mass_bins(confidence_N[::-1], correct_N[::-1], n_bins=5) == bins
    assert equal_mass_bins(np.empty(0), np.empty(0, dtype=np.bool_)) == ()


def test_there_is_nothing_to_say_of_no_frames() -> None:
    assert calibration_report(np.empty((0, 3)), np.empty(0, dtype=np.int64)) == {}
    assert np.isnan(debiased_rms_error(()))
    assert np.isnan(debiased_rms_error((ReliabilityBin(0.5, 1.0, 1),)))


def test_a_bin_of_few_frames_has_a_wide_interval_that_holds_its_accuracy() -> None:
    few, many = (accuracy_interval(ReliabilityBin(0.8, 0.8, n)) for n in (5, 500))
    assert few[0] < many[0] < 0.8 < many[1] < few[1]
    assert accuracy_interval(ReliabilityBin(0.5, 0.0, 3))[0] == 0.0


def test_a_map_is_measured_class_by_class_where_it_says_something() -> None:
    maps = np.full((2, 2, 4, 4), 0.01)
    hits, clear = np.zeros(maps.shape, dtype=np.bool_), np.ones(maps.shape, dtype=np.bool_)
    maps[:, 0, 0, :] = 0.5
    hits[:, 0, 0, ::2] = True
    maps[0, 1, 2, 2] = 0.8
    clear[0, 1, 2, 2] = False
    of_first, of_second = (reliability(*cells) for cells in map_cells(maps, hits, clear))
    assert of_first == reliability(np.full(8, 0.5), np.arange(8) % 2 == 0)
    assert calibration_error(of_first) == 0.0
    assert of_second == ()

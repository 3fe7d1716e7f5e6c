"""Map temperatures and box overlap against short references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from winnow.calibration.map_temperature import fit_map_temperature, map_log_likelihood
from winnow.kernels.box_overlap import box_iou


def cells(temperature: float, n: int = 4000) -> tuple[object, object]:
    rng = np.random.default_rng(2)
    logits_U = rng.normal(-3.0, 3.0, size=n)
    hits_U = rng.random(n) < 1 / (1 + np.exp(-logits_U / temperature))
    return logits_U, hits_U


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_that_drew_the_cells_is_found(temperature: float) -> None:
    logits_U, hits_U = (np.asarray(one) for one in cells(temperature))
    found = fit_map_temperature(logits_U, hits_U)
    assert found == pytest.approx(temperature, rel=0.1)
    best = minimize_scalar(
        lambda t: -map_log_likelihood(logits_U, hits_U, temperature=t),
        bounds=(0.05, 20),
        method="bounded",
    )
    assert found == pytest.approx(best.x, rel=1e-3)


def test_a_class_without_objects_keeps_its_maps_as_they_are() -> None:
    assert fit_map_temperature(np.full(100, -4.0), np.zeros(100, dtype=bool)) == 1.0


def test_one_object_moves_the_temperature_less_with_a_prior() -> None:
    logits_U, hits_U = np.full(1000, -9.0), np.zeros(1000, dtype=bool)
    logits_U[0], hits_U[0] = 3.0, True
    free, held = (fit_map_temperature(logits_U, hits_U, prior_strength=s) for s in (0.0, 5.0))
    assert free < 0.1
    assert free < held < 1.0


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="found \\(2,\\) and \\(3,\\)"):
        fit_map_temperature(np.zeros(2), np.zeros(3, dtype=bool))
    with pytest.raises(ValueError, match="NaN or infinity"):
        fit_map_temperature(np.array([np.nan]), np.ones(1, dtype=bool))


def test_overlap_of_boxes_is_counted_in_cells() -> None:
    rng = np.random.default_rng(4)
    corner, side = rng.integers(0, 12, size=(7, 2)), rng.integers(0, 8, size=(7, 2))
    boxes = np.concatenate([corner, side], axis=1)
    masks = np.zeros((7, 20, 20), dtype=bool)
    for mask, (x, y, width, height) in zip(masks, boxes, strict=True):
        mask[y : y + height, x : x + width] = True
    expected = [[(a & b).sum() / max(1, (a | b).sum()) for b in masks[:4]] for a in masks]
    assert box_iou(boxes, boxes[:4]) == pytest.approx(np.array(expected))

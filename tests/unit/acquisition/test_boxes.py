"""From boxes to frames: every aggregate, frames without boxes, any order of boxes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.acquisition import aggregate_boxes, unsure_boxes
from winnow.acquisition.boxes import BoxAggregate
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
REFERENCES: dict[BoxAggregate, Callable[[list[float], int], float]] = {
    "min": lambda boxes, k: min(boxes),
    "max": lambda boxes, k: max(boxes),
    "sum": lambda boxes, k: math.fsum(boxes),
    "mean": lambda boxes, k: math.fsum(boxes) / len(boxes),
    "mean_lowest": lambda boxes, k: math.fsum(sorted(boxes)[:k]) / min(k, len(boxes)),
    "mean_highest": lambda boxes, k: math.fsum(sorted(boxes)[-k:]) / min(k, len(boxes)),
}


@st.composite
def detections(draw: st.DrawFn) -> tuple[Floats, Ints, int]:
    n_frames = draw(st.integers(1, 6))
    boxes = draw(st.lists(st.tuples(st.floats(-10, 10), st.integers(0, n_frames - 1)), max_size=15))
    scores = np.array([score for score, _ in boxes], dtype=np.float64)
    return scores, np.array([frame for _, frame in boxes], dtype=np.int64), n_frames


@given(detections(), st.sampled_from(sorted(REFERENCES)), st.integers(1, 4))
def test_every_aggregate_agrees_with_its_reference(
    found: tuple[Floats, Ints, int], how: BoxAggregate, k: int
) -> None:
    scores, frames, n_frames = found
    result = aggregate_boxes(scores, frames, n_frames, how=how, none=-99.0, k=k)
    assert result.dtype == np.float64
    for frame in range(n_frames):
        boxes = scores[frames == frame].tolist()
        expected = REFERENCES[how](boxes, k) if boxes else -99.0
        assert result[frame] == pytest.approx(expected, abs=1e-12)


@given(detections(), st.sampled_from(sorted(REFERENCES)), st.randoms(use_true_random=False))
def test_the_order_of_the_boxes_changes_no_bit(
    found: tuple[Floats, Ints, int], how: BoxAggregate, random: object
) -> None:
    scores, frames, n_frames = found
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    whole = aggregate_boxes(scores, frames, n_frames, how=how, none=0.0, k=2)
    again = aggregate_boxes(scores[order], frames[order], n_frames, how=how, none=0.0, k=2)
    assert again.tobytes() == whole.tobytes()
    turned = aggregate_boxes(scores, n_frames - 1 - frames, n_frames, how=how, none=0.0, k=2)
    assert turned[::-1].tobytes() == whole.tobytes()


def test_a_frame_without_boxes_gets_what_was_decided() -> None:
    scores, frames = np.array([0.4]), np.array([1])
    assert aggregate_boxes(scores, frames, 3, how="sum", none=7.0).tolist() == [7.0, 0.4, 7.0]
    skipped = aggregate_boxes(scores, frames, 3, how="sum", none="skip")
    assert np.isnan(skipped).tolist() == [True, False, True]
    nothing, nowhere = np.empty(0), np.empty(0, dtype=np.int64)
    assert aggregate_boxes(nothing, nowhere, 2, how="min", none=0.5).tolist() == [0.5, 0.5]
    assert aggregate_boxes(nothing, nowhere, 0, how="min", none=0.5).shape == (0,)


def test_the_choice_about_frames_without_boxes_must_be_made() -> None:
    with pytest.raises(TypeError, match="none"):
        aggregate_boxes(np.array([0.4]), np.array([0]), 1, how="min")  # type: ignore[call-arg]


def test_the_least_confident_boxes_come_first() -> None:
    confidences, frames = np.array([0.9, 0.2, 0.6, 0.99]), np.array([0, 0, 0, 1])
    lowest = unsure_boxes(confidences, frames, 3, how="min", none=0.0)
    np.testing.assert_allclose(lowest, [0.8, 0.01, 0.0])
    two = unsure_boxes(confidences, frames, 3, how="mean_lowest", k=2, none="skip")
    np.testing.assert_allclose(two, [0.6, 0.01, np.nan])


@pytest.mark.parametrize(
    ("scores", "frames", "message"),
    [
        ([0.1, np.nan], [0, 0], "scores_P: row 1: expected finite numbers, found nan"),
        ([0.1, 0.2], [0, 3], "frame_P: row 1: expected 0 to 2, found 3"),
        ([0.1, 0.2], [-1, 0], "frame_P: row 0: expected 0 to 2, found -1"),
        ([0.1, 0.2], [0.0, 1.0], r"frame_P: expected positions, integers"),
        ([0.1, 0.2], [0], "frame_P: expected 2 rows as in scores_P, found 1"),
    ],
)
def test_bad_boxes_are_named(scores: list[float], frames: list[int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        aggregate_boxes(np.array(scores), np.array(frames), 3, how="max", none=0.0)


def test_bad_choices_are_named() -> None:
    boxes = np.array([0.1]), np.array([0])
    with pytest.raises(BadInput, match="how: expected one of min, max, sum, mean"):
        aggregate_boxes(*boxes, 1, how="median", none=0.0)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="k: expected at least 1"):
        aggregate_boxes(*boxes, 1, how="mean_lowest", none=0.0, k=0)
    for none in (np.nan, np.inf, "drop"):
        with pytest.raises(BadInput, match="none: expected a finite score or 'skip'"):
            aggregate_boxes(*boxes, 1, how="min", none=none)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"confidences_P: row 0: expected 0 to 1, found 1\.5"):
        unsure_boxes(np.array([1.5]), np.array([0]), 1, how="min", none=0.0)
    with pytest.raises(BadInput, match="how: expected one of min, mean_lowest, mean, found 'max'"):
        unsure_boxes(*boxes, 1, how="max", none=0.0)  # type: ignore[arg-type]

"""Boxes of two people: the same, almost the same, or wrong in a way that has a name."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.agreement.boxes import box_agreement, box_defects
from winnow.agreement.labels import rare_of, same_label, vote_on
from winnow.domain.boxes import Box, boxes_of, label_of
from winnow.testing.scripted_boxes import drawn_boxes

CAR = Box("car", 0, 0, 20, 10)
MAN = Box("person", 30, 5, 6, 12)
TRUTH = label_of([CAR, MAN])


def test_small_differences_are_the_same_label_and_a_missed_object_is_not() -> None:
    shifted = label_of([Box("car", 1, 0, 19, 10), MAN])
    assert same_label(TRUTH, shifted, label_kind="detection")
    assert not same_label(TRUTH, label_of([CAR]), label_kind="detection")
    assert box_agreement(TRUTH, label_of([CAR])).f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("found", "codes"),
    [
        ([CAR], ("MISSING",)),
        ([CAR, MAN, Box("car", 40, 30, 5, 5)], ("EXTRA",)),
        ([CAR, Box("car", 30, 5, 6, 12)], ("WRONG_CLASS",)),
        ([Box("car", 0, 0, 8, 10), MAN], ("BAD_LOCATION",)),
        ([CAR, MAN], ()),
    ],
)
def test_what_a_reviewer_finds_has_a_name(found: list[Box], codes: tuple[str, ...]) -> None:
    assert box_defects(label_of(found), TRUTH) == codes


def test_of_several_answers_the_one_that_agrees_best_speaks_and_no_majority_is_a_tie() -> None:
    near = label_of([Box("car", 1, 0, 19, 10), MAN])
    vote = vote_on([TRUTH, near, "[]"], label_kind="detection")
    assert (vote.label in (TRUTH, near), vote.votes, vote.tied) == (True, 2, False)
    assert vote_on([TRUTH, "[]"], label_kind="detection").tied


def test_a_frame_with_a_rare_class_is_rare() -> None:
    labels = [label_of([CAR])] * 6 + [TRUTH, "[]"]
    assert rare_of(labels, 2, label_kind="detection").tolist() == [False] * 6 + [True, False]


def test_a_careful_hand_is_the_same_label_and_an_error_never_is() -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        right = drawn_boxes(TRUTH, "", wrong=False, class_names=("car", "person"), rng=rng)
        assert same_label(right, TRUTH, label_kind="detection")
        wrong = drawn_boxes(TRUTH, "", wrong=True, class_names=("car", "person"), rng=rng)
        assert not same_label(wrong, TRUTH, label_kind="detection")
        boxes_of(wrong, class_names=("car", "person"), size=(48, 32))


def test_a_good_prediction_is_left_to_the_pixel() -> None:
    shown = label_of([Box("car", 1, 0, 19, 10), MAN])
    rng = np.random.default_rng(0)
    assert drawn_boxes(TRUTH, shown, wrong=False, class_names=("car", "person"), rng=rng) == shown

"""Advice by class: where general labeling no longer helps."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from winnow.stopping import (
    ClassPlateau,
    ClassRecall,
    Progress,
    SliceRecall,
    advice_of,
    recall_upper,
)


def progress(recalls: dict[str, list[float]], n: int = 50, **more: object) -> Progress:
    n_rounds = len(next(iter(recalls.values())))
    rounds = tuple(
        tuple(ClassRecall(name, series[pos], n) for name, series in recalls.items())
        for pos in range(n_rounds)
    )
    return Progress(n_rounds, (None,) * n_rounds, recalls=rounds, **more)  # type: ignore[arg-type]


SLICES = (
    SliceRecall("bike", "day", 0.7, 80),
    SliceRecall("bike", "night", 0.2, 30),
    SliceRecall("bike", "fog", 0.0, 5),
    SliceRecall("bike", "rain", 0.3, 25),
    SliceRecall("car", "night", 0.1, 90),
)


def test_a_class_that_is_stuck_is_to_be_sought_in_its_worst_slices() -> None:
    so_far = progress(
        {"bike": [0.4, 0.5, 0.5, 0.505, 0.5], "car": [0.5, 0.6, 0.7, 0.8, 0.85]},
        slice_recalls=SLICES,
    )
    verdict = ClassPlateau(n_rounds=3, gain_min=0.01).decide(so_far)
    assert not verdict.stop
    (advice,) = advice_of([verdict])
    assert advice.class_name == "bike"
    assert [one.slice_name for one in advice.slices] == ["night", "rain"]
    assert advice.text == (
        "collect bike instead of more of everything: recall 0.50, +0.005 over 3 rounds; "
        "seek night (recall 0.20), rain (recall 0.30)"
    )
    assert dict(verdict.numbers)["recall[bike]"] == 0.5
    assert (verdict.reason, dict(verdict.numbers)["n_classes"]) == ("collect bike", 2)


def test_the_worst_class_comes_first_and_a_good_one_not_at_all() -> None:
    stuck = {"a": [0.6] * 4, "b": [0.3] * 4, "c": [0.97] * 4}
    verdict = ClassPlateau(n_rounds=3).decide(progress(stuck))
    assert [advice.class_name for advice in verdict.advice] == ["b", "a"]
    assert all(advice.slices == () for advice in verdict.advice)


def test_classes_that_grow_need_no_advice() -> None:
    verdict = ClassPlateau(n_rounds=2).decide(progress({"a": [0.1, 0.3, 0.5]}))
    assert (verdict.advice, verdict.reason) == ((), "none of 1 classes is stuck")


def test_a_recall_that_chance_may_have_made_is_not_poor() -> None:
    """With 54 frames, 0.9 and 0.95 are five frames and less than three: the same by chance."""
    assert not ClassPlateau().decide(progress({"a": [0.9] * 5}, n=54)).advice
    assert ClassPlateau().decide(progress({"a": [0.9] * 5}, n=540)).advice
    reference = binomtest(45, 50).proportion_ci(method="wilson")
    assert recall_upper(0.9, 50) == pytest.approx(reference.high)


def test_few_frames_or_few_rounds_are_not_measurable() -> None:
    for so_far in (
        progress({"a": [0.1] * 5}, n=19),
        progress({"a": [0.1] * 3}),
        Progress(2, (0.1, 0.2)),
        Progress(2, (0.1, 0.2), recalls=((), ())),
    ):
        verdict = ClassPlateau(n_rounds=3).decide(so_far)
        assert "not measurable" in verdict.reason
        assert not verdict.advice

"""What is said of a committee: confusion of boxes, intervals, slices, nothing that is not known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.tasks.test_detection_metrics import frames, said
from winnow.calibration.reliability import calibration_error, reliability
from winnow.contracts.manifests import Member
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.estimation import effective_sample_size, inclusion_weights
from winnow.tasks.classification import TASK
from winnow.tasks.committee import LoadedMember
from winnow.tasks.evaluation import (
    Grouping,
    UnsoundMembers,
    confused_boxes,
    evaluate_committee,
)
from winnow.tasks.examples import examples_of
from winnow.tasks.grid.detection import TASK as GRID
from winnow.tasks.task import NetworkConfig, Task


def test_objects_are_counted_by_what_they_were_taken_for() -> None:
    """One found, one taken for the other class, one missed; one box on nothing, one too unsure."""
    truth = frames([(0, 0, 0, 40, 40), (1, 100, 0, 40, 40), (1, 100, 100, 40, 40)])
    found = said(
        (0.9, 0, 0, 0, 40, 40),
        (0.8, 0, 102, 0, 40, 40),
        (0.7, 1, 0, 150, 40, 40),
        (0.2, 1, 100, 100, 40, 40),
    )
    assert confused_boxes(truth, [found], n_classes=2) == ((1, 0, 0), (1, 0, 1), (0, 1, 0))


def test_a_second_box_on_an_object_stands_on_nothing() -> None:
    found = said((0.9, 0, 0, 0, 40, 40), (0.8, 0, 1, 1, 40, 40))
    assert confused_boxes(frames([(0, 0, 0, 40, 40)]), [found], n_classes=1) == ((1, 0), (1, 0))


def committee(n_members: int = 2) -> list[LoadedMember]:
    config = NetworkConfig("classification", ("a", "b", "c"), 8, 8, 4, (90.0,) * 3, (50.0,) * 3)
    networks = [TASK.network(config, rng=np.random.default_rng(m)) for m in range(n_members)]
    return [LoadedMember(f"m{m}", TASK, one, config, (1.0,)) for m, one in enumerate(networks)]


def test_classification_has_recalls_of_rare_classes_intervals_and_slices() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, size=(90, 3, 8, 8), dtype=np.uint8)
    examples = examples_of(pixels, [np.full((1, 1), n % 2, np.float32) for n in range(90)])
    night = np.arange(90) < 30
    grouping = Grouping([f"s{n // 9}" for n in range(90)], {"time=night": night}, rare=("b",))
    found = evaluate_committee(
        committee(), examples, grouping, class_names=("a", "b", "c"), rng=rng
    )
    assert found.probs_NMC is not None
    predicted = found.probs_NMC.mean(axis=1).argmax(axis=1)
    right = predicted == np.arange(90) % 2
    assert found.committee["accuracy"] == pytest.approx(right.mean())
    assert found.committee["rare_recall"] == pytest.approx(right[1::2].mean())
    assert found.slices["time=night"]["accuracy"] == pytest.approx(right[:30].mean())
    assert found.slices["time=night"]["n"] == 30
    low, high = found.intervals["accuracy"]
    assert low <= found.committee["accuracy"] <= high
    assert "recall:c" not in found.intervals, "there is no frame of that class"
    assert np.array(found.confusion).sum() == 90
    assert calibration_error(found.bins) == pytest.approx(found.committee["ece"])
    assert found.calibration["ece"][0] == pytest.approx(found.committee["ece"])
    assert set(found.calibration) == {"ece", "ace", "debiased_rms", "classwise_ece", "brier"}


@pytest.mark.parametrize(("task", "n_temperatures", "columns"), [(TASK, 1, 1), (GRID, 3, 5)])
def test_of_members_that_say_no_numbers_all_are_named_and_where(
    task: Task, n_temperatures: int, columns: int
) -> None:
    config = NetworkConfig(task.name, ("a", "b", "c"), 16, 16, 4, (90.0,) * 3, (50.0,) * 3)
    networks = [task.network(config, rng=np.random.default_rng(m)) for m in range(3)]
    for broken in (networks[0], networks[2]):
        next(broken.parameters()).data.fill_(np.nan)
    temperatures = (1.0,) * n_temperatures
    members = [
        LoadedMember(f"m{m}", task, network, config, temperatures)
        for m, network in enumerate(networks)
    ]
    labels = [np.zeros((1, columns), np.float32)] * 70
    examples = examples_of(np.zeros((70, 3, 16, 16), np.uint8), labels)
    rng, grouping = np.random.default_rng(0), Grouping(["s"] * 70, {})
    with pytest.raises(UnsoundMembers, match="none of m0, m2 about frames 0 to 63") as told:
        evaluate_committee(members, examples, grouping, class_names="abc", rng=rng)
    assert told.value.names == ("m0", "m2")


def test_without_frames_nothing_is_claimed() -> None:
    nothing = examples_of(
        np.empty((0, 3, 8, 8), np.uint8), [np.empty((0, 1), np.float32)], sizes=[]
    )
    nothing = nothing.take([])
    found = evaluate_committee(
        committee(1), nothing, Grouping([], {}), class_names="abc", rng=np.random.default_rng(0)
    )
    assert (found.committee, found.intervals, found.bins) == ({}, {}, ())
    assert found.calibration == {}


def test_perfectly_calibrated_answers_have_no_error() -> None:
    rng = np.random.default_rng(5)
    confidence = rng.random(20_000)
    bins = reliability(confidence, rng.random(20_000) < confidence)
    assert len(bins) == 15
    assert calibration_error(bins) < 0.02


def test_weights_are_cut_and_their_worth_is_told() -> None:
    weights = inclusion_weights([0.01, 0.5, None, 1.0], weight_max=4)
    assert weights == pytest.approx(np.array([4, 2, 1, 1]) / 2)
    assert effective_sample_size(weights) == pytest.approx(64 / 22)
    with pytest.raises(BadInput, match="label 1: expected above 0, at most 1, found 0"):
        inclusion_weights([1.0, 0.0], weight_max=4)


def test_a_manifest_of_one_temperature_is_still_read() -> None:
    ref = BlobRef("b", "k", "0" * 64, 1, "x")
    written = {
        "name": "m0", "seed": 1, "checkpoint": ref, "temperature": 1.5, "step": 2,
        "metrics": {}, "compute_ms": 3,
    }  # fmt: skip
    assert Member.model_validate(written).temperatures == (1.5,)

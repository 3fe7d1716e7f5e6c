"""A run on boxes: given a dataset snapshot, then members, what they are worth, and who failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrain import steps
from retrain.orders import ORDERS, TRAINED, Order
from retrain.report import Shown
from retrain.steps import Context
from retrain.training import learned_examples
from tests.unit.tasks.scenes import CLASSES
from tests.unit.training.toy_roads import frame, policy, put_roads
from winnow.agreement.boxes import shared_boxes
from winnow.contracts.artifacts import read_manifest, read_table
from winnow.contracts.manifests import Evaluation, Members
from winnow.contracts.references import read_reference, reference_text
from winnow.contracts.tables import HOLDOUT, ORACLE
from winnow.domain.errors import BadInput, TrainingFailed
from winnow.estimation import effective_sample_size
from winnow.tasks.checkpoint import read_checkpoint
from winnow.tasks.committee import CommitteeModel


class Logged:
    """What kfp's outputs take: numbers, matrices, or a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.numbers: dict[str, float] = {}
        self.matrix: tuple[list[str], list[list[int]]] = ([], [])

    def log_metric(self, name: str, value: float) -> None:
        self.numbers[name] = value

    def log_confusion_matrix(self, names: list[str], matrix: list[list[int]]) -> None:
        self.matrix = (names, matrix)


def planned(context: Context, more: str = "", **changes: Any) -> tuple[str, list[str]]:
    dataset = reference_text(put_roads(context.blobs, policy=policy(more), **changes))
    return dataset, steps.plan(context, round_id="r0", dataset=dataset)


def evaluation_of(context: Context, members: str) -> tuple[Members, Evaluation]:
    manifest = read_manifest(context.blobs, read_reference(members), Members)
    assert manifest.evaluation is not None
    return manifest, read_manifest(context.blobs, manifest.evaluation, Evaluation)


def test_a_round_on_boxes_ends_with_a_committee_that_finds_them(
    context: Context, tmp_path: Path
) -> None:
    dataset, tasks = planned(context)
    trained = [steps.train_members(context, orders=orders) for orders in tasks]
    shown = Shown(*(Logged(tmp_path / name) for name in ("m", "c", "r.html", "d.md")))
    members = steps.evaluate(context, round_id="r0", dataset=dataset, members=trained, shown=shown)
    steps.register(context, round_id="r0", members=members)

    manifest, report = evaluation_of(context, members)
    assert (manifest.label_kind, report.label_kind) == ("detection", "detection")
    assert report.committee["map50"] > 0.8
    assert report.committee["map50"] > report.committee["map"]
    assert {"map50", "wmap50", "ap50:dark"} <= set(report.intervals)
    low, high = report.intervals["map50"]
    assert low <= report.committee["map50"] <= high
    assert report.n_sessions == 4
    assert report.slices["time=night"]["n"] == 6
    assert set(report.classes) == set(report.curves) == set(CLASSES)
    assert all(len(member.temperatures) == 2 for member in manifest.members)
    assert all(
        member.metrics["calibration_nll_after"] <= member.metrics["calibration_nll_before"]
        for member in manifest.members
    )
    names, matrix = shown.confusion.matrix
    assert names == [*CLASSES, "nothing"]
    assert matrix[0][0] > sum(matrix[0][1:])
    assert shown.metrics.numbers["map50"] == pytest.approx(report.committee["map50"], abs=1e-4)
    assert set(report.map_reliability) == set(CLASSES)
    errors = [report.calibration[f"map_ece:{name}"][0] for name in CLASSES]
    assert report.calibration["map_ece"][0] == pytest.approx(np.mean(errors))
    assert report.calibration["ece"] == (report.committee["ece"], report.ece_estimator)
    page = Path(shown.report.path).read_text(encoding="utf-8")
    for _, estimator in report.calibration.values():
        assert estimator in page
    for c, name in enumerate(CLASSES):
        assert f">map of {name}</text>" in page
        temperatures = (f"<td>{member.temperatures[c]:.3f}</td>" for member in manifest.members)
        assert f"<td>{name}</td>{''.join(temperatures)}" in page
    for words in ("mAP50", "time=night", "<svg", report.ece_estimator, "95 % interval"):
        assert words in page
    note = Path(shown.decision.path).read_text(encoding="utf-8")
    assert note.startswith("# Round r0: c0 goes on to rollout\n\n2 of 2 members trained")

    assert report.stop_set is not None
    assert report.stop_set.mean_entropy is None
    said = read_table(context.blobs, report.stop_set.predictions, ORACLE)
    truth = read_table(context.blobs, report.holdouts[0], HOLDOUT)
    assert said["frame_id"].to_pylist() == truth["frame_id"].to_pylist()
    found = shared_boxes(said["label"].to_pylist(), truth["label"].to_pylist())
    assert found is not None
    assert found > 0.7

    model = CommitteeModel.load(context.blobs, read_reference(members))
    answer = model.score([frame(1), frame(2)])
    assert answer.map_information().shape == (2, 2)
    assert answer.boxes[0].startswith('[{"box":')


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ('[{"box":[40,0,20,20],"class":"dark"}]', "inside the frame of 48 x 32 pixels"),
        ('[{"box":[0,0,9,9],"class":"cat"}]', "expected one of bright, dark"),
        ("dark", "expected a JSON list of boxes"),
    ],
)
def test_a_label_that_cannot_be_learned_is_told_with_its_frame(
    context: Context, label: str, why: str
) -> None:
    with pytest.raises(
        BadInput, match=r"2 labels cannot be learned from: frame [0-9a-f]{32}: "
    ) as told:
        planned(context, labels={3: label, 5: label})
    assert why in str(told.value)


def test_a_holdout_frame_among_the_labels_is_refused(context: Context) -> None:
    with pytest.raises(BadInput, match="expected no frame of a holdout, found 4: "):
        planned(context, n=60, n_holdout=24, holdout_start=56)


def test_a_class_without_labels_halts_the_round_if_the_policy_says_so(context: Context) -> None:
    more, classes = "  labels_per_class_min: 1\n", (*CLASSES, "truck")
    with pytest.raises(BadInput, match=r"expected at least 1 .*, found fewer of truck \(0\)"):
        planned(context, more, class_names=classes)


def test_a_class_without_labels_is_noted_otherwise(context: Context) -> None:
    dataset, tasks = planned(context, n=20, n_holdout=0, class_names=(*CLASSES, "truck"))
    trained = [steps.train_members(context, orders=orders) for orders in tasks]
    members = steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)
    _, report = evaluation_of(context, members)
    assert report.rare_classes == ("truck",)
    assert report.n_training["truck"] == 0
    assert "no label to learn from: truck" in report.notes
    assert "no labeled holdout frame: nothing is measured" in report.notes
    assert report.committee.get("map50") is None


def failing(orders: str, member: int) -> str:
    """Let one member's loss be no number."""
    works = ORDERS.validate_json(orders)
    training = works[member].training.model_copy(update={"learning_rate": 1e30})
    works[member] = works[member].model_copy(update={"training": training})
    return ORDERS.dump_json(works).decode()


def test_a_round_goes_on_without_a_member_that_fails_and_says_so(context: Context) -> None:
    more = "  members_min: 1\nscoring: {members_min: 1}\n"
    dataset, (orders,) = planned(context, more, n=20)
    trained = [steps.train_members(context, orders=failing(orders, 0))]
    members = steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)
    manifest, report = evaluation_of(context, members)
    assert [member.name for member in manifest.members] == ["m1"]
    assert report.notes[0].startswith("m0 is left out: TrainingFailed: m0: expected a finite loss")


def test_with_too_few_members_the_round_is_halted_with_the_reason(context: Context) -> None:
    dataset, (orders,) = planned(context, n=20)
    trained = [steps.train_members(context, orders=failing(orders, 1))]
    assert [one.error == "" for one in TRAINED.validate_json(trained[0])] == [True, False]
    with pytest.raises(
        TrainingFailed, match=r"expected at least 2 trained members, found 1 of 2 \(m1: "
    ):
        steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)


def examples_learned(context: Context, more: str) -> tuple[list[Order], list[Any]]:
    from retrain.calibration_split import calibration_mask
    from retrain.data import unpack

    _, (orders,) = planned(context, more, n=30)
    works = ORDERS.validate_json(orders)
    document, examples = unpack(context.blobs, works[0].train)
    kept_out = calibration_mask(document, examples, works[0].training.calibration_share)
    return works, [learned_examples(work, document, examples, kept_out) for work in works]


def test_members_may_train_on_bootstrap_samples_of_their_own(context: Context) -> None:
    _, (first, second) = examples_learned(context, "  bagging: true\n")
    assert len(first) == len(second)
    assert not np.array_equal(first.pixels, second.pixels)
    distinct = len(np.unique(first.pixels.reshape(len(first), -1), axis=0))
    assert 0.4 * len(first) < distinct < 0.85 * len(first)


def test_frames_that_were_unlikely_to_be_chosen_count_more(context: Context) -> None:
    _, (learned, _) = examples_learned(context, "  weights: inclusion\n  weight_max: 3\n")
    assert learned.weights_N.mean() == pytest.approx(1.0, abs=1e-6)
    assert len(set(learned.weights_N.round(5).tolist())) == 2
    assert learned.weights_N.max() == pytest.approx(3 * learned.weights_N.min(), rel=1e-5)


def test_drawn_frames_count_by_lure_others_once(context: Context) -> None:
    _, (learned, _) = examples_learned(context, "  weights: lure\n  weight_max: 2\n")
    assert set(learned.weights_N.tolist()) == {0.0, 0.75, 1.0, 1.5, 2.0}, "2.25 is cut"
    _, (learned, _) = examples_learned(context, "")
    assert set(learned.weights_N.tolist()) == {1.0}


def test_the_report_tells_what_weights_are_worth_and_who_has_none(context: Context) -> None:
    dataset, (orders,) = planned(context, "  weights: lure\n", n=24)
    trained = [steps.train_members(context, orders=orders)]
    _, report = evaluation_of(
        context, steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)
    )
    weights = [1.0] * 16 + [0.0, 0.75, 1.5, 2.25] * 2
    assert report.effective_sample_size == pytest.approx(effective_sample_size(np.array(weights)))
    assert "weights lure: undefined for 16 labels, which count once" in report.notes


def test_the_checkpoint_tells_what_it_is(context: Context) -> None:
    _, (orders,) = planned(context, n=12, n_holdout=0)
    (one, _) = TRAINED.validate_json(steps.train_members(context, orders=orders))
    assert one.member is not None
    checkpoint = read_checkpoint(context.blobs.get(one.member.checkpoint), where="m0")
    assert checkpoint.config.class_names == CLASSES
    assert checkpoint.temperatures == one.member.temperatures
    assert checkpoint.metrics["weight_norm"] == one.member.metrics["weight_norm"]
    assert len(checkpoint.data_sha256) == 64

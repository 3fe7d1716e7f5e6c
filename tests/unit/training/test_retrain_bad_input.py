"""Classes that cannot be learned as they are told; of boxes see `test_retrain_detection`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import pytest

from retrain import steps
from retrain.orders import ORDERS, TRAINED
from retrain.report import decision_note
from retrain.steps import Context
from retrain.training import CHECKPOINT
from tests.unit.training.test_retrain_detection import evaluation_of, failing
from tests.unit.training.toy_world import CLASSES, POLICY, put_dataset, put_holdout
from winnow.contracts.references import reference_text
from winnow.domain.errors import BadInput, TrainingFailed
from winnow.policy.model import Policy
from winnow.tasks.checkpoint import checkpoint_bytes, read_checkpoint


def policy(*, members_min: int = 2, labels_per_class_min: int = 0) -> Policy:
    training = POLICY.training.model_copy(
        update={
            "epochs": 2,
            "members_min": members_min,
            "labels_per_class_min": labels_per_class_min,
        }
    )
    return POLICY.model_copy(update={"training": training})


def planned(context: Context, **changes: object) -> tuple[str, Sequence[str]]:
    dataset = reference_text(put_dataset(context.blobs, **changes))  # type: ignore[arg-type]
    return dataset, steps.plan(context, round_id="r0", dataset=dataset)


def test_a_label_of_no_class_is_told_with_its_frame(context: Context) -> None:
    with pytest.raises(
        BadInput,
        match=r"2 labels cannot be learned from: frame [0-9a-f]{32}: .*expected one of bar",
    ):
        planned(context, labels={3: "wolf", 5: ""})


def test_a_holdout_frame_among_the_labels_is_refused(context: Context) -> None:
    leaking = put_holdout(context.blobs, start=26, n=12)
    with pytest.raises(BadInput, match="expected no frame of a holdout, found 4: "):
        planned(context, n=30, holdouts=(leaking,))


def test_a_class_without_labels_halts_the_round_if_the_policy_says_so(context: Context) -> None:
    with pytest.raises(BadInput, match=r"expected at least 1 .*, found fewer of star \(0\)"):
        planned(context, policy=policy(labels_per_class_min=1), class_names=(*CLASSES, "star"))


def test_a_class_without_labels_is_noted_otherwise(context: Context) -> None:
    dataset, tasks = planned(context, policy=policy(), class_names=(*CLASSES, "star"))
    trained = [steps.train_members(context, orders=orders) for orders in tasks]
    _, report = evaluation_of(
        context, steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)
    )
    assert report.rare_classes == ("star",)
    assert report.n_training == {"bar": 10, "cross": 10, "ring": 10, "star": 0}
    assert "no label to learn from: star" in report.notes
    assert report.classes["star"]["n"] == 0
    assert "recall" not in report.classes["star"]
    assert 0.0 <= report.committee["accuracy"] <= 1.0


def test_a_round_goes_on_without_a_member_whose_loss_is_no_number(context: Context) -> None:
    dataset, (orders,) = planned(context, policy=policy(members_min=1))
    trained = [steps.train_members(context, orders=failing(orders, 1))]
    manifest, report = evaluation_of(
        context, steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)
    )
    assert [member.name for member in manifest.members] == ["m0"]
    assert report.notes[0].startswith("m1 is left out: TrainingFailed: m1: expected a finite loss")


@pytest.mark.parametrize("calibration_share", [0.0, 0.3])
def test_a_member_that_its_last_step_breaks_is_left_out_too(
    context: Context, calibration_share: float
) -> None:
    dataset, (orders,) = planned(context, policy=policy(members_min=1))
    good, broken = ORDERS.validate_json(orders)
    # One step: its loss is that of the drawn weights, so no loss tells what the step did to them.
    once = {"epochs": 1, "steps_min": 0, "batch_size": 64, "learning_rate": 1e20}
    training = broken.training.model_copy(update={**once, "calibration_share": calibration_share})
    broken = broken.model_copy(update={"training": training})
    trained = [steps.train_members(context, orders=ORDERS.dump_json([good, broken]).decode())]
    manifest, report = evaluation_of(
        context, steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)
    )
    assert [member.name for member in manifest.members] == ["m0"]
    assert report.notes[0].startswith("m1 is left out: TrainingFailed: m1: expected finite")


def spoiled(context: Context, trained: str, *, name: str) -> str:
    """Let a member's weights be no numbers, as if it were unsound on the holdout only."""
    members = TRAINED.validate_json(trained)
    for pos, one in enumerate(members):
        if one.name == name and one.member is not None:
            found = read_checkpoint(context.blobs.get(one.member.checkpoint), where=name)
            weights = {key: value * math.nan for key, value in found.weights.items()}
            ref = context.blobs.put(
                checkpoint_bytes(dataclasses.replace(found, weights=weights)),
                prefix="models",
                media_type=CHECKPOINT,
            )
            member = one.member.model_copy(update={"checkpoint": ref})
            members[pos] = one.model_copy(update={"member": member})
    return TRAINED.dump_json(members).decode()


def test_a_member_that_is_unsound_on_the_holdout_alone_is_left_out(context: Context) -> None:
    dataset, (orders,) = planned(context, policy=policy(members_min=1))
    trained = [spoiled(context, steps.train_members(context, orders=orders), name="m0")]
    manifest, report = evaluation_of(
        context, steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)
    )
    assert [member.name for member in manifest.members] == ["m1"]
    assert set(report.members) == {"m1"}
    assert report.notes[0] == (
        "m0 is left out: UnsoundMembers: expected sound answers about the holdout, "
        "found none of m0 about frames 0 to 11"
    )
    assert "1 of 2 members trained" in decision_note(manifest, report)


def test_too_few_members_that_are_sound_on_the_holdout_halt_the_round(context: Context) -> None:
    dataset, (orders,) = planned(context, policy=policy(members_min=2))
    trained = [spoiled(context, steps.train_members(context, orders=orders), name="m1")]
    with pytest.raises(TrainingFailed, match=r"found 1 of 2 \(m1: UnsoundMembers: expected sound"):
        steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)


def test_with_too_few_members_the_round_is_halted_with_the_reason(context: Context) -> None:
    dataset, (orders,) = planned(context, policy=policy(members_min=2))
    trained = [steps.train_members(context, orders=failing(orders, 0))]
    assert [one.error == "" for one in TRAINED.validate_json(trained[0])] == [False, True]
    with pytest.raises(
        TrainingFailed, match=r"expected at least 2 trained members, found 1 of 2 \(m0: "
    ):
        steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)

"""A run: given a dataset snapshot, then members, their evaluation and one fact."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from html import escape

import pyarrow as pa
import pytest
import torch

from retrain import steps
from retrain.data import get_array
from retrain.report import html_report
from retrain.steps import Context
from tests.unit.training.toy_world import CLASSES, put_dataset, put_holdout
from winnow.contracts.artifacts import read_manifest, read_table, write_manifest, write_table
from winnow.contracts.manifests import Dataset, Evaluation, Members
from winnow.contracts.mapping import from_message
from winnow.contracts.references import frame_refs, read_reference, reference_text
from winnow.contracts.tables import DATASET, HOLDOUT, LATER
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, IntegrityError, Retryable
from winnow.domain.events import RoundTrained
from winnow.domain.tables import MODELS
from winnow.tasks.committee import CommitteeModel


def run(context: Context, stored: BlobRef | None = None, **changes: object) -> str:
    dataset = reference_text(stored or put_dataset(context.blobs, **changes))  # type: ignore[arg-type]
    tasks = steps.plan(context, round_id="r0", dataset=dataset)
    trained = [steps.train_members(context, orders=orders) for orders in tasks]
    members = steps.evaluate(context, round_id="r0", dataset=dataset, members=trained)
    return steps.register(context, round_id="r0", members=members)


def test_a_run_registers_members_and_states_the_round_trained_once(context: Context) -> None:
    ref = read_reference(run(context))
    assert read_reference(run(context)) == ref

    with context.ledger.snapshot() as view:
        rows = view.records.find(MODELS, group="c0")
        sent = view.boxes.unsent("retrain", 10)
    manifest = read_manifest(context.blobs, ref, Members)
    assert [row.key for row in rows] == ["c0-m0", "c0-m1"]
    assert [row.checkpoint for row in rows] == [m.checkpoint for m in manifest.members]
    assert len(sent) == 1
    fact = from_message(sent[0].message).data
    assert isinstance(fact, RoundTrained)
    assert fact.members == ref
    assert dict(fact.metrics) == pytest.approx(manifest.metrics)
    assert fact.committee_version == "c0"


def test_a_run_that_is_repeated_with_more_luck_registers_nothing_more(context: Context) -> None:
    ref = read_reference(run(context))
    whole = read_manifest(context.blobs, ref, Members)
    fewer = whole.model_copy(update={"committee_version": "c9", "members": whole.members[:1]})
    more = whole.model_copy(update={"committee_version": "c9"})
    for manifest in (fewer, more):
        text = reference_text(write_manifest(context.blobs, manifest, prefix="models/r9"))
        steps.register(context, round_id="r9", members=text)
    with context.ledger.snapshot() as view:
        rows = view.records.find(MODELS, group="c9")
        sent = view.boxes.unsent("retrain", 10)
    assert [row.key for row in rows] == ["c9-m0"]
    assert len(sent) == 2


def test_the_evaluation_tells_of_committee_members_and_classes(context: Context) -> None:
    manifest = read_manifest(context.blobs, read_reference(run(context)), Members)
    assert manifest.evaluation is not None
    report = read_manifest(context.blobs, manifest.evaluation, Evaluation)
    assert report.n_holdout == 12
    assert set(report.classes) == set(CLASSES)
    assert report.committee["accuracy"] >= 0.9
    assert set(report.members) == {"m0", "m1"}
    assert manifest.metrics == report.committee
    assert len({member.seed for member in manifest.members}) == 2
    page = html_report(manifest, report)
    assert set(report.calibration) >= {"ece", "ace", "classwise_ece", "brier"}
    for error, estimator in report.calibration.values():
        assert f"<td>{error:.3f}</td><td>{escape(estimator)}</td>" in page
    temperatures = (f"<td>{member.temperatures[0]:.3f}</td>" for member in manifest.members)
    assert "<th></th><th>m0</th><th>m1</th>" in page
    assert f"<td>all classes</td>{''.join(temperatures)}" in page
    assert ">highest probability</text>" in page


def test_what_stopping_rules_compare_between_committees_is_stored(context: Context) -> None:
    manifest = read_manifest(context.blobs, read_reference(run(context)), Members)
    assert all(member.metrics["weight_norm"] > 0 for member in manifest.members)
    assert manifest.evaluation is not None
    stop_set = read_manifest(context.blobs, manifest.evaluation, Evaluation).stop_set
    assert stop_set is not None
    assert stop_set.mean_entropy is not None
    assert 0.0 <= stop_set.mean_entropy <= 1.0
    predicted_N = get_array(context.blobs, stop_set.predictions)
    table = read_table(context.blobs, put_holdout(context.blobs), HOLDOUT)
    truth_N = [CLASSES.index(label) for label in table["label"].to_pylist()]
    assert (predicted_N == truth_N).mean() == manifest.metrics["accuracy"]


def test_without_holdout_nothing_is_claimed(context: Context) -> None:
    manifest = read_manifest(context.blobs, read_reference(run(context, holdouts=())), Members)
    assert manifest.metrics == {}
    assert manifest.evaluation is not None
    assert read_manifest(context.blobs, manifest.evaluation, Evaluation).stop_set is None


@pytest.mark.parametrize("session", [None, ""])
def test_frames_without_a_session_are_drawn_one_by_one_for_intervals(
    context: Context, session: str | None
) -> None:
    holdouts = (put_holdout(context.blobs, session=session), put_holdout(context.blobs, start=2000))
    manifest = read_manifest(
        context.blobs, read_reference(run(context, holdouts=holdouts)), Members
    )
    assert manifest.evaluation is not None
    report = read_manifest(context.blobs, manifest.evaluation, Evaluation)
    assert report.n_sessions == 12 + 1
    low, high = report.intervals["accuracy"]
    assert low <= report.committee["accuracy"] <= high


def test_calibrating_on_sessions_that_are_also_trained_on_is_told(context: Context) -> None:
    dataset = put_dataset(context.blobs, sessions=["s"] * 30)
    assert notes_of(context, dataset) == (
        "temperatures: 1 sessions or clusters of duplicates are also trained on, because "
        "sessions are too few or too long to keep whole ones out",
        "no intervals: the holdout is of one session",
    )


def test_a_data_set_of_an_earlier_version_is_still_learned(context: Context) -> None:
    snapshot = read_manifest(context.blobs, put_dataset(context.blobs), Dataset)
    earlier = pa.schema(field for field in DATASET if field.metadata != LATER)
    assert set(DATASET.names) - set(earlier.names) == {"lure_weight", "session", "cluster"}
    table = read_table(context.blobs, snapshot.table, DATASET)
    ref = write_table(context.blobs, table, earlier, prefix="datasets")
    older = snapshot.model_copy(update={"table": ref})
    dataset = write_manifest(context.blobs, older, prefix="datasets")
    assert notes_of(context, dataset) == ("no intervals: the holdout is of one session",)


def notes_of(context: Context, dataset: BlobRef) -> tuple[str, ...]:
    manifest = read_manifest(context.blobs, read_reference(run(context, dataset)), Members)
    assert manifest.evaluation is not None
    return read_manifest(context.blobs, manifest.evaluation, Evaluation).notes


def test_a_dataset_without_labels_is_refused(context: Context) -> None:
    dataset = reference_text(put_dataset(context.blobs, n=0))
    with pytest.raises(BadInput, match="found none to train on"):
        steps.plan(context, round_id="r0", dataset=dataset)


def test_the_committee_answers_with_each_members_own_temperature(context: Context) -> None:
    ref = read_reference(run(context))
    model = CommitteeModel.load(context.blobs, ref)
    frames = holdout_frames(context, ref)
    answer = model.score(frames)
    assert answer.class_probs().shape == (12, 2, 3)
    assert answer.members_answered == ("m0", "m1")
    assert answer.class_probs().sum(axis=2) == pytest.approx(1.0, abs=1e-5)
    again = CommitteeModel.load(context.blobs, ref).score(frames)
    assert again.class_probs().tobytes() == answer.class_probs().tobytes()


def holdout_frames(context: Context, ref: BlobRef) -> list[bytes]:
    manifest = read_manifest(context.blobs, ref, Members)
    assert manifest.evaluation is not None
    report = read_manifest(context.blobs, manifest.evaluation, Evaluation)
    table = read_table(context.blobs, report.holdouts[0], HOLDOUT)
    return [context.blobs.get(frame) for frame in frame_refs(table)]


def test_a_member_that_fails_is_left_out_and_named_by_its_absence(context: Context) -> None:
    ref = read_reference(run(context))
    model = CommitteeModel.load(context.blobs, ref)
    frames = holdout_frames(context, ref)
    good = model._members[1]
    broken = dataclasses.replace(model._members[0], network=Broken())  # type: ignore[arg-type]
    partial = CommitteeModel([broken, good], class_names=CLASSES).score(frames)
    assert partial.members_answered == ("m1",)
    assert partial.class_probs().shape == (12, 1, 3)
    with pytest.raises(Retryable, match="found none"):
        CommitteeModel([broken], class_names=CLASSES).score(frames)


class Broken:
    def eval(self) -> None: ...

    def parameters(self) -> Iterator[torch.Tensor]:
        yield torch.zeros(1)

    def __call__(self, inputs: object) -> object:
        raise RuntimeError("out of memory")


def test_a_checkpoint_with_other_bytes_is_refused(context: Context) -> None:
    ref = read_reference(run(context))
    manifest = read_manifest(context.blobs, ref, Members)
    other = context.blobs.put(b"no checkpoint", prefix="models", media_type="x")
    spoiled = manifest.model_copy(
        update={"members": (manifest.members[0].model_copy(update={"checkpoint": other}),)}
    )
    where = write_manifest(context.blobs, spoiled, prefix="models")
    with pytest.raises(IntegrityError, match="expected a checkpoint"):
        CommitteeModel.load(context.blobs, where)


def test_planning_and_registering_do_not_wait_for_torch() -> None:
    code = "import sys, retrain.steps, retrain.app, winnow.tasks.committee; assert 'torch' not in sys.modules, 'torch'; assert 'kfp' not in sys.modules, 'kfp'"  # noqa: E501
    subprocess.run([sys.executable, "-c", code], check=True, cwd="pipelines")

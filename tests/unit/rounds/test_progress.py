"""What the stopping rules get to see of the rounds that closed."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rounds import handlers
from tests.unit.rounds.world import PERIOD, Frame, RoundsWorld, members_of
from winnow.contracts.artifacts import read_manifest, write_manifest, write_table
from winnow.contracts.manifests import Evaluation, Members, StopSet
from winnow.contracts.round_progress import progress_after
from winnow.contracts.score_ages import why_score_again
from winnow.contracts.tables import ORACLE
from winnow.domain.blob_ref import BlobRef
from winnow.domain.boxes import Box, label_of
from winnow.domain.events import CommitteeRolled
from winnow.domain.ids import BudgetId, CommitteeVersion, Micros, RoundId, derived_uuid
from winnow.domain.labeling_rows import PromotionRow
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.domain.money import Allocate, BudgetKind, Commit, Reserve
from winnow.domain.tables import BATCHES, COMMITTEES, PROMOTIONS, ROUNDS, BatchRow, CommitteeRow
from winnow.policy.model import Policy
from winnow.policy.stopping_section import RescoringSection
from winnow.stopping import ClassRecall, Progress

FRAMES = [Frame("a", 1), Frame("b", 2), Frame("c", 3), Frame("d", 4)]
NOTHING = BlobRef("files", "x", "0" * 64, 1, "x")


@pytest.fixture
def world(tmp_path: Path) -> RoundsWorld:
    found = RoundsWorld(tmp_path)
    found.ready(FRAMES)
    found.fund(BudgetKind.AUTO_LABEL_INFERENCE, 10_000)
    return found


def put_classes(world: RoundsWorld, predictions: Sequence[object]) -> BlobRef:
    sink = io.BytesIO()
    np.save(sink, np.array(predictions, dtype=np.int32))
    return world.blobs.put(sink.getvalue(), prefix="models", media_type="application/x-npy")


def put_boxes(world: RoundsWorld, predictions: Sequence[object]) -> BlobRef:
    ids = [f"h{number}" for number in range(len(predictions))]
    table = pa.table([ids, list(predictions)], schema=ORACLE)
    return write_table(world.blobs, table, ORACLE, prefix="models")


def trained(
    world: RoundsWorld,
    round_id: str,
    predictions: Sequence[int] | Sequence[str],
    *,
    accuracies: Sequence[float] = (0.8, 0.9),
    norms: Sequence[float] = (3.0, 5.0),
    recall: float = 0.5,
    frames: str = "f",
    classes: tuple[str, ...] = ("a", "b"),
) -> BlobRef:
    """Write a committee with its evaluation on a holdout: of detection if it predicts texts."""
    detects = isinstance(predictions[0], str)
    said = put_boxes(world, predictions) if detects else put_classes(world, predictions)
    evaluation = Evaluation(
        committee_version=f"c{round_id[1:]}", round_id=round_id, holdouts=(),
        n_holdout=len(predictions), n_left_out=0, committee={}, members={},
        classes={"a": {"n": 30.0, "recall": recall}, "b": {"n": 0.0}},
        stop_set=StopSet(
            frames_sha256=frames, predictions=said, mean_entropy=None if detects else 0.25
        ),
    )  # fmt: skip
    members = members_of(round_id, classes, {"accuracy": float(np.mean(accuracies))})
    each = tuple(
        member.model_copy(update={"metrics": {"accuracy": accuracy, "weight_norm": norm}})
        for member, accuracy, norm in zip(members.members, accuracies, norms, strict=True)
    )
    ref = write_manifest(world.blobs, evaluation, prefix="models")
    kind = DETECTION if detects else CLASSIFICATION
    update = {"members": each, "evaluation": ref, "label_kind": kind}
    document = members.model_copy(update=update)
    return write_manifest(world.blobs, document, prefix="models")


def run(world: RoundsWorld, policy: Policy, committee: BlobRef, n_labels: int) -> dict[str, object]:
    """Let a round go through to its committee; give its stop record."""
    with world.ledger.snapshot() as view:
        number = max((row.number for row in view.records.find(ROUNDS)), default=-1)
        waiting = view.records.find(ROUNDS, state="requested")
    round_id = waiting[0].key if waiting else f"r{number + 1}"
    if not waiting:
        world.open(policy)
    assert world.tick()
    with world.ledger.transaction() as tx:
        tx.records.insert(
            BATCHES, BatchRow(f"{round_id}-batch", round_id, "approved", 1, 1, NOTHING, 5)
        )
        tx.records.insert(
            PROMOTIONS,
            PromotionRow(f"{round_id}-dataset", round_id, 1, n_labels, "x", NOTHING, NOTHING),
        )
        version = CommitteeVersion(f"c{round_id[1:]}")
        tx.records.insert(
            COMMITTEES, CommitteeRow(version, round_id, "active", committee, "0" * 64)
        )
    pay(world, round_id, 70)
    event = CommitteeRolled(RoundId(round_id), version, (), 1, committee)
    with world.ledger.transaction() as tx:
        handlers.on_committee_rolled(event, tx=tx, ports=world.ports)
    record: dict[str, object] = json.loads(world.round(round_id).stop)
    return record


def pay(world: RoundsWorld, round_id: str, amount: int) -> None:
    now, budget = world.clock.now(), BudgetId("human_annotation")
    reservation = derived_uuid("paid", round_id)
    request = Reserve(
        transfer_id=reservation, budget_id=budget, period=PERIOD, amount=Micros(100),
        expires_at=now, subject="t", round_id=round_id, at=now,
    )  # fmt: skip
    with world.ledger.transaction() as tx:
        tx.money.reserve([request])
        tx.money.commit(Commit(derived_uuid("c", round_id), reservation, Micros(amount), now))


def progress(world: RoundsWorld, policy: Policy, newest: BlobRef) -> Progress:
    with world.ledger.snapshot() as view:
        return progress_after(
            view,
            world.blobs,
            view.records.find(ROUNDS),
            policy,
            newest=read_manifest(world.blobs, newest, Members),
        )


def numbers(record: Mapping[str, object], rule: str) -> dict[str, float | None]:
    verdicts = record["verdicts"]
    assert isinstance(verdicts, list)
    (found,) = [verdict["numbers"] for verdict in verdicts if verdict["rule"] == rule]
    return dict(found)


POLICY = Policy.model_validate(
    {"stopping": {"kappa_min": 0.9, "kappa_rounds": 1, "weight_change_max": 0.001}}
)


def test_all_that_is_measured_reaches_the_rules(world: RoundsWorld) -> None:
    first = trained(world, "r0", [0, 0, 1, 1], recall=0.4)
    second = trained(world, "r1", [0, 0, 1, 0], norms=(4.0, 5.0), accuracies=(0.9, 0.9))
    run(world, POLICY, first, n_labels=10)
    record = run(world, POLICY, second, n_labels=25)
    found = progress(world, POLICY, second)
    assert found.accuracies == pytest.approx((0.85, 0.9))
    assert found.accuracy_errors == pytest.approx((0.05, 0.0))
    assert found.n_labels == (10, 25)
    assert found.spent_micros == (70, 70)
    assert found.recalls == ((ClassRecall("a", 0.4, 30),), (ClassRecall("a", 0.5, 30),))
    assert found.kappas == (None, 0.5)
    assert found.weight_changes == (None, 0.125)
    assert found.mean_entropies == (0.25, 0.25)
    assert found.n_unlabeled == 3
    assert found.available_micros == 1_000_000 - 140
    assert found.frame_price_micros == POLICY.money.label_price_micros
    assert numbers(record, "prediction_stability")["kappa_newest"] == 0.5
    assert numbers(record, "return_on_labels")["gain_per_100_labels"] == pytest.approx(1 / 3)


def test_committees_that_agree_stop_the_loop(world: RoundsWorld) -> None:
    run(world, POLICY, trained(world, "r0", [0, 1, 1]), n_labels=10)
    record = run(world, POLICY, trained(world, "r1", [0, 1, 1]), n_labels=20)
    assert (record["stop"], record["rule"]) == (True, "prediction_stability")
    with world.ledger.snapshot() as view:
        assert not view.records.find(ROUNDS, state="requested")


def boxes_at(*places: int) -> list[str]:
    """Give labels of one frame each, with a box that lies so far to the right."""
    return [label_of([Box("a", x, 0, 10, 10)]) for x in places]


def test_detectors_that_see_the_same_boxes_stop_the_loop(world: RoundsWorld) -> None:
    run(world, POLICY, trained(world, "r0", boxes_at(0, 0, 0)), n_labels=10)
    record = run(world, POLICY, trained(world, "r1", boxes_at(1, 2, 30)), n_labels=20)
    assert record["stop"] is False
    newest = trained(world, "r2", boxes_at(1, 1, 31))
    record = run(world, POLICY, newest, n_labels=30)
    found = progress(world, POLICY, newest)
    assert found.kappas == (None, 2 / 3, 1.0)
    assert found.mean_entropies == (None, None, None)
    assert (record["stop"], record["rule"]) == (True, "prediction_stability")


def test_detectors_that_see_nothing_have_nothing_to_agree_about(world: RoundsWorld) -> None:
    run(world, POLICY, trained(world, "r0", ["[]", "[]"]), n_labels=10)
    newest = trained(world, "r1", ["[]", "[]"], norms=(9.0, 9.0))
    record = run(world, POLICY, newest, n_labels=20)
    assert progress(world, POLICY, newest).kappas == (None, None)
    assert record["stop"] is False


def test_other_holdout_frames_or_classes_cannot_be_compared(world: RoundsWorld) -> None:
    run(world, POLICY, trained(world, "r0", [0, 1, 1]), n_labels=10)
    run(world, POLICY, trained(world, "r1", [0, 1, 1], frames="g"), n_labels=20)
    newest = trained(world, "r2", [0, 1, 1], frames="g", classes=("b", "a"))
    record = run(world, POLICY, newest, n_labels=30)
    found = progress(world, POLICY, newest)
    assert found.kappas == (None, None, None)
    assert found.weight_changes == (None, 0.0, None)
    assert record["stop"] is False


def test_what_an_earlier_version_did_not_measure_is_a_gap(world: RoundsWorld) -> None:
    world.open(POLICY)
    world.tick()
    world.roll("r0", 0.5)
    newest = trained(world, "r1", [0, 1])
    run(world, POLICY, newest, n_labels=20)
    found = progress(world, POLICY, newest)
    assert found.n_labels == (None, 20)
    assert found.accuracy_errors[0] is None
    assert found.accuracy_errors[1] == pytest.approx(0.05)
    assert found.recalls[0] == ()
    assert found.kappas == (None, None)


def test_a_round_that_closes_after_a_later_one_keeps_its_place(world: RoundsWorld) -> None:
    """Rounds overlap: the newest committee is not always that of the highest number."""
    run(world, POLICY, trained(world, "r0", [0, 1], accuracies=(0.5, 0.7)), n_labels=10)
    later = trained(world, "r1", [1, 1], accuracies=(0.9, 0.9))
    run(world, POLICY, later, n_labels=20)
    found = progress(world, POLICY, trained(world, "r0", [0, 0], accuracies=(0.4, 0.4)))
    assert found.accuracy_errors == (0.0, 0.0)
    assert found.mean_entropies == (0.25, 0.25)


def test_two_currencies_are_no_sum(world: RoundsWorld) -> None:
    newest = trained(world, "r0", [0, 1])
    run(world, POLICY, newest, n_labels=10)
    with world.ledger.transaction() as tx:
        euros = replace(tx.money.budget(BudgetId("human_annotation")), budget_id=BudgetId("qa"))
        euros = replace(
            euros, kind=BudgetKind.LABEL_QA, unit=replace(euros.unit, code="currency:EUR")
        )
        tx.money.put_budget(euros)
        now = world.clock.now()
        tx.money.allocate(
            Allocate(derived_uuid("f"), euros.budget_id, PERIOD, Micros(9), "owner", "ok", now)
        )
        request = Reserve(
            derived_uuid("r"), euros.budget_id, PERIOD, Micros(5), now, "t", "r0", now
        )
        (outcome,) = tx.money.reserve([request])
        assert outcome.applied, outcome
        tx.money.commit(Commit(derived_uuid("k"), request.transfer_id, Micros(5), now))
    assert progress(world, POLICY, newest).spent_micros == (None,)


@pytest.mark.parametrize(
    ("kappa_min", "frames", "reason"),
    [
        (None, "f", ""),
        (0.4, "f", ""),
        (0.6, "f", "agrees with the one that scored by kappa 0.50 only, expected 0.60"),
        (0.6, "others", ""),
    ],
    ids=["not asked for", "near enough", "too far", "not measurable"],
)
def test_scores_of_a_committee_that_the_newest_contradicts_are_made_again(
    world: RoundsWorld, kappa_min: float | None, frames: str, reason: str
) -> None:
    section = RescoringSection(score_age_max=5, kappa_min=kappa_min)
    before = trained(world, "r0", [0, 0, 1, 1])
    after = trained(world, "r1", [0, 0, 1, 0], frames=frames)
    with world.ledger.transaction() as tx:
        for number, (ref, state) in enumerate(((before, "retired"), (after, "active"))):
            tx.records.insert(
                COMMITTEES, CommitteeRow(f"c{number}", f"r{number}", state, ref, "0" * 64)
            )
    with world.ledger.snapshot() as view:
        assert why_score_again(view, world.blobs, section, "c0").endswith(reason)
        assert bool(why_score_again(view, world.blobs, section, "c0")) == bool(reason)
        assert why_score_again(view, world.blobs, section, "c1") == "", "that is the newest"

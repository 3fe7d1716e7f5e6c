"""Given these answers and reviewers, then these verdicts, money, reports and data sets."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from labeling_gateway import handlers as gateway
from qa import handlers as qa
from tests.unit.labeling.world import (
    FUNDS,
    PERFECT,
    PERFECT_REVIEW,
    PERIOD,
    World,
    frame_of,
    truth,
)
from winnow.contracts.artifacts import read_manifest, read_table, write_manifest, write_table
from winnow.contracts.manifests import Batch, Dataset
from winnow.contracts.promotions import months_later
from winnow.contracts.qa_lots import QA_PLAN, QaPlan
from winnow.contracts.qa_reports import QA_RESULTS
from winnow.contracts.tables import BATCH, DATASET
from winnow.domain.errors import Conflict, NotAllowed
from winnow.domain.events import (
    DatasetPromoted,
    LabelApprovalEnded,
    LabelReviewed,
    RoundHalted,
    Stage,
    TaskClosed,
    VerdictKind,
)
from winnow.domain.ids import BudgetId, Micros, derived_uuid
from winnow.domain.labels import LabelKey, Role
from winnow.domain.money import Allocate
from winnow.domain.tables import PROMOTIONS, QA_BATCHES, QaBatchRow
from winnow.evidence.promotion_record import PromotionRecord
from winnow.evidence.qa_report import QaReport

REVIEW = 40_000
SLOPPY = PERFECT.model_copy(update={"accuracy": 0.6, "seed": 1})
HOPELESS = PERFECT.model_copy(update={"accuracy": 0.0})
ALL = "qa: {sample_share: 1.0}"


def batch_row(world: World, round_id: str = "r1") -> QaBatchRow:
    with world.ledger.snapshot() as view:
        (row,) = view.records.find(QA_BATCHES, group=round_id)
    return row


def report_of(world: World) -> QaReport:
    row = batch_row(world)
    assert row.report is not None
    report = QaReport.model_validate_json(world.blobs.get(row.report))
    assert report.verify()
    return report


def rows_of(world: World, promoted: DatasetPromoted) -> list[dict[str, object]]:
    dataset = read_manifest(world.blobs, promoted.snapshot, Dataset)
    rows: list[dict[str, object]] = read_table(world.blobs, dataset.table, DATASET).to_pylist()
    return rows


def run(world: World, n_frames: int = 30, **batch: object) -> Sequence[object]:
    world.order(world.selected(n_frames, **batch))  # type: ignore[arg-type]
    return world.settle()


def nothing_is_reserved(world: World) -> bool:
    return all(
        world.balances(kind).reserved == 0
        for kind in ("human_annotation", "label_qa", "expert_review")
    )


def test_a_sample_is_inspected_the_rest_passes_and_the_data_set_is_promoted(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    facts = run(world, 30)
    (promoted,) = (event for event in facts if isinstance(event, DatasetPromoted))
    assert (promoted.promotion_seq, promoted.n_labels) == (1, 30)
    assert world.states() == {"approved_for_training": 30}
    verdicts = [event for event in facts if isinstance(event, LabelReviewed)]
    assert len(verdicts) == 30
    assert {event.verdict for event in verdicts} == {VerdictKind.PASSED}
    n_inspected = sum(item.inspected for item in world.items())
    assert 1 <= n_inspected < 20
    assert world.balances("label_qa").spent == n_inspected * REVIEW
    assert nothing_is_reserved(world)
    assert batch_row(world).state == "promoted"


def test_weights_go_from_the_batch_to_the_data_set_of_this_and_the_next_round(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    selected = world.selected(6)
    batch = read_manifest(world.blobs, selected.manifest, Batch)
    table = read_table(world.blobs, batch.table, BATCH)
    weights = pa.array([n / 8 for n in range(6)], type=pa.float64())
    weighed = table.set_column(table.schema.get_field_index("lure_weight"), "lure_weight", weights)
    ref = write_table(world.blobs, weighed, BATCH, prefix="selection")
    manifest = batch.model_copy(update={"table": ref})
    world.order(replace(selected, manifest=write_manifest(world.blobs, manifest, prefix="x")))
    (first,) = (event for event in world.settle() if isinstance(event, DatasetPromoted))
    assert [row["lure_weight"] for row in rows_of(world, first)] == weights.to_pylist()
    facts = run(world, 3, round_number=2, first=6)
    second = [event for event in facts if isinstance(event, DatasetPromoted)][-1]
    later = {row["frame_id"]: row["lure_weight"] for row in rows_of(world, second)}
    assert later == {frame_of(n): n / 8 if n < 6 else None for n in range(9)}


def test_the_data_set_lists_every_label_with_its_frame(tmp_path: Path) -> None:
    world = World(tmp_path)
    facts = run(world, 12)
    (promoted,) = (event for event in facts if isinstance(event, DatasetPromoted))
    rows = rows_of(world, promoted)
    assert [row["frame_id"] for row in rows] == [frame_of(n) for n in range(12)]
    for number, row in enumerate(rows):
        assert row["label"] == truth(frame_of(number))
        assert row["arm"] == ("random" if number % 5 == 0 else "policy")
        assert (row["session"], row["cluster"]) == ("s", frame_of(number))
        assert (row["revision"], row["round_id"]) == (1, "r1")
    dataset = read_manifest(world.blobs, promoted.snapshot, Dataset)
    assert (dataset.n_labels, dataset.seed) == (12, 1)


def test_a_second_round_promotes_all_labels_of_both(tmp_path: Path) -> None:
    world = World(tmp_path)
    run(world, 10)
    facts = run(world, 5, round_number=2, first=100)
    (promoted,) = (event for event in facts if isinstance(event, DatasetPromoted))
    assert (promoted.promotion_seq, promoted.n_labels) == (2, 15)
    assert [row["round_id"] for row in rows_of(world, promoted)] == ["r1"] * 10 + ["r2"] * 5


def test_two_batches_at_once_are_promoted_one_after_the_other(tmp_path: Path) -> None:
    world = World(tmp_path, chunk=4)
    world.order(world.selected(10))
    facts = run(world, 10, round_number=2, first=100)
    promoted = [event for event in facts if isinstance(event, DatasetPromoted)]
    assert [event.promotion_seq for event in promoted] == [1, 2]
    assert [event.n_labels for event in promoted] == [10, 20]


def test_the_plan_is_stored_with_the_probability_of_every_label(tmp_path: Path) -> None:
    world = World(tmp_path)
    run(world, 30, pre_labels=dict.fromkeys(range(30), "cat"))
    row = batch_row(world)
    assert row.plan is not None
    plan = read_manifest(world.blobs, row.plan, QaPlan)
    table = read_table(world.blobs, plan.table, QA_PLAN).to_pylist()
    assert len(table) == plan.n_lot == 30
    assert min(one["inclusion_probability"] for one in table) >= 0.05
    assert plan.expected_size == pytest.approx(6.0)
    differing = {one["inclusion_probability"] for one in table if one["differs"]}
    agreeing = {one["inclusion_probability"] for one in table if not one["differs"]}
    assert min(differing) == pytest.approx(4 * max(agreeing)), "four times as likely"


def test_accepting_the_prediction_at_once_is_always_inspected(tmp_path: Path) -> None:
    hasty = PERFECT.model_copy(update={"careless_share": 1.0})
    world = World(tmp_path, annotators=hasty)
    run(world, 12, pre_labels=dict.fromkeys(range(12), "cat"))
    assert all(item.inspected for item in world.items())
    assert {item.inclusion_probability for item in world.items()} == {1.0}


def test_reviewers_send_defects_back_and_the_rework_is_inspected_too(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=SLOPPY)
    facts = run(world, 30, policy=ALL)
    verdicts = [event for event in facts if isinstance(event, LabelReviewed)]
    returned = [event for event in verdicts if event.verdict is VerdictKind.RETURNED]
    assert returned
    assert {event.defects for event in returned} == {("WRONG_CLASS",)}
    (promoted,) = (event for event in facts if isinstance(event, DatasetPromoted))
    for row in rows_of(world, promoted):
        assert row["label"] == truth(row["frame_id"]), "reviewers are perfect here"  # type: ignore[arg-type]
    report = report_of(world)
    first = {event.task_id for event in returned if event.attempt == 1}
    assert report.rework_rate == pytest.approx(len(first) / 30)
    assert report.defect_rate.mean == pytest.approx(len(first) / 30)
    assert report.defect_rate.lower == report.defect_rate.upper == report.defect_rate.mean
    assert nothing_is_reserved(world)


def test_a_label_is_rejected_after_two_returns(tmp_path: Path) -> None:
    hasty = PERFECT.model_copy(update={"careless_share": 1.0})
    world = World(tmp_path, annotators=hasty)
    facts = run(world, 3, policy=ALL, pre_labels={0: "dog", 1: "owl", 2: "cat"})
    closed = [event for event in facts if isinstance(event, TaskClosed)]
    verdicts = [event for event in facts if isinstance(event, LabelReviewed)]
    assert sorted(event.attempt for event in closed) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [event.verdict for event in verdicts if event.attempt == 3] == [VerdictKind.REJECTED] * 3
    assert {event.verdict for event in verdicts if event.attempt < 3} == {VerdictKind.RETURNED}
    for label in world.labels():
        with world.ledger.snapshot() as view:
            steps = view.labels.history(label.key)
        people = {step.actor.name for step in steps if step.actor.role is Role.ANNOTATOR}
        assert len(people) == 1
        assert label.key.revision == 3
    assert world.balances("human_annotation").spent == 9 * 80_000
    assert world.balances("label_qa").spent == 9 * REVIEW
    assert nothing_is_reserved(world)


def test_a_round_in_which_nothing_passes_halts_and_keeps_its_report(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=HOPELESS)
    facts = run(world, 4, policy="qa: {sample_share: 1.0, reworks_max: 0}")
    (halted,) = (event for event in facts if isinstance(event, RoundHalted))
    assert (halted.stage, halted.reason) == (Stage.QA, "no label passed")
    assert world.states() == {"rejected": 4}
    assert dict(report_of(world).n_labels) == {"rejected": 4}
    assert batch_row(world).state == "rejected"


def test_a_batch_that_everybody_skips_ends(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"skip_share": 1.0}))
    facts = run(world, 6)
    (halted,) = (event for event in facts if isinstance(event, RoundHalted))
    assert halted.reason == "no frame of the batch was labeled"
    assert world.balances("human_annotation").available == FUNDS
    assert world.balances("label_qa").available == FUNDS
    assert world.settle() == []


def test_no_money_for_inspections_halts_the_round(tmp_path: Path) -> None:
    world = World(tmp_path, funds={"label_qa": 0})
    facts = run(world, 40)
    (halted,) = (event for event in facts if isinstance(event, RoundHalted))
    assert halted.reason.startswith("label_qa budget")
    assert world.states() == {"rejected": 40}
    with world.ledger.snapshot() as view:
        steps = view.labels.history(world.labels()[0].key)
    assert [step.to_state for step in steps][-2:] == ["human_labeled", "rejected"]
    assert steps[-1].reason.startswith("round halted: label_qa budget")
    assert nothing_is_reserved(world)


def test_the_next_round_takes_the_frames_of_a_halted_one(tmp_path: Path) -> None:
    world = World(tmp_path, funds={"label_qa": 0}, chunk=15)
    run(world, 40)
    assert batch_row(world).state == "rejected"
    more = Allocate(
        derived_uuid("more"), BudgetId("label_qa"), PERIOD, Micros(FUNDS), "olga", "ok",
        world.clock.now(),
    )  # fmt: skip
    with world.ledger.transaction() as tx:
        tx.money.allocate(more)
    (promoted,) = (
        event for event in run(world, 40, round_number=2) if isinstance(event, DatasetPromoted)
    )
    assert promoted.n_labels == 40
    assert world.states("r1") == {}, "the newest revisions are those of the second round"
    assert {label.key.revision for label in world.labels("r2")} == {2}


def test_a_review_tool_that_lost_its_file_gets_the_reviews_again(tmp_path: Path) -> None:
    slow = PERFECT_REVIEW.model_copy(update={"lag_seconds": 3600})
    world = World(tmp_path, reviewers=slow)
    assert run(world, 6, policy="qa: {sample_share: 1.0}")
    assert {item.state for item in world.items()} == {"inspecting"}
    for path in tmp_path.glob("reviewers.db*"):
        path.unlink()
    world.do(qa.on_reconcile_tick, ports=world.qa)
    world.do(qa.on_reconcile_tick, ports=world.qa)
    world.clock.advance(hours=24)
    assert any(isinstance(event, DatasetPromoted) for event in world.settle())
    assert world.balances("label_qa").spent == 6 * REVIEW
    assert nothing_is_reserved(world)


def test_little_money_makes_a_smaller_sample_that_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, funds={"label_qa": 5 * REVIEW})
    run(world, 60, policy="qa: {sample_share: 0.5}")
    report = report_of(world)
    assert report.plan.sample_share < 0.5
    assert 0 < report.plan.n_drawn <= 5
    assert world.states() == {"approved_for_training": 60}


def test_too_many_defects_mean_that_everything_is_inspected(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=SLOPPY)
    facts = run(world, 40, policy="qa: {sample_share: 0.3, defect_rate_max: 0.05}")
    report = report_of(world)
    assert report.plan.decision == "all_inspected"
    assert all(item.inspected for item in world.items())
    (promoted,) = (event for event in facts if isinstance(event, DatasetPromoted))
    for row in rows_of(world, promoted):
        assert row["label"] == truth(row["frame_id"])  # type: ignore[arg-type]
    assert report.defect_rate.n == 40


def test_a_lot_of_which_nothing_was_drawn_is_inspected_whole(tmp_path: Path) -> None:
    world = World(tmp_path)
    run(world, 2, policy="qa: {sample_share: 0.0, inclusion_floor: 0.000001}")
    assert all(item.inspected for item in world.items())
    assert world.states() == {"approved_for_training": 2}


def bad_lot_without_money(tmp_path: Path) -> World:
    world = World(tmp_path, annotators=HOPELESS, funds={"label_qa": 12 * REVIEW})
    run(world, 40, policy="qa: {sample_share: 0.2, defect_rate_max: 0.05, reworks_max: 0}")
    return world


def test_a_bad_lot_without_money_waits_for_the_steward(tmp_path: Path) -> None:
    world = bad_lot_without_money(tmp_path)
    row = batch_row(world)
    assert (row.state, row.stage) == ("collecting", "steward")
    assert "label_qa cannot pay for the other" in row.reason
    assert world.settle() == []
    answer = world.promote()
    assert answer["n_uninspected"] == world.states()["human_labeled"]
    (promoted,) = (event for event in world.settle() if isinstance(event, DatasetPromoted))
    assert promoted.n_labels == answer["n_uninspected"]
    assert report_of(world).plan.decision == "accepted_by_steward"


def test_new_money_lets_a_waiting_lot_go_on_by_itself(tmp_path: Path) -> None:
    world = bad_lot_without_money(tmp_path)
    assert batch_row(world).stage == "steward"
    world.fund("label_qa", 100 * REVIEW, name="more")
    world.settle()
    assert all(item.inspected for item in world.items())
    assert report_of(world).plan.decision == "all_inspected"
    assert nothing_is_reserved(world)


def test_one_waiting_batch_does_not_hold_up_another(tmp_path: Path) -> None:
    world = World(tmp_path)
    run(world, 6, policy="qa: {promotion: person}")
    facts = run(world, 6, round_number=2, first=50)
    assert [event.round_id for event in facts if isinstance(event, DatasetPromoted)] == ["r2"]


def test_a_person_promotes_where_the_policy_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    facts = run(world, 10, policy="qa: {promotion: person}")
    assert not any(isinstance(event, DatasetPromoted) for event in facts)
    assert world.states() == {"qa_passed": 10}
    with pytest.raises(NotAllowed):
        world.promote(role=Role.ML_ENGINEER)
    world.promote(actor="stella")
    (promoted,) = (event for event in world.settle() if isinstance(event, DatasetPromoted))
    assert promoted.n_labels == 10
    row = batch_row(world)
    assert row.record is not None
    record = PromotionRecord.model_validate_json(world.blobs.get(row.record))
    assert record.verify()
    assert (record.approvers[0].name, record.order) == ("stella", "command")
    with pytest.raises(Conflict):
        world.promote()


def test_promoting_what_is_not_settled_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(3))
    with pytest.raises(Conflict, match="found answers"):
        world.promote()
    with pytest.raises(Conflict, match="no batch"):
        world.promote(round_id="r9")


def test_an_approval_rests_on_its_record(tmp_path: Path) -> None:
    world = World(tmp_path)
    run(world, 6, policy="qa: {approval_months: 12, allowed_use: exploratory_training}")
    row = batch_row(world)
    assert row.record is not None
    record = PromotionRecord.model_validate_json(world.blobs.get(row.record))
    assert record.allowed_use == "exploratory_training"
    assert record.dataset_ids == ("r1-dataset",)
    assert record.qa_report_id == report_of(world).id
    assert record.expires_at == months_later(world.clock.now(), 12).isoformat()
    with world.ledger.snapshot() as view:
        step = view.labels.history(LabelKey(frame_of(0), "classification", 1))[-1]
    assert json.loads(step.evidence)["promotion_record"] == row.record.key
    assert (step.actor.name, step.actor.role) == ("steward", Role.DATA_STEWARD)


def test_nobody_judges_their_own_label(tmp_path: Path) -> None:
    world = World(tmp_path)
    run(world, 20, policy=ALL)
    for item in world.items():
        assert item.reviewer.startswith("reviewer")
        assert item.reviewer not in item.annotators


def test_facts_twice_and_in_any_order_come_to_the_same_end(tmp_path: Path) -> None:
    world, same = World(tmp_path / "a"), World(tmp_path / "b")
    run(world, 20)
    event = same.selected(20)
    same.do(gateway.on_batch_selected, event, ports=same.gateway)
    for closed in same.label()[::-1] * 2:  # every answer before the batch, backwards, twice
        same.tell(closed)
    for _ in range(2):
        same.do(qa.on_batch_selected, event)
    same.settle()
    for fact in list(same.facts):
        same.tell(fact)
    assert same.settle() == []
    assert same.states() == world.states()
    assert same.balances("label_qa") == world.balances("label_qa")
    assert [replace(i, reviewer="") for i in same.items()] == [
        replace(i, reviewer="") for i in world.items()
    ]  # fmt: skip


def test_reviews_twice_are_paid_once(tmp_path: Path) -> None:
    crowd = PERFECT_REVIEW.model_copy(update={"duplicate_share": 1.0, "answers_per_poll": 3})
    world = World(tmp_path, reviewers=crowd)
    run(world, 20, policy=ALL)
    assert world.balances("label_qa").spent == 20 * REVIEW
    verdicts = [event for event in world.facts if isinstance(event, LabelReviewed)]
    assert len(verdicts) == 20


def test_what_a_reviewer_cannot_judge_is_rejected_and_not_paid(tmp_path: Path) -> None:
    crowd = PERFECT_REVIEW.model_copy(update={"skip_share": 1.0})
    world = World(tmp_path, reviewers=crowd)
    run(world, 5, policy=ALL)
    assert world.states() == {"rejected": 5}
    assert world.balances("label_qa").available == FUNDS
    assert dict(report_of(world).defects) == {"UNLABELABLE": 5}


def test_an_inspection_that_nobody_does_expires(tmp_path: Path) -> None:
    crowd = PERFECT_REVIEW.model_copy(update={"lag_seconds": 1e9})
    world = World(tmp_path, reviewers=crowd)
    run(world, 4, policy="{label: {task_timeout_hours: 24}, qa: {sample_share: 1.0}}")
    assert world.do(qa.on_expire_tick, ports=world.qa) == []
    world.clock.advance(hours=25)
    verdicts = world.do(qa.on_expire_tick, ports=world.qa)
    assert len(verdicts) == 4
    assert world.states() == {"rejected": 4}
    assert world.balances("label_qa").available == FUNDS
    (halted,) = (event for event in world.settle() if isinstance(event, RoundHalted))
    assert halted.reason == "no label passed"


def test_a_rework_that_cannot_be_paid_for_ends_as_rejected(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=HOPELESS, funds={"human_annotation": 4 * 80_000})
    run(world, 4, policy=ALL)
    assert world.states() == {"rejected": 4}
    assert {item.state for item in world.items()} == {"returned", "rejected"}
    assert nothing_is_reserved(world)


def test_a_rework_that_cannot_be_inspected_is_rejected(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=HOPELESS, funds={"label_qa": 4 * REVIEW})
    run(world, 4, policy=ALL)
    assert world.states() == {"rejected": 4}
    assert world.balances("label_qa").spent == 4 * REVIEW
    assert nothing_is_reserved(world)


def test_a_tied_vote_is_decided_by_an_expert(tmp_path: Path) -> None:
    torn = PERFECT.model_copy(update={"accuracy": 0.5, "n_annotators": 2, "seed": 2})
    world = World(tmp_path, annotators=torn)
    run(world, 20, policy="{label: {slots: 2}, qa: {reworks_max: 0}}")
    ties = [item for item in world.items() if item.adjudicated]
    assert ties
    assert all(item.inspected for item in ties)
    assert world.balances("expert_review").spent == len(ties) * REVIEW
    report = report_of(world)
    assert report.n_adjudicated == len(ties)
    assert report.agreement_alpha is not None
    assert report.agreement_alpha < 0.6
    with world.ledger.snapshot() as view:
        roles = {
            step.actor.role
            for tie in ties
            if tie.state == "passed"
            for step in view.labels.history(LabelKey(tie.frame_id, "classification", 1))  # type: ignore[arg-type]
        }
    assert Role.ADJUDICATOR in roles


def test_without_money_for_experts_any_reviewer_decides_a_tie(tmp_path: Path) -> None:
    torn = PERFECT.model_copy(update={"accuracy": 0.5, "n_annotators": 2, "seed": 2})
    world = World(tmp_path, annotators=torn, funds={"expert_review": 0})
    run(world, 20, policy="{label: {slots: 2}, qa: {reworks_max: 0}}")
    assert not any(item.adjudicated for item in world.items())
    assert batch_row(world).state == "promoted"


def test_three_slots_give_one_label_each_in_the_data_set(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"accuracy": 0.9}))
    facts = run(world, 15, policy="label: {slots: 3}")
    (promoted,) = (event for event in facts if isinstance(event, DatasetPromoted))
    assert promoted.n_labels == world.states()["approved_for_training"]
    assert len(world.items()) >= 45


def test_the_report_speaks_for_the_lot_and_its_slices(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"accuracy": 0.9}))
    run(world, 60, policy="qa: {sample_share: 0.4, defect_rate_max: 1.0}",
        pre_labels=dict.fromkeys(range(60), "cat"))  # fmt: skip
    report = report_of(world)
    assert report.plan.decision == "lot_accepted"
    assert report.defect_rate.n == report.plan.n_drawn
    assert report.defect_rate.mean is not None
    assert report.defect_rate.lower is not None
    assert report.defect_rate.upper is not None
    assert report.defect_rate.lower <= report.defect_rate.mean <= report.defect_rate.upper
    for name in ("class", "arm", "site"):
        some = [one for one in report.slices if one.name == name]
        assert sum(one.n_labels for one in some) == 60
        assert sum(one.n_inspected for one in some) == report.plan.n_drawn
    table = read_table(world.blobs, report.items, QA_RESULTS)
    assert table.num_rows == len(world.items())
    assert 0.2 < (report.pre_label_agreement or 0) < 0.5


def test_approvals_end_and_name_the_data_sets(tmp_path: Path) -> None:
    world = World(tmp_path, chunk=4)
    run(world, 6, policy="qa: {approval_months: 1}")
    assert world.do(qa.on_approvals_tick, ports=world.qa) == []
    world.clock.advance(days=32)
    ended = [event for _ in range(3) for event in world.do(qa.on_approvals_tick, ports=world.qa)]
    assert len(ended) == 6
    assert all(isinstance(event, LabelApprovalEnded) for event in ended)
    assert {event.dataset_ids for event in ended} == {("r1-dataset",)}  # type: ignore[union-attr]
    assert world.states() == {"qa_passed": 6}
    facts = run(world, 3, round_number=2, first=50)
    (promoted,) = (event for event in facts if isinstance(event, DatasetPromoted))
    assert promoted.n_labels == 3, "what is no longer approved is in no new data set"


def test_a_large_batch_goes_in_small_transactions(tmp_path: Path) -> None:
    world = World(tmp_path, chunk=7)
    run(world, 20)
    assert world.states() == {"approved_for_training": 20}
    with world.ledger.snapshot() as view:
        assert len(view.records.find(PROMOTIONS)) == 1


@pytest.mark.parametrize("seed", range(3))
def test_money_is_conserved_whatever_people_do(tmp_path: Path, seed: int) -> None:
    crowd = PERFECT.model_copy(
        update={"accuracy": 0.7, "skip_share": 0.2, "duplicate_share": 0.3, "seed": seed,
                "lag_seconds": 60.0, "careless_share": 0.1}
    )  # fmt: skip
    reviewers = PERFECT_REVIEW.model_copy(
        update={"accuracy": 0.9, "skip_share": 0.1, "lag_seconds": 30.0, "seed": seed}
    )
    world = World(tmp_path, annotators=crowd, reviewers=reviewers, chunk=5)
    world.order(world.selected(25, pre_labels=dict.fromkeys(range(0, 25, 2), "dog")))
    while batch_row(world).state == "collecting":
        world.settle()
        world.clock.advance(minutes=10)
    assert batch_row(world).state == "promoted"
    closed = [event for event in world.facts if isinstance(event, TaskClosed)]
    assert len({event.task_id for event in closed}) == len(closed) == len(world.tasks())
    n_labeled = sum(event.outcome == "labeled" for event in closed)
    for kind, spent in (("human_annotation", n_labeled * 80_000), ("label_qa", None)):
        balances = world.balances(kind)
        assert balances.reserved == 0
        assert balances.available + balances.spent == FUNDS
        assert spent is None or balances.spent == spent
    reviewed = [i for i in world.items() if i.reviewer and i.defects != ("UNLABELABLE",)]
    assert world.balances("label_qa").spent == len(reviewed) * REVIEW
    assert set(world.states()) <= {"approved_for_training", "rejected"}


def test_months_end_on_the_last_day_there_is() -> None:
    assert months_later(datetime(2024, 2, 29, tzinfo=UTC), 24) == datetime(2026, 2, 28, tzinfo=UTC)
    assert months_later(datetime(2026, 11, 30, tzinfo=UTC), 3) == datetime(2027, 2, 28, tzinfo=UTC)
    assert months_later(datetime(2026, 1, 5, tzinfo=UTC), 12) == datetime(2027, 1, 5, tzinfo=UTC)

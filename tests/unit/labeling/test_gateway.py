"""Given an approved batch, these answers, then these tasks, labels, money and facts."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from labeling_gateway import handlers as gateway
from tests.unit.labeling.world import CLASSES, FUNDS, PERFECT, World, frame_of, truth
from winnow.contracts.answers import read_answer
from winnow.domain.errors import NotFound
from winnow.domain.events import Event, LabelReviewed, TaskClosed, TaskOutcome, VerdictKind
from winnow.domain.ids import BatchId, RoundId, TaskId, derived_uuid
from winnow.domain.labels import LabelKey
from winnow.domain.money import Release
from winnow.domain.tables import CURSORS, GATEWAY_EXCEPTIONS, PROJECTS, ExceptionRow
from winnow.evidence.pre_annotation import PreAnnotationRecord
from winnow.ports.labeling_tool import Answer, LabelingTool
from winnow.ports.ledger import Transaction

PRICE = 80_000


class Meddling:
    """A tool whose answers somebody changes on the way, and that does not listen to cancel."""

    def __init__(self, inner: LabelingTool, **changes: object) -> None:
        self._inner = inner
        self._changes = changes
        self.ensure_project = inner.ensure_project
        self.submit = inner.submit

    def poll(self, cursor: str) -> tuple[Sequence[Answer], str]:
        answers, after = self._inner.poll(cursor)
        return [replace(answer, **self._changes) for answer in answers], after  # type: ignore[arg-type]

    def cancel(self, project_id: str, task_ids: Sequence[TaskId]) -> None:
        del project_id, task_ids


def exceptions(world: World) -> list[ExceptionRow]:
    with world.ledger.snapshot() as view:
        return list(view.records.find(GATEWAY_EXCEPTIONS))


def returned(closed: TaskClosed, *defects: str) -> LabelReviewed:
    return LabelReviewed(
        closed.task_id, closed.round_id, closed.batch_id, closed.frame_id, VerdictKind.RETURNED,
        defects or ("WRONG_CLASS",), closed.attempt,
    )  # fmt: skip


def test_a_batch_is_labeled_and_paid_for_task_by_task(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(12))
    assert world.balances("human_annotation").reserved == 12 * PRICE
    closed = world.label()
    assert len(closed) == 12
    assert {event.outcome for event in closed} == {TaskOutcome.LABELED}
    assert world.states() == {"human_labeled": 12}
    balances = world.balances("human_annotation")
    assert (balances.spent, balances.reserved) == (12 * PRICE, 0)
    for label in world.labels():
        assert json.loads(label.value) == {"label": truth(label.key.frame_id)}
        assert label.annotator.startswith("annotator-")


def test_a_closed_task_carries_answer_and_raw_payload(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(1))
    (event,) = world.label()
    assert event.answer is not None
    document = read_answer(world.blobs, event.answer)
    assert (document.label, document.annotator) == (truth(frame_of(0)), event.annotator)
    assert event.effort_ms == document.effort_ms > 0
    assert document.raw


def test_predictions_are_on_record_before_a_task_is_visible(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(6, pre_labels={0: "cat", 1: "owl"}))
    assert world.states() == {"pre_labeled": 2, "candidate": 4}
    with world.ledger.snapshot() as view:
        (project,) = view.records.find(PROJECTS)
    assert project.pre_annotations is not None
    record = PreAnnotationRecord.model_validate_json(world.blobs.get(project.pre_annotations))
    assert record.verify()
    assert [(shown.frame_id, shown.label) for shown in record.predictions] == [
        (frame_of(0), "cat"), (frame_of(1), "owl"),
    ]  # fmt: skip
    world.label()
    with world.ledger.snapshot() as view:
        steps = view.labels.history(LabelKey(frame_of(0), "classification", 1))
    assert [step.to_state.value for step in steps] == [
        "candidate", "pre_labeled", "human_labeled",
    ]  # fmt: skip
    assert json.loads(steps[-1].evidence)["review_status"] == "accepted_unchanged"


def test_everything_twice_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"duplicate_share": 1.0}))
    event = world.selected(10)
    world.order(event)
    world.order(event)
    closed = world.label()
    world.order(event)
    with world.ledger.transaction() as tx:  # the cursor is lost: all answers come again
        tx.records.update(CURSORS, gateway.CURSOR, lambda row: replace(row, cursor=""))
    assert world.label() == []
    assert len(closed) == len(world.tasks()) == 10
    assert world.balances("human_annotation").spent == 10 * PRICE
    assert exceptions(world) == []


def test_a_kill_between_tool_and_ledger_orders_nothing_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(10))

    def killed(*, tx: Transaction) -> list[Event]:
        gateway.on_submit_tick(tx=tx, ports=world.gateway)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.do(killed)
    assert {task.state for task in world.tasks()} == {"pending"}
    assert len(world.label()) == 10


def test_answers_are_taken_page_by_page(tmp_path: Path) -> None:
    crowd = PERFECT.model_copy(update={"answers_per_poll": 4, "duplicate_share": 0.5})
    world = World(tmp_path, annotators=crowd, chunk=3)
    world.order(world.selected(20))
    assert len(world.label()) == 20


def test_a_skip_gives_the_money_back(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"skip_share": 1.0}))
    world.order(world.selected(5))
    closed = world.label()
    assert {event.outcome for event in closed} == {TaskOutcome.SKIPPED}
    assert {event.answer for event in closed} == {None}
    assert world.states() == {"rejected": 5}
    assert world.balances("human_annotation").available == FUNDS


def test_a_task_nobody_answers_expires(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"lag_seconds": 1e9}))
    world.order(world.selected(5, policy="label: {task_timeout_hours: 24}"))
    assert world.label() == []
    assert world.do(gateway.on_expire_tick, ports=world.gateway) == []
    world.clock.advance(hours=25)
    closed = world.do(gateway.on_expire_tick, ports=world.gateway)
    assert {getattr(event, "outcome", "") for event in closed} == {TaskOutcome.EXPIRED}
    assert len(closed) == 5
    assert world.states() == {"rejected": 5}
    assert world.balances("human_annotation").available == FUNDS
    assert world.do(gateway.on_expire_tick, ports=world.gateway) == []
    world.clock.advance(days=100_000)
    assert world.label() == [], "cancelled in the tool too"


def test_an_answer_that_lay_in_the_tool_in_time_is_no_late_answer(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(3))
    world.do(gateway.on_submit_tick, ports=world.gateway)
    world.clock.advance(days=100)
    assert world.do(gateway.on_expire_tick, ports=world.gateway) == []
    assert {event.outcome for event in world.label()} == {TaskOutcome.LABELED}


def test_a_late_answer_is_kept_for_a_person(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"lag_seconds": 1e7}))
    world.tool = Meddling(world.tool)
    world.order(world.selected(1, policy="label: {task_timeout_hours: 0.001}"))
    world.do(gateway.on_submit_tick, ports=world.gateway)
    world.clock.advance(seconds=4)
    assert len(world.do(gateway.on_expire_tick, ports=world.gateway)) == 1
    world.clock.advance(days=100_000)
    for _ in range(2):
        assert world.label() == []
    (row,) = exceptions(world)
    assert (row.kind, row.state, row.round_id) == ("late_answer", "open", "r1")
    assert row.subject == world.tasks()[0].key
    assert world.balances("human_annotation").available == FUNDS


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"task_id": TaskId("nobody's")}, "unknown_task"), ({"label": "hippo"}, "unknown_label")],
)
def test_an_answer_that_fits_nothing_is_kept_for_a_person(
    tmp_path: Path, changes: dict[str, object], kind: str
) -> None:
    world = World(tmp_path)
    world.tool = Meddling(world.tool, **changes)
    world.order(world.selected(1))
    for _ in range(2):
        assert world.label() == []
    (row,) = exceptions(world)
    assert row.kind == kind
    key = row.detail.rpartition(" ")[2]
    assert key in set(world.blobs.keys("labeling_gateway")), "with the raw payload"
    assert world.states() == {"candidate": 1}


def test_a_second_answer_to_one_task_is_kept_for_a_person(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(1))
    world.label()
    world.tool = Meddling(world.tool, answer_id="another")
    with world.ledger.transaction() as tx:
        tx.records.update(CURSORS, gateway.CURSOR, lambda row: replace(row, cursor=""))
    world.label()
    assert [row.kind for row in exceptions(world)] == ["second_answer"]
    assert world.balances("human_annotation").spent == PRICE


def test_a_halted_round_pays_for_no_answer(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(3))
    with world.ledger.transaction() as tx:
        for held in tx.money.reservations(round_id="r1"):
            release_id = derived_uuid("halt", held.reservation_id)
            tx.money.release(Release(release_id, held.reservation_id, "halted", world.clock.now()))
    closed = world.label()
    assert {event.outcome for event in closed} == {TaskOutcome.CANCELLED}
    assert {row.kind for row in exceptions(world)} == {"unpaid"}
    assert world.states() == {"rejected": 3}
    assert world.balances("human_annotation").available == FUNDS


def test_a_returned_label_is_asked_of_somebody_else(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(1))
    (first,) = world.label()
    for _ in range(2):  # delivered twice
        assert world.do(gateway.on_label_reviewed, returned(first), ports=world.gateway) == []
    assert world.balances("human_annotation").reserved == PRICE
    (second,) = world.label()
    assert (second.attempt, second.slot, second.outcome) == (2, 0, TaskOutcome.LABELED)
    assert second.annotator != first.annotator
    (label,) = world.labels()
    assert (label.key.revision, label.parent_revision) == (2, 1)
    assert world.balances("human_annotation").spent == 2 * PRICE
    assert [task.defects for task in world.tasks() if task.attempt == 2] == [("WRONG_CLASS",)]


def test_a_verdict_that_returns_nothing_orders_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(1))
    (first,) = world.label()
    verdict = replace(returned(first), verdict=VerdictKind.PASSED)
    assert world.do(gateway.on_label_reviewed, verdict, ports=world.gateway) == []
    assert len(world.tasks()) == 1


def test_a_rework_without_money_is_cancelled_so_that_qa_can_settle(tmp_path: Path) -> None:
    world = World(tmp_path, funds={"human_annotation": PRICE})
    world.order(world.selected(1))
    (first,) = world.label()
    (closed,) = world.do(gateway.on_label_reviewed, returned(first), ports=world.gateway)
    assert isinstance(closed, TaskClosed)
    assert (closed.outcome, closed.attempt) == (TaskOutcome.CANCELLED, 2)
    assert world.states() == {"rejected": 1}
    assert world.do(gateway.on_label_reviewed, returned(first), ports=world.gateway) == []


def test_attempts_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(world.selected(1, policy="{label: {attempts_max: 2}, qa: {reworks_max: 1}}"))
    (first,) = world.label()
    world.do(gateway.on_label_reviewed, returned(first), ports=world.gateway)
    (second,) = world.label()
    (closed,) = world.do(gateway.on_label_reviewed, returned(second), ports=world.gateway)
    assert getattr(closed, "outcome", "") == TaskOutcome.CANCELLED
    assert len({task.key for task in world.tasks()}) == 3


def test_a_verdict_on_an_unknown_task_is_a_dead_letter(tmp_path: Path) -> None:
    world = World(tmp_path)
    verdict = LabelReviewed(
        TaskId("x"), RoundId("r1"), BatchId("r1-batch"), frame_of(0), VerdictKind.RETURNED, (), 1
    )
    with pytest.raises(NotFound):
        world.do(gateway.on_label_reviewed, verdict, ports=world.gateway)


def test_three_slots_make_one_label_by_majority(tmp_path: Path) -> None:
    crowd = PERFECT.model_copy(update={"accuracy": 0.7, "skip_share": 0.1, "seed": 4})
    world = World(tmp_path, annotators=crowd)
    world.order(world.selected(30, policy="label: {slots: 3}"))
    closed = world.label()
    assert len(closed) == 90
    answers: dict[str, list[str]] = {}
    for task in world.tasks():
        answers.setdefault(task.frame_id, []).extend([task.label] if task.label else [])
    for label in world.labels():
        said = answers[label.key.frame_id]
        if not said:
            assert label.state.value == "rejected"
            continue
        most = max(said.count(name) for name in CLASSES)
        winners = sorted(name for name in CLASSES if said.count(name) == most)
        assert json.loads(label.value)["label"] == winners[0]
    n_labeled = sum(event.outcome is TaskOutcome.LABELED for event in closed)
    assert world.balances("human_annotation").spent == n_labeled * PRICE
    assert world.balances("human_annotation").reserved == 0


def test_a_label_waits_for_its_last_slot(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"answers_per_poll": 1}))
    world.order(world.selected(1, policy="label: {slots: 2}"))
    world.do(gateway.on_submit_tick, ports=world.gateway)
    world.do(gateway.on_collect_tick, ports=world.gateway)
    assert world.states() == {"candidate": 1}
    world.do(gateway.on_collect_tick, ports=world.gateway)
    assert world.states() == {"human_labeled": 1}


def test_a_tool_that_lost_its_file_gets_the_tasks_again(tmp_path: Path) -> None:
    world = World(tmp_path, annotators=PERFECT.model_copy(update={"lag_seconds": 60}))
    world.order(world.selected(8))
    world.do(gateway.on_submit_tick, ports=world.gateway)
    world.clock.advance(seconds=30)
    some = world.do(gateway.on_collect_tick, ports=world.gateway)
    for path in tmp_path.glob("annotators.db*"):
        path.unlink()
    world.do(gateway.on_reconcile_tick, ports=world.gateway)
    world.clock.advance(hours=1)
    more = world.label()
    assert len(some) + len(more) == 8
    assert exceptions(world) == []

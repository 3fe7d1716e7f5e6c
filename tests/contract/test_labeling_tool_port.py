"""The port suite of labeling tools: what the gateway and qa rely on, whichever tool it is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from winnow.domain.blob_ref import BlobRef
from winnow.domain.boxes import Box, boxes_of, label_of
from winnow.domain.errors import Conflict, Retryable
from winnow.domain.ids import BatchId, FrameId, TaskId, task_id_of
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.labeling_tool import Answer, LabelingTool, PreAnnotation, Project, WorkItem
from winnow.testing.manual_clock import ManualClock
from winnow.testing.scripted_annotators import ScriptedAnnotators
from winnow.testing.scripted_crowd import CrowdOptions, CrowdRole

BATCH = BatchId("r1-batch")
FRAME = BlobRef("files", "frames/ab", "ab" * 32, 100, "image/png")
PROJECT = Project(BATCH, ("cat", "dog", "owl"), "Choose.", "cd" * 32)
BOXES = replace(PROJECT, batch_id=BatchId("r2-batch"), instructions="Draw.", label_kind=DETECTION)
SHOWN = label_of([Box("cat", 4, 4, 20, 12)])
ALL_AT_ONCE = 1000


class Opened(NamedTuple):
    """A tool, a way to open it again as another process would, and the clock it lives by."""

    tool: LabelingTool
    again: Callable[[], LabelingTool]
    clock: ManualClock


def truth(frame_id: FrameId) -> str:
    return PROJECT.class_names[int(frame_id, 16) % 3]


def true_boxes(frame_id: FrameId) -> str:
    """Give one animal; of every fourth frame none."""
    number = int(frame_id, 16)
    return label_of([Box(truth(frame_id), 4, 4, 20, 12)] if number % 4 else [])


def scripted(
    tmp_path: Path, options: CrowdOptions, *, truth: Callable[[FrameId], str] = truth
) -> Opened:
    clock = ManualClock()

    def again() -> LabelingTool:
        return ScriptedAnnotators(tmp_path / "tool.db", options, truth=truth, clock=clock)

    return Opened(again(), again, clock)


@pytest.fixture(params=["scripted"])
def opened(tmp_path: Path) -> Opened:
    """Answers come after some time, some of them twice."""
    return scripted(tmp_path, CrowdOptions(lag_seconds=60, duplicate_share=0.3, seed=7))


@pytest.fixture(params=["scripted"])
def drawing(tmp_path: Path) -> Opened:
    """The same tool where boxes are asked for."""
    options = CrowdOptions(lag_seconds=60, duplicate_share=0.3, seed=7)
    return scripted(tmp_path, options, truth=true_boxes)


def box_item(number: int, *, shown: str = "") -> WorkItem:
    frame_id = FrameId(f"{number:032x}")
    return replace(
        item(number),
        task_id=task_id_of(BOXES.batch_id, frame_id, 0, 1),
        batch_id=BOXES.batch_id,
        pre_annotation=PreAnnotation(shown, 0.8, "c0") if shown else None,
    )


def item(number: int, *, slot: int = 0, excluded: tuple[str, ...] = ()) -> WorkItem:
    frame_id = FrameId(f"{number:032x}")
    return WorkItem(
        task_id=task_id_of(BATCH, frame_id, slot, 1),
        batch_id=BATCH,
        frame_id=frame_id,
        frame=FRAME,
        rank=number,
        pre_annotation=PreAnnotation("cat", 0.8, "c0"),
        excluded_annotators=excluded,
    )


def drain(tool: LabelingTool, cursor: str = "") -> tuple[list[Answer], str]:
    found: list[Answer] = []
    for _ in range(ALL_AT_ONCE):
        answers, cursor = tool.poll(cursor)
        if not answers:
            break
        found += answers
    return found, cursor


def answered(answers: Sequence[Answer]) -> set[TaskId]:
    return {answer.task_id for answer in answers}


def submitted(opened: Opened, n_items: int = 30) -> tuple[str, list[WorkItem]]:
    project_id = opened.tool.ensure_project(PROJECT)
    items = [item(number) for number in range(n_items)]
    opened.tool.submit(project_id, items)
    return project_id, items


def test_a_project_is_made_once(opened: Opened) -> None:
    assert opened.tool.ensure_project(PROJECT) == opened.again().ensure_project(PROJECT)


def test_another_schema_under_the_same_batch_is_refused(opened: Opened) -> None:
    opened.tool.ensure_project(PROJECT)
    with pytest.raises(Conflict):
        opened.tool.ensure_project(replace(PROJECT, schema_sha256="ef" * 32))


def test_every_task_is_answered_by_somebody_in_the_end(opened: Opened) -> None:
    _, items = submitted(opened)
    opened.clock.advance(hours=1)
    answers, _ = drain(opened.tool)
    assert answered(answers) == {one.task_id for one in items}
    for answer in answers:
        assert answer.skipped or answer.label in PROJECT.class_names
        assert answer.annotator
        assert answer.raw
        assert answer.effort_ms >= 0
        assert answer.submitted_at <= opened.clock.now()


def test_an_answer_keeps_its_id_however_often_it_comes(opened: Opened) -> None:
    submitted(opened)
    opened.clock.advance(hours=1)
    answers, _ = drain(opened.tool)
    assert len(answers) > len(answered(answers)), "some must come twice"
    assert len({answer.answer_id for answer in answers}) == len(answered(answers))


def test_submitting_again_orders_nothing_twice(opened: Opened) -> None:
    project_id, items = submitted(opened)
    opened.again().submit(project_id, items)
    opened.clock.advance(hours=1)
    opened.tool.submit(project_id, items)
    answers, _ = drain(opened.tool)
    assert len({answer.answer_id for answer in answers}) == len(items)


def test_no_answer_is_passed_by_a_cursor_that_was_given_earlier(opened: Opened) -> None:
    _, items = submitted(opened)
    found, cursor = drain(opened.tool)
    for _ in range(60):
        opened.clock.advance(seconds=30)
        more, cursor = drain(opened.tool, cursor)
        found += more
    assert answered(found) == {one.task_id for one in items}


def test_a_cursor_brings_only_what_came_after_it(opened: Opened) -> None:
    submitted(opened)
    opened.clock.advance(hours=1)
    answers, cursor = drain(opened.tool)
    assert answers
    assert drain(opened.tool, cursor)[0] == []
    assert drain(opened.again(), "")[0] == answers, "from the start everything comes again"


def test_another_process_sees_the_same_queue(opened: Opened) -> None:
    submitted(opened)
    opened.clock.advance(hours=1)
    assert drain(opened.again())[0] == drain(opened.tool)[0]


def test_a_cancelled_task_is_not_answered(opened: Opened) -> None:
    project_id, items = submitted(opened)
    cancelled = [one.task_id for one in items[:10]]
    already = answered(drain(opened.tool)[0])
    opened.tool.cancel(project_id, [*cancelled, TaskId("unknown")])
    opened.clock.advance(hours=1)
    answers, _ = drain(opened.tool)
    assert answered(answers) & set(cancelled) <= already
    assert {one.task_id for one in items[10:]} <= answered(answers)


def test_an_answered_task_that_is_cancelled_keeps_its_answer(opened: Opened) -> None:
    project_id, items = submitted(opened)
    opened.clock.advance(hours=1)
    opened.tool.cancel(project_id, [one.task_id for one in items])
    assert answered(drain(opened.tool)[0]) == {one.task_id for one in items}


def test_who_is_excluded_does_not_answer(opened: Opened) -> None:
    project_id, _ = submitted(opened, 20)
    opened.clock.advance(hours=1)
    first = {answer.task_id: answer.annotator for answer in drain(opened.tool)[0]}
    again = [
        replace(
            item(number, slot=1),
            excluded_annotators=(first[item(number).task_id],),
            defects=("WRONG_CLASS",),
        )
        for number in range(20)
    ]
    opened.tool.submit(project_id, again)
    opened.clock.advance(hours=1)
    by_task = {answer.task_id: answer.annotator for answer in drain(opened.tool)[0]}
    for number in range(20):
        assert by_task[item(number).task_id] != by_task[item(number, slot=1).task_id]


def test_slots_of_one_frame_go_to_different_people(opened: Opened) -> None:
    project_id = opened.tool.ensure_project(PROJECT)
    opened.tool.submit(project_id, [item(number, slot=slot) for number in range(10)
                                    for slot in range(3)])  # fmt: skip
    opened.clock.advance(hours=1)
    by_task = {answer.task_id: answer.annotator for answer in drain(opened.tool)[0]}
    for number in range(10):
        assert len({by_task[item(number, slot=slot).task_id] for slot in range(3)}) == 3


def test_where_boxes_are_asked_for_every_answer_is_boxes_of_the_projects_classes(
    drawing: Opened,
) -> None:
    project_id = drawing.tool.ensure_project(BOXES)
    items = [box_item(number, shown=SHOWN if number % 2 else "") for number in range(30)]
    drawing.tool.submit(project_id, items)
    drawing.clock.advance(hours=1)
    answers, _ = drain(drawing.tool)
    assert answered(answers) == {one.task_id for one in items}
    drawn = [answer for answer in answers if not answer.skipped]
    assert any(answer.label == "[]" for answer in drawn), "a frame without objects is an answer"
    for answer in drawn:
        boxes = boxes_of(answer.label, class_names=BOXES.class_names)
        assert label_of(boxes) == answer.label, "the text that stands for these boxes"
        assert answer.effort_ms > 0


def test_a_project_of_classes_is_not_found_again_as_one_of_boxes(drawing: Opened) -> None:
    drawing.tool.ensure_project(BOXES)
    with pytest.raises(Conflict):
        drawing.again().ensure_project(replace(BOXES, label_kind=CLASSIFICATION))


# What only the scripted crowd promises.


def test_scripted_people_give_the_same_answers_in_any_process_and_order(tmp_path: Path) -> None:
    options = CrowdOptions(seed=3, accuracy=0.7)
    forward, backward = scripted(tmp_path / "a", options), scripted(tmp_path / "b", options)
    items = [item(number) for number in range(50)]
    for opened, order in ((forward, items), (backward, items[::-1])):
        project_id = opened.tool.ensure_project(PROJECT)
        for one in order:
            opened.tool.submit(project_id, [one])
    labels = [
        {answer.task_id: answer.label for answer in drain(opened.tool)[0]}
        for opened in (forward, backward)
    ]
    assert labels[0] == labels[1]


def test_scripted_people_are_as_accurate_as_told(tmp_path: Path) -> None:
    opened = scripted(tmp_path, CrowdOptions(accuracy=0.8, skip_share=0.1, answers_per_poll=500))
    submitted(opened, 1000)
    answers, _ = drain(opened.tool)
    right = [a.label == truth(frame) for a, frame in _with_frames(answers) if not a.skipped]
    assert 0.75 < sum(right) / len(right) < 0.85
    assert 0.07 < 1 - len(right) / len(answers) < 0.13


def test_scripted_answers_come_out_of_order(tmp_path: Path) -> None:
    opened = scripted(tmp_path, CrowdOptions())
    _, items = submitted(opened)
    answers, _ = drain(opened.tool)
    assert [answer.task_id for answer in answers] != [one.task_id for one in items]


def test_scripted_reviewers_pass_right_labels_and_correct_wrong_ones(tmp_path: Path) -> None:
    options = CrowdOptions(role=CrowdRole.REVIEW, accuracy=1.0, accuracy_spread=0.0)
    opened = scripted(tmp_path, options)
    submitted(opened)
    for answer, frame_id in _with_frames(drain(opened.tool)[0]):
        assert answer.annotator.startswith("reviewer")
        assert answer.label == ("passed" if truth(frame_id) == "cat" else truth(frame_id))


def test_scripted_people_keep_a_good_box_to_the_pixel_and_draw_it_faster(tmp_path: Path) -> None:
    options = CrowdOptions(accuracy=1.0, accuracy_spread=0.0)
    cat = "3" + "0" * 31
    efforts = {}
    for shown in (SHOWN, ""):
        opened = scripted(tmp_path / (shown and "shown"), options, truth=lambda _: SHOWN)
        opened.tool.submit(opened.tool.ensure_project(BOXES), [box_item(int(cat, 16), shown=shown)])
        ((answer,), _) = drain(opened.tool)
        efforts[shown] = answer.effort_ms
        assert (answer.label == SHOWN) or not shown
    assert efforts[SHOWN] < efforts[""]


def test_scripted_reviewers_of_boxes_pass_what_overlaps_and_draw_what_does_not(
    tmp_path: Path,
) -> None:
    options = CrowdOptions(role=CrowdRole.REVIEW, accuracy=1.0, accuracy_spread=0.0)
    opened = scripted(tmp_path, options, truth=lambda _: SHOWN)
    near, far = label_of([Box("cat", 5, 4, 19, 12)]), label_of([Box("cat", 30, 20, 8, 8)])
    items = [box_item(1, shown=near), box_item(2, shown=far)]
    opened.tool.submit(opened.tool.ensure_project(BOXES), items)
    said = {answer.task_id: answer.label for answer in drain(opened.tool)[0]}
    assert said[items[0].task_id] == "passed"
    (drawn,) = boxes_of(said[items[1].task_id])
    assert (drawn.class_name, drawn.x < 10) == ("cat", True)


def test_careless_people_accept_what_is_shown_faster_than_anyone_can_look(tmp_path: Path) -> None:
    opened = scripted(tmp_path, CrowdOptions(careless_share=1.0))
    submitted(opened)
    answers, _ = drain(opened.tool)
    assert {answer.label for answer in answers} == {"cat"}
    assert max(answer.effort_ms for answer in answers) < 300


def test_a_cursor_of_a_lost_file_starts_again(tmp_path: Path) -> None:
    lost, found = scripted(tmp_path / "a", CrowdOptions()), scripted(tmp_path / "b", CrowdOptions())
    found.clock.advance(seconds=1)
    submitted(lost, 30)
    _, cursor = drain(lost.tool)
    submitted(found, 10)
    assert len(drain(found.tool, cursor)[0]) == 10


def test_a_file_that_cannot_be_opened_is_worth_another_try(tmp_path: Path) -> None:
    (tmp_path / "tool.db").mkdir()
    with pytest.raises(Retryable):
        scripted(tmp_path, CrowdOptions()).tool.poll("")


def _with_frames(answers: Sequence[Answer]) -> list[tuple[Answer, FrameId]]:
    frames = {item(number).task_id: item(number).frame_id for number in range(1000)}
    return [(answer, frames[answer.task_id]) for answer in answers]

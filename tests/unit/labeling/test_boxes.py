"""Given batches of boxes: which answers and reviews can be taken; what becomes of the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from labeling_gateway import handlers as gateway
from tests.unit.labeling.world import (
    FUNDS,
    HEIGHT,
    WIDTH,
    World,
    frame_of,
    true_boxes,
)
from winnow.domain.boxes import Box, label_of
from winnow.domain.events import DatasetPromoted, LabelReviewed, TaskOutcome, VerdictKind
from winnow.domain.tables import CURSORS, GATEWAY_EXCEPTIONS
from winnow.ports.labeling_tool import Answer, LabelingTool

BOXES = "label: {kind: detection}\n"
INSPECTED = BOXES + "qa: {sample_share: 1.0, reworks_max: 1}\n"
UNUSABLE = {
    "beyond the right edge": label_of([Box("cat", WIDTH - 4, 4, 5, 5)]),
    "beyond the bottom": label_of([Box("cat", 4, HEIGHT - 4, 5, 5)]),
    "left of the frame": label_of([Box("cat", -1, 4, 5, 5)]),
    "negative size": label_of([Box("cat", 9, 9, -5, 5)]),
    "no area": label_of([Box("cat", 9, 9, 5, 0)]),
    "unknown class": label_of([Box("wolf", 4, 4, 5, 5)]),
    "fractions of pixels": '[{"box":[4.5,4,5,5],"class":"cat"}]',
    "no boxes but a class": "cat",
    "nothing": "",
}


class Drawing:
    """A tool in which somebody draws something else, once or always."""

    def __init__(
        self, inner: LabelingTool, label: str, *, times: int = 10**6, **changes: str
    ) -> None:
        self._inner, self._changes, self._left = inner, {"label": label, **changes}, times
        self.ensure_project, self.submit = inner.ensure_project, inner.submit
        self.cancel = inner.cancel

    def poll(self, cursor: str) -> tuple[Sequence[Answer], str]:
        answers, after = self._inner.poll(cursor)
        return [self._drawn(answer) for answer in answers], after

    def _drawn(self, answer: Answer) -> Answer:
        self._left -= 1
        return answer if self._left < 0 else replace(answer, **self._changes)  # type: ignore[arg-type]


def boxes_world(folder: Path) -> World:
    return World(folder, truth=true_boxes)


def test_drawn_boxes_become_labels_and_are_paid(tmp_path: Path) -> None:
    world = boxes_world(tmp_path)
    world.order(world.selected(6, policy=BOXES, pre_labels={0: true_boxes(frame_of(0)), 1: "[]"}))
    closed = world.label()
    assert {event.outcome for event in closed} == {TaskOutcome.LABELED}
    for label in world.labels():
        (found,) = json.loads(json.loads(label.value)["label"])
        (expected,) = json.loads(true_boxes(label.key.frame_id))
        assert found["class"] == expected["class"]
    assert world.balances("human_annotation").reserved == 0


@pytest.mark.parametrize("label", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_boxes_that_cannot_be_taken_are_kept_for_a_person_and_not_paid(
    tmp_path: Path, label: str
) -> None:
    world = boxes_world(tmp_path)
    world.tool = Drawing(world.tool, label)
    world.order(world.selected(1, policy=BOXES))
    assert world.label() == []
    with world.ledger.snapshot() as view:
        (kept,) = view.records.find(GATEWAY_EXCEPTIONS)
    assert (kept.kind, kept.state, kept.round_id) == ("unknown_label", "open", "r1")
    assert repr(label) in kept.detail
    assert "(detection label: " in kept.detail
    assert world.states() == {"candidate": 1}
    balances = world.balances("human_annotation")
    assert (balances.spent, balances.reserved) == (0, 80_000)
    world.clock.advance(days=30)
    world.do(gateway.on_expire_tick, ports=world.gateway)
    assert world.balances("human_annotation").available == FUNDS


def test_boxes_that_come_too_late_are_told_by_class(tmp_path: Path) -> None:
    world = boxes_world(tmp_path)
    drawn = label_of([Box("owl", 1, 1, 5, 5), Box("cat", 1, 1, 5, 5), Box("owl", 9, 9, 5, 5)])
    world.order(world.selected(1, policy=BOXES))
    assert len(world.label()) == 1
    world.tool = Drawing(world.tool, drawn, answer_id="another")
    with world.ledger.transaction() as tx:  # the cursor is lost: all answers come again
        tx.records.update(CURSORS, gateway.CURSOR, lambda row: replace(row, cursor=""))
    assert world.label() == []
    with world.ledger.snapshot() as view:
        (kept,) = view.records.find(GATEWAY_EXCEPTIONS)
    assert kept.kind == "second_answer"
    assert kept.detail.startswith("answer cat 1, owl 2 by annotator-")


def test_a_frame_without_objects_is_answered_without_boxes(tmp_path: Path) -> None:
    world = World(tmp_path, truth=lambda _: "[]")
    world.order(world.selected(3, policy=BOXES))
    assert {event.outcome for event in world.label()} == {TaskOutcome.LABELED}
    assert {json.loads(label.value)["label"] for label in world.labels()} == {"[]"}


def reviews_of(world: World) -> list[LabelReviewed]:
    return [fact for fact in world.facts if isinstance(fact, LabelReviewed)]


@pytest.mark.parametrize("label", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_review_that_is_no_label_passes_nothing_and_says_so(tmp_path: Path, label: str) -> None:
    world = boxes_world(tmp_path)
    world.review_tool = Drawing(world.review_tool, label, times=1)
    world.order(world.selected(1, policy=INSPECTED))
    world.settle()
    first, second = reviews_of(world)
    assert (first.verdict, first.defects) == (VerdictKind.RETURNED, ("UNREADABLE_REVIEW",))
    assert second.verdict is VerdictKind.PASSED
    assert world.facts_of(DatasetPromoted)


def test_a_reviewers_box_up_to_the_edge_is_a_review_like_any_other(tmp_path: Path) -> None:
    world = boxes_world(tmp_path)
    edge = label_of([Box("owl", 0, 0, WIDTH, HEIGHT)])
    world.review_tool = Drawing(world.review_tool, edge, times=1)
    world.order(world.selected(1, policy=INSPECTED))
    world.settle()
    first = reviews_of(world)[0]
    assert first.verdict is VerdictKind.RETURNED
    assert "UNREADABLE_REVIEW" not in first.defects
    assert first.defects


def test_boxes_that_reviewers_find_right_are_promoted(tmp_path: Path) -> None:
    world = boxes_world(tmp_path)
    world.order(world.selected(8, policy=INSPECTED))
    world.settle()
    assert [one.verdict for one in reviews_of(world)] == [VerdictKind.PASSED] * 8
    assert world.facts_of(DatasetPromoted)

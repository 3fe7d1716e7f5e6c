"""A detection label says the same whatever the order of its boxes, and names what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.domain.boxes import Box, boxes_of, label_of
from winnow.domain.errors import BadInput

SIDES = st.integers(min_value=1, max_value=500)
PLACES = st.integers(min_value=0, max_value=500)
BOXES = st.lists(st.builds(Box, st.text(), PLACES, PLACES, SIDES, SIDES), max_size=6)


@given(BOXES, st.randoms())
def test_the_order_of_boxes_changes_no_label(boxes: list[Box], random: object) -> None:
    label = label_of(boxes)
    assert label_of(reversed(boxes)) == label
    assert boxes_of(label) == tuple(sorted(boxes))
    assert label_of(boxes_of(label)) == label


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("cat", "expected a JSON list of boxes, found 'cat'"),
        ("{}", "expected a JSON list of boxes, found dict"),
        ('[{"box":[1,2,3],"class":"a"}]', "box 0: expected"),
        ('[{"box":[1,2,3.5,4],"class":"a"}]', "box 0: expected"),
        ('[{"box":[1,2,3,4]}]', "box 0: expected"),
    ],
)
def test_another_text_is_no_label(label: str, told: str) -> None:
    with pytest.raises(BadInput, match="detection label") as error:
        boxes_of(label)
    assert told in str(error.value)


def test_all_wrong_boxes_are_told_at_once() -> None:
    label = label_of([
        Box("bike", 0, 0, 5, 5), Box("person", 0, 0, 0, 5), Box("person", 60, 0, 5, 5),
        Box("person", -1, 0, 5, 5), Box("person", 1, 1, 5, 5),
    ])  # fmt: skip
    with pytest.raises(BadInput, match="4 of 5 boxes are wrong") as error:
        boxes_of(label, class_names=["person"], size=(64, 48))
    assert "'bike': expected one of person" in str(error.value)
    assert "expected an area, found 0 x 5 pixels" in str(error.value)
    assert "inside the frame of 64 x 48 pixels, found (60, 0, 5, 5)" in str(error.value)

"""Frames in the report: boxes in their colours, heat where members disagree, broken bytes told."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from winnow.cli.report.drawing import boxed, colour_of, heated, key, thumbnail
from winnow.cli.report.looks import DrawnBox, boxes_in
from winnow.cli.report.measures import ACCURACY, MAP50, Measure, main_measure
from winnow.contracts.manifests import Evaluation

CLASSES = ("bicycle", "car", "person")
ANSWER = (
    '[{"box":[2,3,4,5],"class":"person","score":0.9},{"box":[0,0,9,9],"class":"car","score":0.1}]'
)


@pytest.fixture
def frame() -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.full((24, 40, 3), 120, dtype=np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def pixels_of(page: str) -> npt.NDArray[np.uint8]:
    found = re.search(r"base64,([^\"]+)", page)
    assert found
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB"))


def test_a_committees_boxes_are_drawn_from_a_score_on_and_all_of_a_label() -> None:
    assert boxes_in(ANSWER) == (DrawnBox("person", (2, 3, 4, 5), 0.9),)
    assert boxes_in('[{"box":[0,0,9,9],"class":"car"}]') == (DrawnBox("car", (0, 0, 9, 9)),)
    assert boxes_in("") == boxes_in("[]") == ()


def test_boxes_lie_over_the_frame_in_its_own_pixels(frame: bytes) -> None:
    label = DrawnBox("car", (0, 0, 9, 9))
    page = boxed(frame, (*boxes_in(ANSWER), label), CLASSES, width=80)
    assert pixels_of(page).shape == (48, 80, 3)
    assert 'viewBox="0 0 40 24"' in page
    colour = colour_of("person", CLASSES)
    assert f'<rect stroke="{colour}" x="2" y="3" width="4" height="5">' in page
    assert "<title>person 0.90</title>" in page
    assert '<rect class="true" x="0" y="0" width="9" height="9">' in page
    assert colour in key(CLASSES)


def test_no_two_of_many_classes_have_one_colour() -> None:
    names = [f"class {pos}" for pos in range(80)]
    assert len({colour_of(name, names) for name in names}) == 80


def test_heat_lies_where_the_members_disagree(frame: bytes) -> None:
    heat = np.zeros((6, 10))
    heat[4, 8] = 0.6
    pixels = pixels_of(heated(frame, heat, top=0.6)).astype(int)
    redness = pixels[..., 0] - pixels[..., 2]
    row, column = np.unravel_index(redness.argmax(), redness.shape)
    assert row / len(pixels) == pytest.approx(0.75, abs=0.1)
    assert column / pixels.shape[1] == pytest.approx(0.85, abs=0.1)


def test_without_any_disagreement_a_frame_is_grey(frame: bytes) -> None:
    pixels = pixels_of(heated(frame, np.zeros((6, 10)), top=0.0)).astype(int)
    assert np.ptp(pixels, axis=2).max() <= 2


def test_a_frame_that_cannot_be_read_says_so() -> None:
    pages = (
        thumbnail(b"no image"),
        boxed(b"no image", (), CLASSES, width=80),
        heated(b"no image", np.zeros((2, 2)), top=1.0),
    )
    assert set(pages) == {'<img alt="unreadable">'}


def evaluation(**slices: dict[str, float]) -> Evaluation:
    return Evaluation(
        committee_version="c1",
        round_id="r1",
        holdouts=(),
        n_holdout=4,
        n_left_out=0,
        committee={"map50": 0.5},
        members={},
        classes={},
        slices={name.replace("_is_", "="): values for name, values in slices.items()},
    )


def test_a_measure_is_the_mean_of_its_numbers_on_its_part_of_the_holdout() -> None:
    night = Measure("at night", ("ap50:car", "ap50:person"), slice="light=night")
    found = evaluation(light_is_night={"ap50:car": 0.4, "ap50:person": 0.2})
    assert night.of(found) == pytest.approx(0.3)
    assert MAP50.of(found) == 0.5
    assert night.of(evaluation(light_is_night={"ap50:car": 0.4})) is None
    assert night.of(evaluation()) is None


def test_each_kind_of_labels_has_a_measure_that_says_most() -> None:
    assert main_measure("detection") is MAP50
    assert main_measure("classification") is ACCURACY

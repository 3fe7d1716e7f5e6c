"""Average precision: counted by hand, and equal to pycocotools."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from winnow.tasks.detection_metrics import (
    ALL,
    Matches,
    _documents,
    by_class,
    headline,
    match_boxes,
    size_names,
)
from winnow.tasks.examples import Examples
from winnow.tasks.map_decoding import Boxes

SIZE = 200
Row = tuple[int, float, float, float, float]


def frames(*truths: list[Row]) -> Examples:
    """Give frames of 200 x 200 pixels with (class, x, y, width, height) in pixels."""
    values = [np.array(rows, dtype=np.float64).reshape(len(rows), 5) for rows in truths]
    for one in values:
        one[:, 1:] /= SIZE
    return Examples(
        pixels=np.zeros((len(truths), 3, 1, 1), dtype=np.uint8),
        values=np.concatenate(values).astype(np.float32),
        counts_N=np.array([len(rows) for rows in truths]),
        sizes_N2=np.full((len(truths), 2), SIZE),
        weights_N=np.ones(len(truths), dtype=np.float32),
    )


def said(*rows: tuple[float, int, float, float, float, float]) -> Boxes:
    """Give boxes of one frame as (score, class, x, y, width, height)."""
    table = np.array(sorted(rows, reverse=True), dtype=np.float64).reshape(len(rows), 6)
    return Boxes(
        table[:, 1].astype(np.int64),
        table[:, 0].astype(np.float32),
        (table[:, 2:] / SIZE).astype(np.float32),
    )


def test_precision_at_recalls_is_counted_by_hand() -> None:
    """Two objects; boxes right, wrong, right: precision 1 up to recall .5, then 2/3."""
    truth = frames([(0, 10, 10, 40, 40)], [(0, 100, 100, 40, 40)])
    found = [
        said((0.9, 0, 10, 10, 40, 40), (0.8, 0, 120, 10, 40, 40)),
        said((0.7, 0, 100, 100, 40, 40)),
    ]
    matches = match_boxes(truth, found, n_classes=1)
    expected = (51 * 1.0 + 50 * 2 / 3) / 101
    assert matches.average_precision()[:, 0, ALL] == pytest.approx([expected] * 10)
    assert matches.curve(0)[[0, 50, 51, 100]] == pytest.approx([1, 1, 2 / 3, 2 / 3])
    assert headline(matches) == pytest.approx(
        {"map50": expected, "map": expected, "wmap50": expected}
    )


def test_a_box_is_right_up_to_its_overlap() -> None:
    """Moved by 19 of 80 pixels a box overlaps by 61 / 99: right at 0.5, 0.55 and 0.6."""
    matches = match_boxes(frames([(0, 0, 0, 80, 40)]), [said((0.9, 0, 19, 0, 80, 40))], n_classes=1)
    assert matches.average_precision()[:, 0, ALL] == pytest.approx([1.0] * 3 + [0.0] * 7)
    assert headline(matches)["map"] == pytest.approx(0.3)


def test_a_second_box_on_one_object_is_wrong_and_a_missed_object_lowers_recall() -> None:
    truth = frames([(0, 0, 0, 40, 40), (0, 100, 100, 40, 40)])
    found = [said((0.9, 0, 0, 0, 40, 40), (0.8, 0, 1, 1, 40, 40))]
    matches = match_boxes(truth, found, n_classes=1)
    assert matches.average_precision()[0, 0, ALL] == pytest.approx(51 / 101)
    scores, hits = matches.boxes()
    assert scores == pytest.approx([0.9, 0.8])
    assert hits.tolist() == [True, False]


def test_sizes_are_weighted_by_their_objects() -> None:
    """Three objects below 32 pixels, none found; one large one, found: wmap50 is a quarter."""
    small = [(0, 10.0 + 40 * n, 10, 20, 20) for n in range(3)]
    truth = frames([*small, (0, 50, 80, 100, 100)])
    matches = match_boxes(truth, [said((0.9, 0, 50, 80, 100, 100))], n_classes=1)
    assert headline(matches)["wmap50"] == pytest.approx(0.25)
    assert headline(matches)["map50"] == pytest.approx(26 / 101)
    report = by_class(matches, ["thing"])["thing"]
    assert (report["n"], report["n_16_to_32_px"], report["n_from_96_px"]) == (4, 3, 1)
    assert (report["ap50_16_to_32_px"], report["ap50_from_96_px"]) == pytest.approx((0.0, 1.0))
    assert "n_below_16_px" not in report


def test_an_object_on_an_edge_belongs_to_one_bin() -> None:
    truth = frames([(0, 0, 0, 32, 32), (0, 100, 0, 16, 16)])
    matches = match_boxes(truth, [said()], n_classes=1)
    assert matches.objects().tolist() == [[2, 0, 1, 1, 0]]


def test_a_class_without_objects_does_not_count() -> None:
    truth = frames([(0, 0, 0, 40, 40)])
    found = [said((0.9, 0, 0, 0, 40, 40), (0.8, 1, 0, 0, 40, 40))]
    matches = match_boxes(truth, found, n_classes=2)
    assert headline(matches)["map50"] == pytest.approx(1.0)
    assert by_class(matches, ["a", "b"])["b"] == {"n": 0.0}


@pytest.mark.parametrize("truth", [frames([]), frames([], [])])
def test_frames_without_objects_have_no_average_precision(truth: Examples) -> None:
    matches = match_boxes(truth, [said((0.5, 0, 0, 0, 9, 9))] * len(truth), n_classes=1)
    assert all(np.isnan(value) for value in headline(matches).values())


def world(n: int = 40) -> tuple[Examples, list[Boxes]]:
    """Objects of three classes and boxes that miss, double and shift some of them."""
    rng = np.random.default_rng(6)
    truths, found = [], []
    for _ in range(n):
        rows, boxes = [], []
        for _ in range(int(rng.integers(0, 6))):
            c, side = int(rng.integers(3)), float(rng.choice([9, 20, 40, 100]))
            x, y = rng.uniform(0, SIZE - side, size=2).tolist()
            rows.append((c, x, y, side, side))
            for _ in range(int(rng.choice([0, 1, 1, 1, 2]))):
                away = rng.normal(0, 0.12 * side, size=4)
                boxes.append((float(rng.random()), c, x + away[0], y + away[1],
                              side + abs(away[2]), side + abs(away[3])))  # fmt: skip
        boxes += [(float(rng.random()) / 2, int(rng.integers(3)), 50, 60, 30, 30)] * 2
        truths.append(rows)
        found.append(said(*boxes))
    return frames(*truths), found


def coco(truth: Examples, found: list[Boxes]) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        objects, boxes = COCO(), COCO()
        objects.dataset, boxes.dataset = _documents(truth, found, 3)
        objects.createIndex()
        boxes.createIndex()
        evaluation = COCOeval(objects, boxes, "bbox")
        evaluation.params.areaRng = [[0, 1e10], [0, 1023.999], [1024, 9215.999], [9216, 1e10]]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def test_it_equals_pycocotools_in_each_class_overlap_and_size() -> None:
    truth, found = world()
    ours = match_boxes(truth, found, n_classes=3, size_edges=(32, 96)).average_precision()
    theirs = coco(truth, found).eval["precision"][:, :, :, :, 2].mean(axis=1)
    assert (theirs >= 0).all()
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_a_weight_of_two_is_a_frame_twice_and_of_zero_none() -> None:
    truth, found = world(12)
    weights = np.array([0, 1, 2, 3] * 3, dtype=np.float64)
    rows = np.repeat(np.arange(12), weights.astype(int))
    copies = match_boxes(truth.take(rows), [found[row] for row in rows], n_classes=3)
    weighted = match_boxes(truth, found, n_classes=3)
    np.testing.assert_allclose(
        weighted.average_precision(weights), copies.average_precision(), atol=0.02
    )
    kept = match_boxes(truth.take(range(6)), found[:6], n_classes=3)
    first = (np.arange(12) < 6).astype(np.float64)
    np.testing.assert_allclose(
        weighted.average_precision(first), kept.average_precision(), atol=1e-12
    )
    assert weighted.objects(first).tolist() == kept.objects().tolist()


def test_bins_have_names() -> None:
    assert size_names((16, 32.5)) == ("below_16_px", "16_to_32.5_px", "from_32.5_px")
    assert size_names(()) == ("any_px",)
    assert isinstance(match_boxes(frames([]), [said()], n_classes=1, size_edges=()), Matches)

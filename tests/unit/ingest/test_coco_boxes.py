"""COCO boxes as labels: whole pixels inside the frame, and what was wrong with the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from winnow.adapters.frame_sources.open import open_source
from winnow.domain.errors import BadInput


def write(folder: Path, boxes: list[list[float]], **more: int) -> Path:
    Image.new("RGB", (32, 24)).save(folder / "a.png")
    annotations = [
        {"id": n, "image_id": 1, "category_id": 7, "bbox": box, **more}
        for n, box in enumerate(boxes)
    ]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 24}],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "person"}],
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(document))
    return path


def test_boxes_are_rounded_and_cut_and_bad_ones_are_counted(tmp_path: Path) -> None:
    boxes: list[list[float]] = [[1.4, 2.6, 5.2, 4.0], [28, 20, 10, 10], [40, 2, 5, 5], [3, 3, 0, 4]]
    source = open_source(write(tmp_path, boxes), label_kind="detection")
    (frame,) = source.frames()
    assert frame.label == (
        '[{"box":[1,3,6,4],"class":"person"},{"box":[28,20,4,4],"class":"person"}]'
    )
    assert source.class_names == ("person",)
    assert source.notes == (
        "labels are boxes; 0 frame(s) without any",
        "1 box(es) without area left out",
        "1 box(es) outside their frame left out",
        "1 box(es) cut at the edge of their frame",
    )


def test_a_frame_without_boxes_has_an_empty_label_and_crowds_are_left_out(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, [[1, 1, 9, 9]], iscrowd=1), label_kind="detection")
    assert next(iter(source.frames())).label == "[]"
    assert "1 box(es) around a crowd left out" in source.notes


def test_a_folder_has_no_boxes(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"expected boxes, which a COCO .json has"):
        open_source(tmp_path, label_kind="detection")

"""BDD100K: attributes as tags and classes, boxes as labels, and what cannot be used is counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.ingest.images import image_bytes
from winnow.adapters.frame_sources.bdd100k import Bdd100kSource
from winnow.adapters.frame_sources.media import FRAME_BYTES_MAX
from winnow.adapters.frame_sources.open import open_source
from winnow.cli.sources import source_named
from winnow.domain.errors import BadInput

Entry = dict[str, object]


def box(category: object, *edges: object, **more: object) -> Entry:
    sides = dict(zip(("x1", "y1", "x2", "y2"), edges, strict=False))
    return {"id": "0", "category": category, "box2d": sides, **more}


def entry(name: str, weather: str = "clear", *labels: object, **more: object) -> Entry:
    attributes = {"weather": weather, "scene": "highway", "timeofday": "night"}
    return {"name": name, "attributes": attributes, "timestamp": 10000, "labels": labels, **more}


def bdd100k(root: Path, train: list[Entry], val: list[Entry], *, old: bool = False) -> Path:
    """Write the layout with an image of 24 x 24 pixels for every entry."""
    file = "bdd100k_labels_images_{}.json" if old else "det_20/det_{}.json"
    for split, entries in (("train", train), ("val", val)):
        labels = root / "labels" / file.format(split)
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(json.dumps(entries))
        folder = root / "images" / "100k" / split
        folder.mkdir(parents=True)
        for one in entries:
            if "name" in one:
                (folder / str(one["name"])).write_bytes(image_bytes(hash(split) % 7, kind="JPEG"))
    return root


@pytest.mark.parametrize("old", [False, True])
def test_weather_is_the_class_unless_another_attribute_is_named(tmp_path: Path, old: bool) -> None:
    root = bdd100k(tmp_path / "bdd", [entry("a.jpg", "rainy")], [entry("b.jpg", "clear")], old=old)
    source = open_source(root)
    assert (source.name, source.label_kind, source.class_names) == (
        "bdd", "classification", ("clear", "rainy"),
    )  # fmt: skip
    first, second = source.frames()
    assert [(f.name, f.label, f.session) for f in (first, second)] == [
        ("train/a.jpg", "rainy", ""), ("val/b.jpg", "clear", ""),
    ]  # fmt: skip
    assert first.tags == {
        "weather": "rainy", "scene": "highway", "timeofday": "night", "split": "train",
    }  # fmt: skip
    assert first.captured_at is None
    assert [f.name for f in source.frames([1])] == ["val/b.jpg"]
    told = source_named(root, labels="timeofday", layout="bdd100k")
    assert {frame.label for frame in told.frames()} == {"night"}


def test_boxes_are_labels_in_whole_pixels_and_bad_ones_are_counted(tmp_path: Path) -> None:
    labels = [
        box("car", 1.4, 2.6, 9.2, 8.0), box("person", 20, 20, 30, 30), box("tram", 0, 0, 2, 2),
        box("car", 5, 5, 5, 9), box("car", 1, 2, "three", 4), box("car", 1, 2),
        box(None, 1, 2, 3, 4),
        box("car", 40, 2, 45, 5), box("trailer", 1, 1, 5, 5),
        box("car", 1, 1, 5, 5, attributes={"crowd": True}),
        {"category": "lane", "poly2d": []}, {"category": "car"}, "no label",
    ]  # fmt: skip
    empty: Entry = {"name": "b.jpg", "labels": None}
    root = bdd100k(tmp_path / "bdd", [entry("a.jpg", "clear", *labels), empty], [])
    with pytest.raises(BadInput, match=r"det_val.json: expected a list of frames"):
        open_source(root, label_kind="detection")
    source = open_source(root / "labels" / "det_20" / "det_train.json", label_kind="detection")
    assert [frame.label for frame in source.frames()] == [
        '[{"box":[1,3,8,5],"class":"car"},{"box":[20,20,4,4],"class":"person"},'
        '{"box":[0,0,2,2],"class":"tram"}]',
        "[]",
    ]
    assert source.class_names == ("person", "car", "tram")
    assert source.notes == (
        "labels are boxes, from det_train.json",
        "1 box(es) around a crowd left out",
        "1 box(es) around other person, other vehicle, trailer, which BDD100K does not measure "
        "left out",
        "1 box(es) outside their frame left out",
        "1 label(s) without `box2d` left out",
        "2 label(s) without a category left out",
        "1 lane mark(s), area(s) and outline(s) left out",
        "3 malformed box(es) left out",
        "1 box(es) cut at the edge of their frame",
        "categories that BDD100K does not have, kept as classes: tram (1)",
    )


def test_missing_images_and_undefined_attributes_are_told_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    entries = [entry("a.jpg"), entry("b.jpg", "undefined"), entry("c.jpg"), {}, entry("a.jpg")]
    root = bdd100k(tmp_path / "bdd", entries, [entry("d.jpg", "foggy")])
    (root / "images/100k/train/c.jpg").unlink()
    (root / "images/100k/train/unlisted.jpg").write_bytes(image_bytes(3, kind="JPEG"))
    source = open_source(root)
    assert [frame.name for frame in source.frames()] == ["train/a.jpg", "val/d.jpg"]
    assert source.notes == (
        "labels are the frame's weather, from det_train.json, det_val.json",
        "1 frame(s) left out whose image is missing, first c.jpg",
        "1 frame(s) named twice: the first counts left out",
        "1 frame(s) whose weather is undefined left out",
        "1 frame(s) without a name left out",
        "1 image(s) that no label file names left out",
    )
    boxes = open_source(root, label_kind="detection")
    undefined = next(frame for frame in boxes.frames() if frame.name == "train/b.jpg")
    assert "weather" not in undefined.tags


def test_a_frame_of_a_video_has_its_session_and_its_place_in_it(tmp_path: Path) -> None:
    frames = [entry("v-1.jpg", videoName="v", timestamp=n) for n in (1500,)]
    frames += [entry("v-2.jpg", videoName="v", timestamp=1e300)]
    source = open_source(bdd100k(tmp_path, frames, [entry("z.jpg")]))
    first, second, _ = source.frames()
    assert (first.session, str(first.captured_at)) == ("v", "2000-01-01 00:00:01.500000+00:00")
    assert (second.session, second.captured_at) == ("v", None)


@pytest.mark.parametrize("text", ["[", "[{}", '[{"name": "a.jpg"} 7]', "nothing", "\xff[", "[]"])
def test_a_file_that_is_no_list_of_frames_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=r"labels\.json: expected a (JSON )?list of frames"):
        Bdd100kSource(tmp_path / "labels.json")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"expected BDD100K's labels/ with det_20/det_\{train,val\}"):
        source_named(tmp_path, layout="bdd100k")
    with pytest.raises(BadInput, match=r"--format: expected bdd100k.*found 'kitti'"):
        source_named(tmp_path, layout="kitti")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"expected BDD100K, whose frames have a scene"):
        source_named(tmp_path, labels="scene")
    root = bdd100k(tmp_path / "bdd", [entry("a.jpg", "undefined")], [entry("b.jpg", "undefined")])
    with pytest.raises(BadInput, match=r"known weather, found none.*2 frame\(s\) whose weather"):
        open_source(root)


def test_an_image_too_large_to_read_is_refused_and_not_taken_for_one_without_a_size(
    tmp_path: Path,
) -> None:
    root = bdd100k(tmp_path / "bdd", [entry("a.jpg", "clear", box("car", 1, 2, 9, 8))], [])
    with (root / "images" / "100k" / "train" / "a.jpg").open("r+b") as image:
        image.truncate(FRAME_BYTES_MAX + 1)  # a sparse file
    labels = root / "labels" / "det_20" / "det_train.json"
    with pytest.raises(BadInput, match=r"a.jpg: expected a frame of at most \d+ bytes, found"):
        open_source(labels, label_kind="detection")

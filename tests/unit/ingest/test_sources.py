"""Folders, COCO files and arrays: what is read as what, and what is refused how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.ingest.images import class_folder, coco_folder, image_bytes, write_folder
from winnow.adapters.frame_sources.open import open_source
from winnow.domain.errors import BadInput
from winnow.tasks.decode import decode_rgb


def test_sub_folders_are_classes_and_folders_below_them_sessions(tmp_path: Path) -> None:
    write_folder(
        tmp_path / "set",
        {"cat/run1/b.png": b"1", "cat/a.png": b"2", "dog/c.jpg": b"3", "dog/notes.txt": b""},
    )
    source = open_source(tmp_path / "set")
    found = [(f.name, f.label, f.session, f.media_type) for f in source.frames()]
    assert source.class_names == ("cat", "dog")
    assert found == [
        ("cat/a.png", "cat", "", "image/png"),
        ("cat/run1/b.png", "cat", "run1", "image/png"),
        ("dog/c.jpg", "dog", "", "image/jpeg"),
    ]
    assert any("1 other file" in note for note in source.notes)


def test_split_folders_above_the_classes_are_no_classes(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/cat/1.png": b"1", "test/dog/2.png": b"2"})
    source = open_source(tmp_path)
    assert source.class_names == ("cat", "dog")
    assert [frame.tags["split"] for frame in source.frames()] == ["test", "train"]


@pytest.mark.parametrize(
    "layout",
    [{"1.png": b"1", "cat/2.png": b"2"}, {"images/1.png": b"1"}, {"1.png": b"1", "2.png": b"2"}],
)
def test_a_folder_without_clear_classes_has_no_labels(
    tmp_path: Path, layout: dict[str, bytes]
) -> None:
    source = open_source(write_folder(tmp_path, layout))
    assert source.class_names == ()
    assert {frame.label for frame in source.frames()} == {None}


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {"readme.txt": b"", ".hidden/1.png": b"", "__MACOSX/2.png": b""})
    with pytest.raises(BadInput, match=r"expected images .*\.png.*, found 1 other file"):
        open_source(tmp_path)


@pytest.mark.parametrize("archive", [True, False])
def test_a_coco_image_has_the_class_of_its_largest_box(tmp_path: Path, archive: bool) -> None:
    fields: list[dict[str, object]] = [
        {"session": "s1", "town": "Town01", "frame": 7, "captured_at": "2026-01-02T03:04:05Z"},
        {"session": "s1", "privacy_blocked": True, "calibrated": False},
        {"session": "s2"},
    ]
    source = open_source(coco_folder(tmp_path / "set", archive=archive, images=fields))
    frames = list(source.frames())
    assert [frame.label for frame in frames] == ["car", "sign", "nothing"]
    assert source.class_names == ("car", "sign", "nothing")
    assert [frame.session for frame in frames] == ["s1", "s1", "s2"]
    assert frames[0].site == "Town01"
    assert frames[0].tags == {"frame": "7", "town": "Town01"}
    assert frames[0].captured_at is not None
    assert (frames[1].privacy_blocked, frames[1].calibrated) == (True, False)
    assert decode_rgb(frames[2].data).shape == (24, 24, 3)
    assert any("largest box" in note for note in source.notes)
    assert [frame.name for frame in source.frames([2])] == [frames[2].name]


def test_missing_coco_images_are_counted_and_the_first_ten_named(tmp_path: Path) -> None:
    path = coco_folder(tmp_path, archive=False, images=[{} for _ in range(14)])
    for number in range(1, 14):
        (tmp_path / f"{number}.png").unlink()
    with pytest.raises(BadInput) as refusal:
        open_source(path)
    text = str(refusal.value)
    assert "13 of 14 images are missing" in text
    assert text.count(".png") == 10
    assert "and 3 more" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "COCO file"),
        ("[]", "COCO file"),
        ('{"images": []}', "images"),
        ('{"images": [{"id": 1}]}', "file_name"),
        (
            '{"images": [{"id": 1, "file_name": "1.png"}], "categories": [],'
            ' "annotations": [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 1, 1]}]}',
            "category 3",
        ),
    ],
)
def test_a_file_that_is_no_coco_says_what_is_wrong(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=expected):
        open_source(path)


def test_a_privacy_flag_is_never_guessed(tmp_path: Path) -> None:
    path = coco_folder(tmp_path, archive=False, images=[{"privacy_blocked": "maybe"}])
    with pytest.raises(BadInput, match="privacy_blocked: expected true or false, found 'maybe'"):
        list(open_source(path).frames())


@pytest.mark.parametrize(
    ("images", "white"),
    [
        (np.linspace(0, 255, 3 * 8 * 8).reshape(3, 8, 8).astype(np.uint8), 255),
        (np.linspace(0, 1, 3 * 8 * 8).reshape(3, 8, 8), 255),
        (np.linspace(0, 16, 3 * 8 * 8).reshape(3, 8, 8, 1), 255),
        (np.full((3, 8, 8, 3), 7, dtype=np.uint8), 7),
        (np.full((3, 3, 8, 8), 0.5), 255),
    ],
)
def test_arrays_become_png_frames(
    tmp_path: Path, images: np.ndarray[tuple[int, ...], np.dtype[np.generic]], white: int
) -> None:
    np.savez(tmp_path / "set.npz", x_train=images, y_train=[0, 1, 0], class_names=["a", "b"])
    source = open_source(tmp_path / "set.npz")
    frames = list(source.frames())
    assert [frame.label for frame in frames] == ["a", "b", "a"]
    assert decode_rgb(frames[2].data).shape == (8, 8, 3)
    assert decode_rgb(frames[2].data).max() == white


def test_labels_of_arrays_are_optional_and_may_be_text(tmp_path: Path) -> None:
    images = np.zeros((2, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images)
    np.savez(tmp_path / "b.npz", x=images, y=["north", "east"], more=[1])
    assert open_source(tmp_path / "a.npz").class_names == ()
    texts = open_source(tmp_path / "b.npz")
    assert texts.class_names == ("east", "north")
    assert "arrays left out: more" in texts.notes


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"weights": np.zeros(3)}, "found weights"),
        ({}, "found none"),
        ({"x": np.zeros((4, 64))}, r"found shape \(4, 64\)"),
        ({"x": np.zeros((2, 8, 8)), "y": np.zeros(3)}, "one label for each of 2"),
        ({"x": np.full((1, 8, 8), np.nan)}, "finite"),
        ({"x": np.array([None, 1], dtype=object)}, "plain numbers"),
        ({"x": np.zeros((0, 8, 8))}, r"found shape \(0, 8, 8\)"),
        ({"x": np.full((1, 8, 8), 1j)}, "real numbers, found complex128"),
        (
            {"x": np.zeros((3, 8, 8)), "y": np.array([0, 1, 2]), "class_names": ["a", "b"]},
            r"array 'y': expected positions 0 to 1 in class_names, found 1 other.*first 2 at 2",
        ),
        (
            {"x": np.zeros((2, 8, 8)), "y": np.array([0, -1]), "class_names": ["a", "b"]},
            "found 1 other.*first -1 at 1",
        ),
        (
            {"x": np.zeros((2, 8, 8)), "y": np.array(["a", "c"]), "class_names": ["a", "b"]},
            "expected names of class_names.*first c at 1",
        ),
        (
            {"x": np.zeros((2, 8, 8)), "y": np.array([0, 1]), "class_names": ["a", "a"]},
            "different names",
        ),
    ],
)
def test_an_npz_without_usable_arrays_says_what_it_found(
    tmp_path: Path,
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
    expected: str,
) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=expected):
        list(open_source(path).frames())


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"not an archive")
    with pytest.raises(BadInput, match=r"expected an \.npz archive"):
        open_source(tmp_path / "set.npz")
    np.save(tmp_path / "array.npy", np.zeros((2, 8, 8)))
    (tmp_path / "array.npy").rename(tmp_path / "set.npz")
    with pytest.raises(BadInput, match=r"expected an \.npz archive"):
        open_source(tmp_path / "set.npz")
    (tmp_path / "set.txt").write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(BadInput, match=r"found '\.txt'"):
        open_source(tmp_path / "set.txt")
    with pytest.raises(BadInput, match="nothing is there"):
        open_source(tmp_path / "absent")


def test_a_damaged_npz_says_where(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez_compressed(path, x=np.arange(640, dtype=np.uint8).reshape(10, 8, 8))
    whole = path.read_bytes()
    path.write_bytes(whole[:150] + bytes(40) + whole[190:])
    with pytest.raises(BadInput, match=r"set\.npz: array 'x'"):
        list(open_source(path).frames())


def test_links_are_followed_to_images_and_not_to_folders(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "set")
    (root / "dog" / "link.png").symlink_to(root / "cat" / "0.png")
    (root / "dog" / "round").symlink_to(root)
    (root / "dog" / "nowhere.png").symlink_to(root / "absent.png")
    source = open_source(root)
    assert source.n_frames == 9
    assert any("2 link(s) to folders or to nothing not followed" in n for n in source.notes)


def test_a_class_folder_reads_the_same_twice(tmp_path: Path) -> None:
    source = open_source(class_folder(tmp_path))
    assert list(source.frames()) == list(source.frames())
    assert next(iter(source.frames())).data == image_bytes(0)

"""A simulated town as a source of frames and as a COCO folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from winnow.adapters.frame_sources.coco import CocoSource
from winnow.cli import app
from winnow.cli.sources import source_named
from winnow.domain.boxes import boxes_of
from winnow.domain.errors import BadInput
from winnow.testing.roads.coco_folder import write_coco
from winnow.testing.roads.setting import RoadsSetting
from winnow.testing.roads.source import PIXELS_KEPT, RoadsSource

TINY = RoadsSetting(town=2, frames=45, width=80, height=48, session_frames=12, private_share=0.3)


def unseen(what: str, done: int, total: int) -> None:
    assert (what, total) == ("frames", TINY.frames)
    assert 0 < done <= total


def test_a_town_is_a_source_that_can_be_read_again_and_in_part() -> None:
    source = RoadsSource(TINY)
    frames = list(source.frames())
    assert len({frame.name for frame in frames}) == source.n_frames == 45
    assert list(source.frames([40, 3])) == [frames[3], frames[40]]
    assert source.name == "roads-town2"
    assert {frame.privacy_blocked for frame in frames} == {True, False}
    for frame in frames:
        boxes_of(frame.label or "", class_names=source.class_names, size=(80, 48))
        assert set(frame.tags) == {"scene", "speed_mps", "time_of_day", "vehicle", "weather"}


def test_a_small_town_is_drawn_once_and_a_large_one_is_not_kept() -> None:
    first, again = RoadsSource(TINY), RoadsSource(TINY)
    assert all(one is other for one, other in zip(first.frames(), again.frames(), strict=True))
    other_town = RoadsSource(replace(TINY, town=3))
    assert next(other_town.frames()) != next(first.frames())
    large = RoadsSource(replace(TINY, frames=PIXELS_KEPT // (80 * 48) + 1))
    assert next(large.frames()) is not next(large.frames())


def test_a_line_of_text_names_a_town_and_anything_else_is_a_path(tmp_path: Path) -> None:
    source = source_named(Path("roads:town=7,frames=9,seed=2"))
    assert (source.name, source.n_frames) == ("roads-town7-seed2", 9)
    with pytest.raises(BadInput, match="nothing is there"):
        source_named(tmp_path / "roads")


def test_a_written_town_reads_back_as_it_was_recorded(tmp_path: Path) -> None:
    n_boxes = write_coco(TINY, tmp_path / "town", on_progress=unseen)
    read, drawn = CocoSource(tmp_path / "town" / "annotations.json"), RoadsSource(TINY)
    fields = ("data", "session", "captured_at", "site", "privacy_blocked", "tags", "media_type")
    for one, other in zip(read.frames(), drawn.frames(), strict=True):
        assert [getattr(one, name) for name in fields] == [getattr(other, name) for name in fields]
    document = json.loads((tmp_path / "town" / "annotations.json").read_text())
    assert len(document["annotations"]) == n_boxes
    assert n_boxes == sum(len(boxes_of(frame.label or "")) for frame in drawn.frames())
    assert len({annotation["id"] for annotation in document["annotations"]}) == n_boxes


def test_what_was_broken_off_is_finished_by_the_same_call_only(tmp_path: Path) -> None:
    out = tmp_path / "town"
    write_coco(TINY, out, on_progress=unseen)
    whole = (out / "annotations.json").read_bytes()
    (out / "annotations.json").unlink()
    write_coco(TINY, out, on_progress=unseen)
    assert (out / "annotations.json").read_bytes() == whole
    with pytest.raises(BadInput, match="expected the same setting, found another"):
        write_coco(replace(TINY, town=3), out, on_progress=unseen)
    (tmp_path / "photo.png").touch()
    with pytest.raises(BadInput, match="expected an empty folder"):
        write_coco(TINY, tmp_path, on_progress=unseen)


def test_people_write_a_town_from_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "town"
    line = ["simulate", str(out), "--town", "2", "--frames", "12", "--more", "width=64,height=48"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    assert "annotations.json: 12 frames" in done.output
    assert len(list((out / "images").rglob("*.jpg"))) == 12

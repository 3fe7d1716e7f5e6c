"""A whole comparison on a small town: resumable, told in one page, the same as a graph's steps."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np
import pytest

from ab_test import cluster, steps
from ab_test.comparison import _weights, relative_change
from ab_test.figures import drawn_improvements, improvements_png
from ab_test.place import Place, place_of
from ab_test.report import render
from ab_test.results import (
    HOLDOUT,
    INTEREST,
    MANUAL_ONLY,
    REFERENCE,
    UNION,
    Improvement,
    PlaceResult,
    Verdict,
    verdicts,
)
from ab_test.setting import AbSetting, read_setting
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.cli.sources import source_named
from winnow.domain.errors import BadInput
from winnow.testing.roads.setting import setting_of
from winnow.testing.roads.source import RoadsSource

TOWN = "roads:town=77,frames=420,session_frames=12,night_share=0.5"
SETTING = AbSetting(
    reference_frames=24,
    holdout_frames=12,
    reference_gap_seconds=0.4,
    batch_frames=24,
    segment_frames=6,
    gap_seconds=0.2,
    members=2,
    n_splits=2,
    input_width=80,
    input_height=48,
    width=4,
    epochs=1,
    draws=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("town")


@pytest.fixture(scope="module")
def place() -> Place:
    return place_of(source_named(Path(TOWN)), SETTING, PixelEncoder())


@pytest.fixture(scope="module")
def result(folder: Path) -> PlaceResult:
    return steps.compare(TOWN, SETTING, folder, manual=None, done=lambda _: None)


def test_every_method_has_its_frames_labeled_and_every_model_is_tested(result: PlaceResult) -> None:
    assert {one.method: len(set(one.frame_ids)) for one in result.chosen} == {
        "committee": 24, "manual": 24, "random": 24,
    }  # fmt: skip
    asked = {(score.split, score.method, score.test) for score in result.scores}
    assert len(asked) == 2 * 4 * 3
    assert {score.n_objects for score in result.scores if score.test == HOLDOUT} != {0}
    assert sum(result.blocked.values()) > 0


def test_roles_share_no_session(result: PlaceResult, place: Place) -> None:
    sessions = [
        {place.frames[pos].session for pos in rows.tolist()}
        for rows in (place.reference, place.holdout, place.pool)
    ]
    assert not sessions[0] & sessions[1]
    assert not sessions[2] & (sessions[0] | sessions[1])
    assert all(place.frames[pos].tags["time_of_day"] == "night" for pos in place.pool.tolist())
    assert result.n_pool == len(place.pool)


def test_a_finished_place_is_taken_as_it_is_and_a_killed_one_ends_the_same(
    result: PlaceResult, folder: Path
) -> None:
    told: list[str] = []
    again = steps.compare(TOWN, SETTING, folder, manual=None, done=told.append)
    assert again.model_dump_json() == result.model_dump_json()
    (folder / "result.json").unlink()
    (folder / "manual-1.pt").unlink()
    after = steps.compare(TOWN, SETTING, folder, manual=None, done=told.append)
    assert after.model_dump_json() == result.model_dump_json()


def test_the_page_says_what_came_out(result: PlaceResult, folder: Path, tmp_path: Path) -> None:
    (copy := tmp_path / "in").mkdir()
    for name in ("result.json", "gallery.png"):
        (copy / name).write_bytes((folder / name).read_bytes())
    page, note = tmp_path / "page.html", tmp_path / "note.md"
    metrics = cluster.report_places([str(copy)], page=str(page), note=str(note))
    text = page.read_text()
    for verdict in verdicts([result]):
        assert escape(verdict.question) in text
        assert verdict.question in metrics
        assert verdict.question in note.read_text()
    assert "data:image/png;base64," in text
    assert REFERENCE in text


def test_a_list_replaces_the_curator(result: PlaceResult, tmp_path: Path) -> None:
    (one,) = [one for one in result.chosen if one.method == "random"]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(reversed(one.frame_ids)))
    quick = SETTING.model_copy(update={"n_splits": 1})
    found = steps.compare(TOWN, quick, tmp_path / "p", manual=listed, done=lambda _: None)
    (manual,) = [one for one in found.chosen if one.method == "manual"]
    assert manual.frame_ids == tuple(reversed(one.frame_ids))


def test_names_in_a_list_may_hold_spaces_and_lines_end_as_they_like(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes("\ufeffimages/bild 1.jpg\r\n\n  nuit é.jpg \n".encode())
    assert steps.listed_in(listed) == ["images/bild 1.jpg", "nuit é.jpg"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_list_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    if content is not None:
        listed.write_bytes(content)
    with pytest.raises(BadInput, match=r"list.txt: expected names of frames, one a line, found: "):
        steps.compare(TOWN, SETTING, tmp_path / "p", manual=listed, done=lambda _: None)


def test_the_result_of_another_list_is_not_taken_for_this_ones(
    result: PlaceResult, folder: Path, tmp_path: Path
) -> None:
    (work := tmp_path / "p").mkdir()
    for file in folder.iterdir():
        (work / file.name).write_bytes(file.read_bytes())
    (one,) = [one for one in result.chosen if one.method == "random"]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(one.frame_ids))
    found = steps.compare(TOWN, SETTING, work, manual=listed, done=lambda _: None)
    assert {c.method: c.frame_ids for c in found.chosen}["manual"] == one.frame_ids
    curated = steps.compare(TOWN, SETTING, work, manual=None, done=lambda _: None)
    assert curated.model_dump_json() == result.model_dump_json()


def test_places_that_would_share_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a/b and a-b: expected .* found both in .*a-b"):
        steps.compare_all(
            ["a/b", "a-b"], SETTING, tmp_path, processes=1, manual=None, done=lambda _: None
        )


def test_a_session_is_drawn_as_often_in_every_split(place: Place) -> None:
    tests = [place.holdout, place.holdout, place.pool[::2], place.pool[1::2]]
    drawn = _weights(tests, place, SETTING)
    counts: list[dict[str, float]] = [{} for _ in range(SETTING.draws)]
    for rows, (as_they_are, *some) in zip(tests, drawn, strict=True):
        assert as_they_are is None
        for seen, weights in zip(counts, some, strict=True):
            for pos, weight in zip(rows.tolist(), np.asarray(weights).tolist(), strict=True):
                assert seen.setdefault(place.frames[pos].session, weight) == weight


def test_a_pool_that_is_too_small_is_told_and_so_is_an_unknown_class() -> None:
    small = RoadsSource(setting_of("roads:town=77,frames=30"))
    with pytest.raises(BadInput, match="expected 24 frames or more in the pool"):
        place_of(small, SETTING, PixelEncoder())
    wolves = SETTING.model_copy(update={"interest": ("wolf",)})
    with pytest.raises(BadInput, match="expected the classes wolf, found car, truck"):
        place_of(small, wolves, PixelEncoder())


def test_all_mistakes_of_a_setting_are_told(tmp_path: Path) -> None:
    file = tmp_path / "setting.yaml"
    file.write_text("members: 1\nstep: 3\n")
    with pytest.raises(BadInput, match=r"2 mistake\(s\)") as error:
        read_setting(file)
    assert "members" in str(error.value)
    assert "step" in str(error.value)


def test_verdicts_count_only_what_is_known(result: PlaceResult) -> None:
    gain, *_ = verdicts([result, result])
    assert gain.n_places == 2
    assert result.improvement("committee", UNION, "wolf") is None


def test_where_the_reference_finds_nothing_changes_are_still_compared(result: PlaceResult) -> None:
    def found(method: str, test: str, of: str, value: float) -> Improvement:
        return Improvement(
            method=method, test=test, of=of, reference=0.0, value=value, relative=None,
            low=None, high=None,
        )  # fmt: skip

    blind = result.model_copy(
        update={
            "improvements": (
                found("committee", UNION, INTEREST, 0.3),
                found("manual", UNION, INTEREST, 0.1),
                found("committee", MANUAL_ONLY, INTEREST, 0.2),
                found("manual", MANUAL_ONLY, INTEREST, 0.25),
            )
        }
    )
    gain, on_manual, everyday = verdicts([blind])
    assert (gain.n_yes, gain.detail) == (1, "ratios 3.00")
    assert (on_manual.n_yes, on_manual.n_places) == (0, 1)
    assert on_manual.detail == "differences in points -5.0; mean -5.00"
    assert everyday.detail == "differences in points none: no objects there"
    page = render([blind], improvements=improvements_png([blind]), galleries={}, failed={})
    assert "<td>0.300</td>" in page
    for axis in drawn_improvements([blind]).axes:
        assert [text.get_text() for text in axis.texts] == ["the reference finds nothing"]
        assert axis.get_xlim() == (-0.5, len(axis.get_xticks()) - 0.5)


def test_less_than_is_told_is_not_worse(result: PlaceResult) -> None:
    def on_manual(committee: float, manual: float) -> Verdict:
        found = [
            Improvement(
                method=method, test=MANUAL_ONLY, of=INTEREST, reference=0.1, value=value,
                relative=None, low=None, high=None,
            )
            for method, value in (("committee", committee), ("manual", manual))
        ]  # fmt: skip
        return verdicts([result.model_copy(update={"improvements": tuple(found)})])[1]

    same, worse = on_manual(0.20000, 0.20004), on_manual(0.2000, 0.2006)
    assert (same.n_yes, same.detail) == (1, "differences in points +0.0; mean +0.00")
    assert (worse.n_yes, worse.detail) == (0, "differences in points -0.1; mean -0.06")


def test_a_reference_that_finds_next_to_nothing_has_no_change_in_per_cent() -> None:
    before, after = np.array([0.0001, 0.0001, 0.0]), np.array([0.00004, 0.0006, 0.0])
    assert relative_change(after, before) == (None, None, None)
    relative, low, high = relative_change(100 * after, 1000 * before)
    assert relative == pytest.approx(-0.96)
    assert low == high == pytest.approx(-0.4)

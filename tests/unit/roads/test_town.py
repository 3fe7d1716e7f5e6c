"""Simulated roads: the same bytes each time, exact boxes, nights with few people, flaws."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from statistics import mean, median

import numpy as np
import pytest

from winnow.constraints.gates import Gate, GateThresholds, quality_gate
from winnow.constraints.perceptual_hash import perceptual_hash
from winnow.constraints.pixels import luma
from winnow.domain.boxes import boxes_of, label_of
from winnow.domain.errors import BadInput
from winnow.tasks.decode import decode_rgb
from winnow.testing.roads.camera import camera_of, outlook_of, sky_of
from winnow.testing.roads.looks import looks_of
from winnow.testing.roads.picture import picture_of
from winnow.testing.roads.prints import print_of
from winnow.testing.roads.session import session_of
from winnow.testing.roads.setting import CLASS_NAMES, RoadsSetting, setting_of
from winnow.testing.roads.street import site_of
from winnow.testing.roads.town import Flaw, RoadFrame, Town
from winnow.testing.roads.traffic import traffic_of

SMALL = RoadsSetting(town=3, frames=400, width=96, height=64, session_frames=20)
CLEAN = replace(SMALL, corrupted_share=0.0, repeated_share=0.0)


def forget() -> None:
    for kept in (
        camera_of, looks_of, outlook_of, print_of, session_of, site_of, sky_of, traffic_of,
    ):  # fmt: skip
        kept.cache_clear()


def test_the_same_setting_gives_the_same_bytes() -> None:
    first = [(frame.data, frame.boxes) for frame in Town(SMALL).frames(range(60))]
    forget()
    assert [(frame.data, frame.boxes) for frame in Town(SMALL).frames(range(60))] == first


def test_the_parameters_are_frozen() -> None:
    """Comparisons go on from earlier ones on the same towns: what this refuses makes new ones."""
    town = Town(RoadsSetting(frames=1000))
    told = [
        f"{session.name} {session.site} {session.time_of_day} {session.weather} {frame} "
        f"{label_of(picture_of(town.setting, session, frame).boxes)}"
        for session, frame in map(town.place, range(0, 1000, 25))
    ]
    assert sha256("\n".join(told).encode()).hexdigest()[:16] == "bc42db8851889611"


def test_a_frame_does_not_depend_on_those_drawn_before_it() -> None:
    in_turn = list(Town(SMALL).frames(range(50)))
    forget()
    town = Town(SMALL)
    for pos in (49, 7, 23):
        assert town.frame(pos) == replace(in_turn[pos], session=town.frame(pos).session)


def test_a_longer_recording_begins_with_the_shorter_one() -> None:
    short, long = Town(replace(SMALL, frames=30)), Town(replace(SMALL, frames=300))
    assert [frame.data for frame in short.frames()] == [
        frame.data for frame in long.frames(range(30))
    ]


@pytest.mark.parametrize("change", [{"town": 4}, {"seed": 1}])
def test_other_towns_and_other_seeds_look_different(change: dict[str, int]) -> None:
    here, there = Town(SMALL), Town(replace(SMALL, **change))  # type: ignore[arg-type]
    assert not {f.data for f in here.frames(range(20))} & {f.data for f in there.frames(range(20))}


def test_there_is_no_frame_past_the_last() -> None:
    with pytest.raises(IndexError, match="expected a frame of 0 to 399, found 400"):
        Town(SMALL).frame(400)


def test_boxes_hold_every_pixel_of_what_they_name_and_follow_the_stated_rule() -> None:
    n_boxes = 0
    for pos in range(0, 400, 9):
        picture = Town(CLEAN).picture(pos)
        size = (CLEAN.width, CLEAN.height)
        assert boxes_of(label_of(picture.boxes), class_names=CLASS_NAMES, size=size) == (
            picture.boxes
        )
        n_boxes += len(picture.boxes)
        for number, drawn in enumerate(picture.drawn, start=1):
            rows, columns = np.nonzero(picture.owners == number)
            if len(rows):
                assert drawn.x <= columns.min() <= columns.max() < drawn.x + drawn.width
                assert drawn.y <= rows.min() <= rows.max() < drawn.y + drawn.height
        for box in picture.boxes:
            assert box.width >= CLEAN.box_width_min * CLEAN.width
            assert box.height >= CLEAN.box_height_min * CLEAN.height
            owned = picture.owners[box.y : box.y + box.height, box.x : box.x + box.width]
            assert owned.any()
    assert n_boxes > 50


def test_what_something_nearer_covers_almost_wholly_has_no_box() -> None:
    strict, lax = (
        sum(len(Town(replace(CLEAN, visible_share_min=share)).picture(pos).boxes)
            for pos in range(0, 400, 20))
        for share in (0.95, 0.05)
    )  # fmt: skip
    assert strict < lax


def of_towns(step: int) -> list[RoadFrame]:
    clean = replace(CLEAN, frames=1000)
    towns = [Town(replace(clean, town=number)) for number in range(3)]
    return [frame for town in towns for frame in town.frames(range(0, 1000, step))]


def test_persons_and_bicycles_are_common_by_day_and_rare_at_night() -> None:
    frames = of_towns(step=6)
    nights = [frame for frame in frames if frame.session.night]
    days = [frame for frame in frames if not frame.session.night]
    assert 0.12 < len(nights) / len(frames) < 0.24
    for name in CLASS_NAMES:
        assert any(box.class_name == name for frame in frames for box in frame.boxes)
    for name in ("person", "bicycle"):
        by_day = mean(any(box.class_name == name for box in frame.boxes) for frame in days)
        at_night = mean(any(box.class_name == name for box in frame.boxes) for frame in nights)
        assert by_day > 0.25
        assert at_night < 0.5 * by_day
    heights = [box.height / CLEAN.height for frame in frames for box in frame.boxes]
    assert min(heights) < 0.08
    assert max(heights) > 0.5


def test_nights_are_dark_but_not_so_dark_that_nothing_is_seen() -> None:
    town = Town(replace(CLEAN, frames=600))
    brightness: dict[bool, list[float]] = {True: [], False: []}
    for frame in town.frames(range(0, 600, 15)):
        pixels = decode_rgb(frame.data)
        brightness[frame.session.night].append(float(pixels.mean()))
        found = quality_gate(pixels, calibrated=True, thresholds=GateThresholds())
        assert found.gate == ""
    assert mean(brightness[True]) < 0.5 * mean(brightness[False])
    assert min(brightness[True]) > 15


def test_neighbours_look_alike_and_almost_the_same_while_the_vehicle_waits() -> None:
    town = Town(replace(CLEAN, frames=300, width=160, height=96))
    frames = list(town.frames())
    hashes = [perceptual_hash(luma(decode_rgb(frame.data))) for frame in frames]
    moving, waiting, strange = [], [], []
    for pos in range(1, 300):
        bits = (hashes[pos] ^ hashes[pos - 1]).bit_count()
        if frames[pos].session is not frames[pos - 1].session:
            strange.append(bits)
        elif frames[pos].speed == frames[pos - 1].speed == 0:
            waiting.append(bits)
        else:
            moving.append(bits)
    assert median(waiting) <= 4
    assert median(waiting) < median(moving) < median(strange)


def test_some_frames_are_flawed_and_the_gates_find_them() -> None:
    town = Town(replace(SMALL, corrupted_share=0.15, repeated_share=0.1))
    frames = list(town.frames(range(120)))
    found = {frame.flaw for frame in frames}
    assert found == {None, *Flaw}
    for before, frame in zip([None, *frames], frames, strict=False):
        if frame.flaw is Flaw.REPEATED:
            assert before is not None
            assert (frame.data, frame.boxes) == (before.data, before.boxes)
            assert frame.captured_at > before.captured_at
        elif frame.flaw is Flaw.CUT:
            with pytest.raises(BadInput):
                decode_rgb(frame.data)
        elif frame.flaw is not None:
            gate = quality_gate(
                decode_rgb(frame.data), calibrated=True, thresholds=GateThresholds()
            ).gate
            assert gate == (Gate.DARK if frame.flaw is Flaw.BLACK else Gate.BLURRED)
        if frame.flaw in {Flaw.CUT, Flaw.BLACK, Flaw.WHITE}:
            assert frame.boxes == ()


def test_private_frames_come_in_runs_of_their_share() -> None:
    sessions = Town(replace(SMALL, frames=20_000, private_share=0.1)).sessions
    n_private = sum(len(session.private) for session in sessions)
    assert 0.07 < n_private / sum(session.n_frames for session in sessions) < 0.13
    assert all(session.private.stop <= session.n_frames for session in sessions)
    private = next(session for session in sessions if len(session.private))
    first = sum(session.n_frames for session in sessions[: private.number]) + private.private.start
    town = Town(replace(SMALL, frames=20_000, private_share=0.1))
    assert town.frame(first).privacy_blocked


def test_sessions_of_one_vehicle_never_overlap_and_frames_come_at_their_rate() -> None:
    sessions = Town(replace(SMALL, frames=3000)).sessions
    assert len({session.vehicle_name for session in sessions}) == SMALL.vehicles
    assert len({session.site for session in sessions}) == SMALL.sites
    for vehicle in range(SMALL.vehicles):
        own = [session for session in sessions if session.vehicle == vehicle]
        for earlier, later in pairwise(own):
            assert (later.started_at - earlier.started_at).total_seconds() > 3600
    frames = list(Town(SMALL).frames(range(3)))
    assert (frames[2].captured_at - frames[0].captured_at).total_seconds() == 0.4


def test_a_larger_frame_shows_the_same_moment() -> None:
    small, large = Town(CLEAN), Town(replace(CLEAN, width=192, height=128))
    for pos in (5, 150, 333):
        one, other = small.frame(pos), large.frame(pos)
        assert (one.captured_at, one.tags) == (other.captured_at, other.tags)
        assert decode_rgb(other.data).shape == (128, 192, 3)
        assert abs(len(one.boxes) - len(other.boxes)) <= 1


def test_mistakes_in_a_setting_are_told_together() -> None:
    with pytest.raises(BadInput, match="2 mistake") as told:
        setting_of("roads:night_share=7,vehicles=0")
    assert "night_share: expected 0 to 1, found 7.0" in str(told.value)
    with pytest.raises(BadInput, match=r"expected names of town, frames, .*, found 'toon'"):
        setting_of("roads:toon=3")
    with pytest.raises(BadInput, match="frames: expected a number of kind int, found 'many'"):
        setting_of("roads:frames=many")
    with pytest.raises(BadInput, match="encoding: expected jpeg or png, found 'gif'"):
        setting_of("roads:encoding=gif")
    with pytest.raises(BadInput, match="crowding: expected more than 0"):
        setting_of("roads:crowding=nan")

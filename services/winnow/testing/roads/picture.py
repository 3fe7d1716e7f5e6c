"""From a moment of a session to the pixels of its frame and the boxes in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from winnow.domain.boxes import Box
from winnow.testing.roads import light
from winnow.testing.roads.camera import (
    Camera,
    camera_of,
    distance_byte,
    metres_of,
    outlook_of,
    sky_of,
)
from winnow.testing.roads.prints import Print, overlap, print_of, shadow_of
from winnow.testing.roads.session import Session
from winnow.testing.roads.setting import CLASS_NAMES, RoadsSetting
from winnow.testing.roads.sketch import Look
from winnow.testing.roads.streams import Purpose, bits, stream
from winnow.testing.roads.street import CELL, COLUMNS, LENGTH, OPEN, Packed, Site, site_of, tint
from winnow.testing.roads.traffic import SEEN, STEPS_PER_SECOND, traffic_of

CLOSEST: Final = 3.0
"""Metres; what is nearer has been passed."""
COARSE: Final = 18.0
"""Metres from which sizes come in larger steps."""
OBJECTS_MAX: Final = 255
SHADOW: Final = {"clear": 0.5, "overcast": 0.3, "rain": 0.25, "fog": 0.2}
_NIGHT_SHADOW: Final = 0.35
SHADOW_WIDTH_MIN: Final = 4
"""Pixels."""
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels [height, width, 3], the boxes of what is visible, and how visible each is."""

    pixels: Pixels
    boxes: tuple[Box, ...]
    owners: Pixels
    """[height, width]: 1 + position in `drawn` of the object that each pixel shows; 0 for none."""
    drawn: tuple[Box, ...]
    """Objects from far to near, of no class if background; not cut to the frame."""


class _Placed(NamedTuple):
    class_pos: int
    look: Look
    shown: Print
    left: int
    """Of the print, on the canvas."""
    top: int
    scale: float
    """Pixels a metre."""


def picture_of(setting: RoadsSetting, session: Session, frame: int) -> Picture:
    """Draw a frame of a session.

    Cost: half a millisecond to a millisecond at 160 x 96 pixels; the looks, streets and sizes that
    it needs are kept between frames.
    """
    camera, site = camera_of(setting, session.vehicle), site_of(setting, session.site_number)
    canvas = _street(setting, session, site, frame)
    objects = _placed(setting, session, site, camera, frame)
    owners = _draw(canvas, objects, _NIGHT_SHADOW if session.night else SHADOW[session.weather])
    lit = _lit(setting, session, site, canvas, frame)
    if session.night:
        _shine(lit, owners, objects)
    left, top = _shaking(setting, session, camera, frame)
    inside = (slice(top, top + setting.height), slice(left, left + setting.width))
    owned = np.ascontiguousarray(owners[inside])
    drawn = tuple(
        Box(_name(one.class_pos), one.left - left, one.top - top, *one.shown.mask.shape[::-1])
        for one in objects
    )
    pixels = _developed(setting, session, lit[inside], frame)
    return Picture(pixels, _boxes(setting, objects, drawn, owned), owned, drawn)


def _draw(canvas: Packed, objects: list[_Placed], shadow: float) -> Pixels:
    """Put objects on the canvas, each over what is farther, and give who owns each pixel."""
    owners = np.zeros(canvas.shape, dtype=np.uint8)
    colours = canvas.view(np.uint8).reshape(*canvas.shape, 4)
    for number, one in enumerate(objects, start=1):
        height, width = one.shown.mask.shape
        if width > SHADOW_WIDTH_MIN:
            dark = shadow_of(round(1.15 * width), shadow)
            left = one.left - (dark.shape[1] - width) // 2
            under = overlap(
                left, one.top + height - 1 - dark.shape[0] // 2, dark.shape, canvas.shape
            )
            if under is not None:
                ground = colours[under.canvas][..., :3]
                ground[...] = (ground * dark[under.own]) >> 8
        area = overlap(one.left, one.top, one.shown.mask.shape, canvas.shape)
        if area is not None:
            mask = one.shown.mask[area.own]
            np.copyto(canvas[area.canvas], one.shown.pixels[area.own], where=mask)
            np.copyto(owners[area.canvas], np.uint8(number), where=mask)
    return owners


def _street(setting: RoadsSetting, session: Session, site: Site, frame: int) -> Packed:
    outlook = outlook_of(setting, session.vehicle, session.site_number, session.lane)
    flat = (site.by_night if session.night else site.by_day).reshape(-1)
    begin = int(session.travelled[frame] / CELL) + 37 * session.number
    cells = (outlook.along + np.int32(begin % LENGTH)) & np.int32(LENGTH - 1)
    cells *= np.int32(COLUMNS)
    cells += outlook.rest
    found = flat.take(cells)
    mark = found >> 24
    found |= np.where(mark == 0, outlook.distance, np.uint32(0))
    sky = sky_of(setting, session.vehicle, session.weather, night=session.night)
    return np.where(outlook.sky | (mark == OPEN), sky, found)


def _placed(
    setting: RoadsSetting, session: Session, site: Site, camera: Camera, frame: int
) -> list[_Placed]:
    """Give the objects that the canvas shows, from far to near."""
    traffic = traffic_of(setting, session.number)
    seconds = frame / setting.frames_per_second
    ahead = traffic.ahead(seconds, float(session.travelled[frame]))
    right = traffic.right(seconds)
    inside = (ahead > CLOSEST) & (ahead < SEEN) & (np.abs(right) < site.half_street - 0.3)
    inside &= np.abs(right - session.lane) < ahead * (camera.width / camera.focal) * 0.5 + 4
    seen = np.flatnonzero(inside)
    seen = seen[np.argsort(-ahead[seen], kind="stable")][-OBJECTS_MAX:]
    # Sizes 3.3 or 6.6 % apart, less than a pixel or two: far fewer to print.
    bytes_ = distance_byte(ahead[seen]) & np.where(ahead[seen] > COARSE, 0xFC, 0xFE)
    scales = camera.focal / metres_of(bytes_)
    middles = camera.width / 2 + (right[seen] - session.lane) * scales
    feet = camera.horizon + camera.above_ground * scales
    step = int(seconds * STEPS_PER_SECOND)
    objects = []
    for pos, byte, middle, foot, scale in zip(
        *(column.tolist() for column in (seen, bytes_, middles, feet, scales)), strict=True
    ):
        looks = traffic.looks[pos]
        look = looks[(step + pos) % len(looks)]
        shown = print_of(look, byte, camera.focal)
        left = round(middle - shown.whole[0] / 2) + shown.shift[0]
        top = round(foot) - shown.whole[1] + shown.shift[1]
        if shown.n_pixels and left < camera.width and left + shown.mask.shape[1] > 0:
            objects.append(_Placed(int(traffic.classes[pos]), look, shown, left, top, scale))
    return objects


def _name(class_pos: int) -> str:
    return CLASS_NAMES[class_pos] if class_pos >= 0 else ""


def _lit(
    setting: RoadsSetting, session: Session, site: Site, canvas: Packed, frame: int
) -> light.Floats:
    whole = canvas.view(np.uint8).reshape(*canvas.shape, 4)
    colours, distance = whole[..., :3].astype(np.float32), whole[..., 3]
    if not session.night:
        return light.by_day(colours, distance, session.weather)
    outlook = outlook_of(setting, session.vehicle, session.site_number, session.lane)
    # A lamp stands in the middle of each gap, where the gap's beginning is half a gap behind.
    travelled = float(session.travelled[frame])
    return light.by_night(
        colours, distance, outlook.beam, session.weather,
        travelled=travelled, lamp_gap=site.lamp_gap,
    )  # fmt: skip


def _shine(lit: light.Floats, owners: Pixels, objects: list[_Placed]) -> None:
    """Add the glow of all lamps that nothing covers."""
    for number, one in enumerate(objects, start=1):
        for lamp in one.look.lamps:
            column = one.left - one.shown.shift[0] + lamp.across * one.shown.whole[0]
            row = one.top - one.shown.shift[1] + lamp.down * one.shown.whole[1]
            x, y = int(column), int(row)
            inside = 0 <= x < owners.shape[1] and 0 <= y < owners.shape[0]
            if inside and owners[y, x] == number:
                radius = int(min(max(2.0, 1.6 * lamp.radius * one.scale), owners.shape[1] / 6))
                light.add_glow(lit, row, column, radius, tuple(0.75 * part for part in lamp.colour))


def _developed(setting: RoadsSetting, session: Session, lit: light.Floats, frame: int) -> Pixels:
    source = bits(setting, Purpose.FRAME, session.number, frame)
    sigma = light.NOISE_AT_NIGHT if session.night else light.NOISE_BY_DAY
    # In rows: NumPy is slow where the last axis has three elements.
    flat = lit.reshape(setting.height, 3 * setting.width)
    rows = flat * np.tile(tint(camera_of(setting, session.vehicle).cast), setting.width)
    rows += light.grain(source, rows.shape, sigma)
    pixels: Pixels = np.clip(rows, 0, 255, out=rows).astype(np.uint8)
    return pixels.reshape(lit.shape)


def _shaking(
    setting: RoadsSetting, session: Session, camera: Camera, frame: int
) -> tuple[int, int]:
    """Give where the frame lies on the canvas; a vehicle that stands does not shake."""
    across, down = camera.margin
    if session.speed[frame] < 0.5:
        return across, down
    rng = stream(setting, Purpose.FRAME, session.number, (1 << 32) + frame)
    turn = np.sin(frame / 7 + session.number) * 0.5 + rng.uniform(-0.3, 0.3)
    nod = rng.uniform(-1, 1) * min(1.0, float(session.speed[frame]) / 12)
    return across + round(across * float(turn)), down + round(down * float(nod))


def _boxes(
    setting: RoadsSetting, objects: list[_Placed], drawn: tuple[Box, ...], owners: Pixels
) -> tuple[Box, ...]:
    """Give the boxes, cut to the frame, of objects that are visible and large enough."""
    seen = np.bincount(owners.reshape(-1), minlength=len(objects) + 1)
    boxes = []
    for number, (one, box) in enumerate(zip(objects, drawn, strict=True), start=1):
        left, top = max(box.x, 0), max(box.y, 0)
        width = min(box.x + box.width, setting.width) - left
        height = min(box.y + box.height, setting.height) - top
        large = height >= setting.box_height_min * setting.height
        large &= width >= setting.box_width_min * setting.width
        visible = (
            seen[number] > 0 and seen[number] >= setting.visible_share_min * one.shown.n_pixels
        )
        if one.class_pos >= 0 and large and visible:
            boxes.append(Box(box.class_name, left, top, width, height))
    return tuple(sorted(boxes))

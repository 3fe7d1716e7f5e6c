"""Where a camera sees the surfaces of a street, and how distances are written in a byte."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from winnow.testing.roads.setting import RoadsSetting
from winnow.testing.roads.streams import Purpose, stream
from winnow.testing.roads.street import (
    ACROSS,
    CELL,
    COLUMNS,
    FRONT,
    GROUND,
    LENGTH,
    LEVELS,
    site_of,
    tint,
)

NEAREST, FARTHEST = 2.0, 120.0
"""Metres that a distance byte can tell."""
_STEPS: Final = 253
SKY: Final = 255
Floats = npt.NDArray[np.float32]


def distance_byte(metres: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Give distances on a scale of equal ratios, 1.6 % a step, 0 to 253."""
    share = np.log(np.maximum(metres, NEAREST) / NEAREST) / np.log(FARTHEST / NEAREST)
    return np.asarray(np.rint(np.minimum(share, 1.0) * _STEPS), dtype=np.uint8)


def metres_of(byte: npt.NDArray[np.uint8] | int) -> npt.NDArray[np.float64]:
    """Give the distance that a byte tells."""
    return NEAREST * (FARTHEST / NEAREST) ** (np.asarray(byte, dtype=np.float64) / _STEPS)


@dataclass(frozen=True, slots=True)
class Camera:
    """One vehicle's camera. Its canvas is larger than the frame, for the shaking."""

    width: int
    height: int
    """Of the canvas, pixels."""
    margin: tuple[int, int]
    """Pixels of canvas on each side of the frame, across and down."""
    focal: float
    """Pixels."""
    horizon: float
    """Row of the canvas."""
    above_ground: float
    """Metres."""
    cast: tuple[float, float, float]
    """Gain of its red, green and blue."""


@lru_cache(maxsize=64)
def camera_of(setting: RoadsSetting, vehicle: int) -> Camera:
    """Give a vehicle's camera."""
    rng = stream(setting, Purpose.VEHICLE, vehicle)
    margin = (max(2, setting.width // 40), max(2, setting.height // 32))
    red, blue = rng.uniform(0.94, 1.06, 2)
    return Camera(
        width=setting.width + 2 * margin[0],
        height=setting.height + 2 * margin[1],
        margin=margin,
        focal=0.9 * setting.width,
        horizon=margin[1] + setting.height * float(rng.uniform(0.38, 0.46)),
        above_ground=float(rng.uniform(1.3, 1.6)),
        cast=(float(red), 1.0, float(blue)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Which cell of a site's picture each pixel of the canvas shows, [height, width] each."""

    along: npt.NDArray[np.int32]
    """Cell along the road, if the vehicle were at its beginning."""
    rest: npt.NDArray[np.int32]
    """Place of the cell's column and level in the flat picture."""
    distance: npt.NDArray[np.uint32]
    """Distance byte, as the fourth of a pixel."""
    sky: npt.NDArray[np.bool_]
    beam: Floats
    """Share of the headlights' light that goes there."""


@lru_cache(maxsize=48)
def outlook_of(setting: RoadsSetting, vehicle: int, site_number: int, lane: float) -> Outlook:
    """Give what the camera looks at from a place `lane` metres right of the road's middle."""
    camera, site = camera_of(setting, vehicle), site_of(setting, site_number)
    right = (np.arange(camera.width) - camera.width / 2 + 0.5)[None, :] / camera.focal
    down = (np.arange(camera.height) - camera.horizon + 0.5)[:, None] / camera.focal
    with np.errstate(divide="ignore"):
        to_ground = np.where(down > 0, camera.above_ground / down, np.inf)
        wall = np.where(right > 0, site.half_street - lane, -site.half_street - lane)
        to_front = wall / right
    metres = np.minimum(to_ground, to_front)
    on_ground = to_ground < to_front
    up = camera.above_ground - down * metres
    sky = (metres > FARTHEST) | (~on_ground & (up >= FRONT * CELL))
    metres = np.minimum(metres, FARTHEST)
    across = np.clip((lane + right * metres) / ACROSS + GROUND / 2, 0, GROUND - 1)
    front = np.clip(up / CELL, 0, FRONT - 1) + GROUND + np.where(right > 0, FRONT, 0)
    column = np.where(on_ground, across, front).astype(np.int32)
    # How many cells a pixel covers: along the road on the ground and the fronts, and across.
    ahead = np.where(on_ground, metres**2 / camera.above_ground, metres**2 / np.abs(wall))
    covered = np.maximum(ahead / CELL / 8, metres / ACROSS) / camera.focal
    level = np.clip(np.rint(np.log2(np.maximum(covered, 1.0))), 0, LEVELS - 1).astype(np.int32)
    return Outlook(
        along=(metres / CELL).astype(np.int32),
        rest=level * (LENGTH * COLUMNS) + column,
        distance=distance_byte(metres).astype(np.uint32) << np.uint32(24),
        sky=sky,
        beam=_beam(right, down),
    )


def _beam(right: npt.NDArray[np.floating], down: npt.NDArray[np.floating]) -> Floats:
    """Give two low beams: wide, bright just below the horizon, almost nothing above it."""
    wide = np.exp(-((right - 0.04) ** 2) / (2 * 0.30**2))
    below = np.exp(-((down - 0.07) ** 2) / (2 * 0.15**2))
    above = 1 / (1 + np.exp(-(down + 0.035) / 0.012))
    return np.asarray(wide * below * (0.18 + 0.82 * above), dtype=np.float32)


@lru_cache(maxsize=64)
def sky_of(
    setting: RoadsSetting, vehicle: int, weather: str, *, night: bool
) -> npt.NDArray[np.uint32]:
    """Give a sky for the canvas, packed."""
    camera = camera_of(setting, vehicle)
    number = 1000 + 2 * ("clear", "overcast", "rain", "fog").index(weather) + night
    rng = stream(setting, Purpose.SITE, number)
    zenith, low = _SKIES[weather] if not night else ((9, 11, 20), (26, 25, 30))
    down = tint(np.clip(np.arange(camera.height) / camera.horizon, 0, 1))[:, None, None]
    colours: Floats = tint(zenith) * (1 - down) + tint(low) * down
    coarse = rng.standard_normal((5, 7)).astype(np.float32)
    clouds = Image.fromarray(coarse).resize((camera.width, camera.height), Image.Resampling.BICUBIC)
    strength = 2.5 if night else 26 if weather == "clear" else 9
    colours = colours + np.float32(strength) * np.asarray(clouds, dtype=np.float32)[..., None]
    packed = np.full((camera.height, camera.width, 4), SKY, dtype=np.uint8)
    packed[..., :3] = np.clip(colours, 0, 255)
    return packed.view("<u4")[..., 0].astype(np.uint32)


_SKIES: Final = {
    "clear": ((88, 136, 204), (176, 204, 230)),
    "overcast": ((168, 172, 178), (206, 208, 210)),
    "rain": ((122, 128, 136), (160, 164, 168)),
    "fog": ((186, 188, 190), (196, 197, 198)),
}

"""A site: the surface of its road and of the fronts at both sides, as one picture to look up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from winnow.testing.roads.setting import RoadsSetting
from winnow.testing.roads.streams import Purpose, stream

SCENES: Final = ("downtown", "residential", "campus", "industrial", "arterial")
LENGTH: Final = 512
"""Cells along the road, after which it comes again; a power of two, so that turning is a mask."""
CELL: Final = 0.25
"""Metres of a cell along the road and up the fronts."""
ACROSS: Final = 0.125
"""Metres of a cell across the road."""
GROUND, FRONT = 256, 64
"""Cells across the ground (32 m) and up each of the two fronts (16 m)."""
COLUMNS: Final = GROUND + 2 * FRONT
LEVELS: Final = 6
"""Each is blurred twice as far as the one before: what is far needs no detail, nor shimmers."""
OPEN: Final = 255
"""In the fourth byte: nothing stands here, the sky shows."""
LIT: Final = 254
"""In the fourth byte: shines by itself at night."""

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Packed = npt.NDArray[np.uint32]
"""Red, green, blue and a fourth byte, which is a distance or one of the two marks above."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A street of a town."""

    name: str
    scene: str
    half_road: float
    """Metres from the middle of the road to its edge."""
    half_street: float
    """Metres from the middle to the fronts."""
    lamp_gap: float
    """Metres between street lamps."""
    by_day: Packed
    """[LEVELS * LENGTH, COLUMNS]"""
    by_night: Packed


@lru_cache(maxsize=16)
def site_of(setting: RoadsSetting, number: int) -> Site:
    """Give a town's street."""
    rng = stream(setting, Purpose.SITE, number)
    scene = SCENES[number % len(SCENES)]
    half_road = float(rng.uniform(3.3, 3.9) if scene != "arterial" else rng.uniform(6.8, 7.4))
    half_street = half_road + float(rng.uniform(5.0, 8.0))
    ground = _ground(rng, half_road, green=scene in {"residential", "campus", "arterial"})
    fronts = [_front(rng, scene) for _ in range(2)]
    colours = np.concatenate([ground, *(front[0] for front in fronts)], axis=1)
    flat = np.zeros(ground.shape[:2], dtype=np.uint8)
    open_ = np.concatenate([flat, *(front[1] for front in fronts)], axis=1)
    lit = np.concatenate([flat, *(front[2] for front in fronts)], axis=1)
    shining = np.where(lit[..., None] == LIT, tint((240, 206, 140)), colours)
    name = f"town{setting.town}-{scene}-{number}"
    lamp_gap = float(rng.uniform(26, 44))
    by_day, by_night = _levels(colours, open_), _levels(shining, np.maximum(open_, lit))
    return Site(name, scene, half_road, half_street, lamp_gap, by_day, by_night)


def _ground(rng: np.random.Generator, half_road: float, *, green: bool) -> Floats:
    x = (np.arange(GROUND, dtype=np.float32) - GROUND / 2 + 0.5) * ACROSS
    z = np.arange(LENGTH, dtype=np.float32) * CELL
    ground = np.broadcast_to(_colour(rng, 78, 116, 4), (LENGTH, GROUND, 3)).copy()
    ground *= 1 + 0.1 * _noise(rng, (LENGTH, GROUND), 6)[..., None]
    for _ in range(14):  # patches of newer and older asphalt
        z0, x0 = int(rng.integers(LENGTH)), int(rng.integers(GROUND))
        ground[z0 : z0 + 14, x0 : x0 + 12] *= rng.uniform(0.8, 1.12)
    paved = _colour(rng, 128, 168, 7)
    slabs = 1 - 0.12 * ((z[:, None] % 2 < CELL) | (x[None] % 1.5 < ACROSS))
    walk = paved * (slabs * (1 + 0.06 * _noise(rng, (LENGTH, GROUND), 3)))[..., None]
    beyond = tint((78, 104, 58)) if green else paved * 0.86
    yard = beyond * (1 + 0.2 * _noise(rng, (LENGTH, GROUND), 4))[..., None]
    away = np.abs(x)[None, :, None]
    ground = np.where(away > half_road + 0.3, walk, ground)
    ground = np.where(away > half_road + 2.8, yard, ground)
    ground = np.where((away > half_road) & (away <= half_road + 0.3), np.float32(172), ground)
    dashes = (z[:, None] % 8 < 3) & (np.abs(x)[None] < 0.13)
    edges = np.abs(np.abs(x)[None] - half_road + 0.3) < 0.08
    if half_road > 6:
        dashes = dashes | ((z[:, None] % 8 < 3) & (np.abs(np.abs(x)[None] - half_road / 2) < 0.1))
    ground = np.where((dashes | edges)[..., None], tint((206, 206, 198)), ground)
    start = float(rng.uniform(10, LENGTH * CELL - 20))
    crossing = (np.abs(z[:, None] - start) < 1.6) & (np.abs(x)[None] < half_road - 0.4)
    stripes = crossing & (x[None] % 1.0 < 0.5)
    return np.asarray(np.where(stripes[..., None], np.float32(204), ground), dtype=np.float32)


def _front(rng: np.random.Generator, scene: str) -> tuple[Floats, Bytes, Bytes]:
    """Give colours [LENGTH, FRONT, 3], where the sky shows, and where windows are lit."""
    colours = np.zeros((LENGTH, FRONT, 3), dtype=np.float32)
    tops = np.zeros(LENGTH, dtype=np.float32)
    window = np.zeros((LENGTH, FRONT), dtype=np.bool_)
    high = {"downtown": (8, 16), "residential": (4, 8), "campus": (5, 11), "industrial": (5, 9)}
    low, top = high.get(scene, (2, 6))
    hedges = {"residential": 0.35, "campus": 0.45, "arterial": 0.75, "industrial": 0.2}
    pos = 0
    while pos < LENGTH:
        end = min(LENGTH, pos + int(rng.integers(28, 90)))
        if rng.random() < hedges.get(scene, 0.08):
            colours[pos:end] = rng.uniform((44, 64, 34), (78, 104, 54))
            colours[pos:end] *= 1 + 0.3 * _noise(rng, (end - pos, FRONT), 2)[..., None]
            waves = np.sin(np.arange(end - pos) / float(rng.uniform(2, 6)))
            tops[pos:end] = rng.uniform(1.5, 5) + 0.5 * waves + rng.uniform(0, 0.3, end - pos)
        else:
            colours[pos:end] = _colour(rng, 84, 190, 20)
            colours[pos:end] *= 1 + 0.07 * _noise(rng, (end - pos, FRONT), 5)[..., None]
            tops[pos:end] = rng.uniform(low, top)
            gap, floor = int(rng.integers(7, 14)), int(rng.integers(11, 15))
            across = np.arange(end - pos)[:, None] % gap
            up = np.arange(FRONT)[None] % floor
            window[pos:end] = (across > 2) & (across < gap - 1) & (up > 4) & (up < floor - 2)
        tops[end - int(rng.integers(0, 8)) : end] = rng.uniform(0.5, 2)
        pos = end
    panes = np.repeat(np.repeat(rng.uniform(48, 92, (LENGTH // 8, FRONT // 8)), 8, 0), 8, 1)
    colours[window] = tint(panes)[window][:, None]
    lit = np.repeat(np.repeat(rng.random((LENGTH // 8, FRONT // 8)) < 0.13, 8, 0), 8, 1) & window
    open_ = np.arange(FRONT)[None] * CELL > tops[:, None]
    return (
        colours, np.where(open_, OPEN, 0).astype(np.uint8), np.where(lit, LIT, 0).astype(np.uint8)
    )  # fmt: skip


def _colour(rng: np.random.Generator, low: float, high: float, apart: float) -> Floats:
    """Give a colour of some brightness whose channels lie so far apart at most."""
    return tint(rng.uniform(low, high) + rng.uniform(-apart, apart, 3) * (1, 0.6, 1.2))


def tint(parts: npt.ArrayLike) -> Floats:
    """Give red, green and blue, 0 to 255, to calculate with."""
    return np.asarray(parts, dtype=np.float32)


def _noise(rng: np.random.Generator, shape: tuple[int, int], grain: int) -> Floats:
    """Give smooth and fine noise together, of about unit variance."""
    coarse = rng.standard_normal((shape[0] // grain + 2, shape[1] // grain + 2)).astype(np.float32)
    smooth = Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    fine = rng.standard_normal(shape).astype(np.float32)
    return np.asarray(smooth, dtype=np.float32) * np.float32(0.8) + fine * np.float32(0.6)


def _levels(colours: Floats, marks: Bytes) -> Packed:
    """Give the picture and its blurred forms below each other. Roads go round, fronts do not."""
    levels = []
    blurred: Floats = np.clip(colours, 0, 255)
    for level in range(LEVELS):
        if level:
            step = 1 << (level - 1)
            blurred = (blurred + np.roll(blurred, step, 0)) * np.float32(0.5)
            for part in (slice(0, GROUND), slice(GROUND, GROUND + FRONT), slice(-FRONT, None)):
                strip = blurred[:, part]
                shifted = np.concatenate([strip[:, step:], np.repeat(strip[:, -1:], step, 1)], 1)
                blurred[:, part] = (strip + shifted) * np.float32(0.5)
        whole = np.concatenate([blurred.astype(np.uint8), marks[..., None]], axis=2)
        levels.append(np.ascontiguousarray(whole).view("<u4")[..., 0])
    return np.asarray(np.concatenate(levels), dtype=np.uint32)

"""How light falls on what was drawn: weather by day, lamps and headlights at night."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.testing.roads.camera import SKY, metres_of
from winnow.testing.roads.street import LIT, tint

Floats = npt.NDArray[np.float32]
METRES: Final = metres_of(np.arange(256, dtype=np.uint8)).astype(np.float32)
_BASE: Final = {"clear": 1.04, "overcast": 0.86, "rain": 0.70, "fog": 0.86}
_HAZE: Final = {"clear": 900.0, "overcast": 420.0, "rain": 130.0, "fog": 42.0}
"""Metres after which 63 % of an object's light are gone."""
_HAZE_COLOUR: Final = {
    "clear": (176, 200, 226), "overcast": (196, 198, 202), "rain": (150, 155, 160),
    "fog": (192, 193, 195),
}  # fmt: skip
AMBIENT: Final = {"clear": 0.14, "overcast": 0.15, "rain": 0.12, "fog": 0.13}
"""Of a street at night, relative to daylight."""
GREY_AT_NIGHT: Final = 0.55
"""Share of its colour that a small sensor loses at night."""
NOISE_BY_DAY, NOISE_AT_NIGHT = 2.5, 7.5
"""Standard deviation, of 255."""


@lru_cache(maxsize=16)
def _haze(weather: str) -> tuple[Floats, Floats]:
    """Give what is left of a colour at each distance byte, and what comes on top."""
    left = np.exp(-METRES / _HAZE[weather]).astype(np.float32)
    left[SKY] = 1.0
    veil = (1 - left)[:, None] * tint(_HAZE_COLOUR[weather])
    return left, np.asarray(veil, dtype=np.float32)


def by_day(colours: Floats, distance: npt.NDArray[np.uint8], weather: str) -> Floats:
    """Give colours [height, width, 3] under a sky; `distance` [height, width] is in bytes."""
    left, veil = _haze(weather)
    if weather == "clear":
        return colours * np.float32(_BASE[weather])
    lit = colours * (left * np.float32(_BASE[weather])).take(distance)[..., None]
    lit += veil.take(distance, axis=0) * np.float32(_BASE[weather])
    return lit


def by_night(
    colours: Floats, distance: npt.NDArray[np.uint8], beam: Floats, weather: str, *,
    travelled: float, lamp_gap: float,
) -> Floats:  # fmt: skip
    """Give colours under the sky's rest of light, street lamps and the vehicle's headlights."""
    from_lamp = (METRES + travelled) % lamp_gap - lamp_gap / 2
    left, _ = _haze(weather)
    around = AMBIENT[weather] + 0.32 * np.exp(-((from_lamp / 7.0) ** 2))
    around = (around * left).astype(np.float32)
    ahead = (1.35 / (1 + (METRES / 13.0) ** 2) * left).astype(np.float32)
    around[LIT] = around[SKY] = 1.0
    ahead[LIT] = ahead[SKY] = 0.0
    light = ahead.take(distance)
    light *= beam
    light += around.take(distance)
    grey = colours[..., 0] * np.float32(0.30 * GREY_AT_NIGHT)
    grey += colours[..., 1] * np.float32(0.59 * GREY_AT_NIGHT)
    grey += colours[..., 2] * np.float32(0.11 * GREY_AT_NIGHT)
    lit = colours * np.float32(1 - GREY_AT_NIGHT)
    lit += grey[..., None]
    lit *= light[..., None]
    return lit


@lru_cache(maxsize=128)
def halo(radius: int) -> Floats:
    """Give a lamp's glow, [2 radius + 1, 2 radius + 1, 1], 1 in the middle."""
    steps = np.arange(-radius, radius + 1) / max(radius, 1)
    away = np.hypot(steps[:, None], steps[None, :])
    glow = np.clip(1 - away, 0, 1) ** 2
    return np.asarray(glow[..., None], dtype=np.float32)


def add_glow(
    lit: Floats, row: float, column: float, radius: int, colour: tuple[float, ...]
) -> None:
    """Add a lamp's glow to colours, in place."""
    top, left = round(row) - radius, round(column) - radius
    height, width = lit.shape[:2]
    low, high = max(top, 0), min(top + 2 * radius + 1, height)
    near, far = max(left, 0), min(left + 2 * radius + 1, width)
    if low < high and near < far:
        part = halo(radius)[low - top : high - top, near - left : far - left]
        lit[low:high, near:far] += part * tint(colour)


@lru_cache(maxsize=4)
def _bell(sigma: float) -> Floats:
    """Give the quantiles of a normal distribution at 256 equal steps."""
    # The means of sorted draws; SciPy is not needed for them.
    table = np.random.Generator(np.random.Philox(0)).standard_normal(256 * 4096).reshape(-1, 256)
    table.sort(axis=1)
    return np.asarray(table.mean(axis=0) * sigma, dtype=np.float32)


def grain(source: np.random.Philox, shape: tuple[int, ...], sigma: float) -> Floats:
    """Give a sensor's noise: normal up to steps of 1/256 of its mass."""
    n_values = int(np.prod(shape))
    words = source.random_raw((n_values + 7) // 8)
    return _bell(sigma).take(np.asarray(words).view(np.uint8)[:n_values]).reshape(shape)

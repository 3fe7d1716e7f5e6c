"""One session: who drives where and when, and at which speed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.testing.roads.setting import RoadsSetting
from winnow.testing.roads.streams import Purpose, stream
from winnow.testing.roads.street import site_of

FIRST_DAY: Final = datetime(2025, 3, 3, tzinfo=UTC)
CRUISE: Final = {
    "downtown": 7.5, "residential": 7.0, "campus": 5.0, "industrial": 9.0, "arterial": 13.0,
}  # fmt: skip
"""Metres a second."""
STOPS: Final = {
    "downtown": 1.0, "residential": 0.5, "campus": 0.8, "industrial": 0.4, "arterial": 0.4,
}  # fmt: skip
"""Mean number in a session."""
WEATHERS: Final = ("clear", "overcast", "rain", "fog")
WEATHER_SHARES: Final = (0.48, 0.27, 0.16, 0.09)


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One contiguous recording of one vehicle."""

    number: int
    name: str
    vehicle: int
    vehicle_name: str
    site_number: int
    site: str
    scene: str
    night: bool
    weather: str
    started_at: datetime
    n_frames: int
    lane: float
    """Metres right of the road's middle."""
    speed: npt.NDArray[np.float64]
    """Metres a second, at each frame."""
    travelled: npt.NDArray[np.float64]
    """Metres, at each frame."""
    stops: tuple[float, ...]
    """Middle of each stop, in seconds from the start."""
    private: range
    """Frames that must not be looked at."""

    @property
    def time_of_day(self) -> str:
        """`day` or `night`."""
        return "night" if self.night else "day"


@lru_cache(maxsize=256)
def session_of(setting: RoadsSetting, number: int) -> Session:
    """Give a session; it does not depend on the others."""
    rng = stream(setting, Purpose.SESSION, number)
    # Nights come at equal distances; where in the row they begin is the town's own.
    phase = float(stream(setting, Purpose.TOWN).random())
    night = np.floor((number + 1) * setting.night_share + phase) > np.floor(
        number * setting.night_share + phase
    )
    vehicle = number % setting.vehicles
    site_number = int(rng.integers(setting.sites))
    site = site_of(setting, site_number)
    n_frames = round(setting.session_frames * float(rng.uniform(0.6, 1.4)))
    seconds = np.arange(n_frames) / setting.frames_per_second
    speed, stops = _speed(rng, site.scene, seconds)
    hour = float(rng.uniform(20.5, 27.0) if night else rng.uniform(8.5, 16.5))
    day = FIRST_DAY + timedelta(days=number // setting.vehicles)
    lanes = (0.25, 0.75) if site.scene == "arterial" else (0.5, 0.5)
    return Session(
        number=number,
        name=f"town{setting.town}-s{number:04d}",
        vehicle=vehicle,
        vehicle_name=f"town{setting.town}-v{vehicle + 1}",
        site_number=site_number,
        site=site.name,
        scene=site.scene,
        night=bool(night),
        weather=str(rng.choice(WEATHERS, p=WEATHER_SHARES)),
        started_at=day + timedelta(seconds=round(3600 * hour)),
        n_frames=n_frames,
        lane=site.half_road * lanes[int(rng.integers(2))],
        speed=speed,
        travelled=np.concatenate([[0.0], np.cumsum(speed[:-1])]) / setting.frames_per_second,
        stops=stops,
        private=_private(rng, setting, n_frames),
    )


def _speed(
    rng: np.random.Generator, scene: str, seconds: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], tuple[float, ...]]:
    cruise = CRUISE[scene] * float(rng.uniform(0.75, 1.2))
    waves = 0.15 * np.sin(seconds * float(rng.uniform(0.2, 0.6)) + float(rng.uniform(0, 6)))
    speed = cruise * (1 + waves)
    stops = tuple(float(at) for at in rng.uniform(0, seconds[-1], rng.poisson(STOPS[scene])))
    for at in stops:
        waits = float(rng.uniform(1.0, 4.0))
        # Two and a half seconds from standing to full speed and back.
        speed = speed * np.clip((np.abs(seconds - at) - waits) / 2.5, 0, 1)
    return speed, stops


def _private(rng: np.random.Generator, setting: RoadsSetting, n_frames: int) -> range:
    long = min(10, n_frames)
    chosen = rng.random() < setting.private_share * n_frames / long
    first = int(rng.integers(n_frames - long + 1))
    return range(first, first + long) if chosen else range(0)

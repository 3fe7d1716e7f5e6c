"""Who and what is on the street during a session, and where at each moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.testing.roads.furniture import FURNITURE
from winnow.testing.roads.looks import STEPS, looks_of
from winnow.testing.roads.session import Session, session_of
from winnow.testing.roads.setting import CLASS_NAMES, RoadsSetting
from winnow.testing.roads.sketch import Look
from winnow.testing.roads.streams import Purpose, stream
from winnow.testing.roads.street import site_of

SEEN: Final = 70.0
"""Metres ahead up to which things are drawn."""
PACE: Final = 7.0
"""Metres a second at which the street passes, to turn rates of movers into numbers."""
STEPS_PER_SECOND: Final = 3.0


@dataclass(frozen=True, slots=True)
class Rates:
    """How many of each there are in 100 metres of street by day."""

    parked: float
    oncoming: float
    ahead: float
    crossing_cars: float
    truck_share: float
    """Of all vehicles."""
    walking: float
    crossing: float
    cycling: float
    motorcycles: float
    things: float


RATES: Final = {
    "downtown": Rates(4.0, 2.6, 1.0, 0.4, 0.15, 6.0, 1.2, 1.7, 0.5, 8.0),
    "residential": Rates(5.0, 1.0, 0.5, 0.15, 0.10, 2.8, 0.4, 1.2, 0.3, 7.0),
    "campus": Rates(1.6, 0.9, 0.5, 0.1, 0.12, 5.0, 1.0, 2.6, 0.3, 7.0),
    "industrial": Rates(2.4, 1.4, 0.8, 0.3, 0.50, 1.1, 0.2, 0.5, 0.3, 6.0),
    "arterial": Rates(0.0, 4.5, 2.0, 0.2, 0.28, 0.6, 0.1, 0.4, 0.5, 4.0),
}
CARS_AT_NIGHT: Final = 0.55
"""Moving cars and trucks at night, relative to the day; parked ones stay."""


@dataclass(slots=True)
class Traffic:
    """All objects of a session, one entry of each list an object."""

    looks: list[Sequence[Look]] = field(default_factory=list)
    """One look, or those of the steps of a walk."""
    classes: list[int] = field(default_factory=list)
    """Position in `CLASS_NAMES`; -1 is background."""
    along: list[float] = field(default_factory=list)
    """Metres ahead of the beginning at second 0, of the vehicle itself if `carried`."""
    along_speed: list[float] = field(default_factory=list)
    across: list[float] = field(default_factory=list)
    """Metres right of the road's middle at second 0."""
    across_speed: list[float] = field(default_factory=list)
    carried: list[bool] = field(default_factory=list)
    """Drives ahead of the vehicle and keeps its pace."""

    def add(
        self, looks: Sequence[Look], class_pos: int, along: float, across: float, *,
        along_speed: float = 0.0, across_speed: float = 0.0, carried: bool = False,
    ) -> None:  # fmt: skip
        """Put an object on the street."""
        self.looks.append(looks)
        self.classes.append(class_pos)
        self.along.append(along)
        self.along_speed.append(along_speed)
        self.across.append(across)
        self.across_speed.append(across_speed)
        self.carried.append(carried)


@dataclass(frozen=True, slots=True, eq=False)
class Moving:
    """The same as arrays [n objects], to place all objects at once."""

    looks: tuple[Sequence[Look], ...]
    classes: npt.NDArray[np.int64]
    along: npt.NDArray[np.float64]
    along_speed: npt.NDArray[np.float64]
    across: npt.NDArray[np.float64]
    across_speed: npt.NDArray[np.float64]
    carried: npt.NDArray[np.bool_]

    def ahead(self, seconds: float, travelled: float) -> npt.NDArray[np.float64]:
        """Give how far ahead each is, in metres."""
        own: npt.NDArray[np.float64] = np.where(self.carried, 0.0, travelled)
        return self.along + self.along_speed * seconds - own

    def right(self, seconds: float) -> npt.NDArray[np.float64]:
        """Give how far right of the road's middle each is, in metres."""
        return self.across + self.across_speed * seconds


@lru_cache(maxsize=32)
def traffic_of(setting: RoadsSetting, number: int) -> Moving:
    """Give a session's objects."""
    session = session_of(setting, number)
    planned = _Planner(setting, session)
    planned.vehicles()
    planned.people()
    planned.things()
    found = planned.traffic
    return Moving(
        looks=tuple(found.looks),
        classes=np.array(found.classes, dtype=np.int64),
        along=np.array(found.along),
        along_speed=np.array(found.along_speed),
        across=np.array(found.across),
        across_speed=np.array(found.across_speed),
        carried=np.array(found.carried, dtype=np.bool_),
    )


class _Planner:
    """Draws the numbers of one session, always in the same order."""

    def __init__(self, setting: RoadsSetting, session: Session) -> None:
        self.traffic = Traffic()
        self._rng = stream(setting, Purpose.TRAFFIC, session.number)
        self._looks = looks_of(setting)
        self._session = session
        self._site = site_of(setting, session.site_number)
        self._rates = RATES[session.scene]
        self._crowding = setting.crowding
        self._people = setting.night_people if session.night else 1.0
        self._lasts = session.n_frames / setting.frames_per_second
        self._fps = setting.frames_per_second
        self._path = float(session.travelled[-1]) + SEEN

    def vehicles(self) -> None:
        """Put cars and trucks there: parked, oncoming, ahead and crossing; and motorcycles."""
        rng, rates, edge = self._rng, self._rates, self._site.half_road
        rate = CARS_AT_NIGHT if self._session.night else 1.0
        n_slots = int(self._path / 6.5)
        for side, view in ((1, "rear"), (-1, "front")):
            wanted = rng.poisson(rates.parked * self._path / 200 * self._crowding)
            for slot in rng.permutation(n_slots)[: min(wanted, n_slots)]:
                along = 6.5 * float(slot) + float(rng.uniform(0, 1.5))
                self._vehicle(view, along, side * (edge + 1.1), parked=True)
        lane = self._session.lane
        for _ in range(self._number(rates.oncoming * rate)):
            speed = -float(rng.uniform(7, 13))
            self._vehicle("front", self._meeting(speed), -lane, along_speed=speed)
        for _ in range(rng.poisson(rates.ahead * rate * self._crowding)):
            speed = float(rng.uniform(-0.4, 1.2))
            self._vehicle("rear", float(rng.uniform(10, 42)), lane, along_speed=speed, carried=True)
        for _ in range(self._number(rates.crossing_cars * rate)):
            # To the right, as their pictures look.
            speed = float(rng.uniform(6.0, 9.0))
            along, at = self._somewhere_at()
            self._vehicle("side", along, -speed * at, across_speed=speed)
        for _ in range(self._number(rates.motorcycles * rate)):
            view = ("front", "rear", "side")[rng.integers(3)]
            speed = -float(rng.uniform(6, 10)) if view == "front" else float(rng.uniform(5, 8))
            looks, side = self._one(f"motorcycle {view}"), -1 if view == "front" else 1
            if view == "side":
                along, at = self._somewhere_at()
                self.traffic.add(looks, -1, along, -6.0 * at, across_speed=6.0)
            else:
                self.traffic.add(looks, -1, self._meeting(speed), side * (edge - 1.0),
                                 along_speed=speed)  # fmt: skip

    def people(self) -> None:
        """Put persons and bicycles there."""
        rng, edge = self._rng, self._site.half_road
        rates, share = self._rates, self._people
        for _ in range(self._number(rates.walking * share / 1.6)):
            speed = float(rng.choice([-1.3, 1.3, 0.0], p=[0.4, 0.4, 0.2]))
            along, side = self._meeting(speed), int(rng.choice([-1, 1]))
            across = side * (edge + float(rng.uniform(0.6, 3.2)))
            for friend in range(1 + rng.poisson(0.6)):
                self._person(along + 0.7 * friend, across + float(rng.uniform(-0.5, 0.5)), speed)
        for _ in range(self._number(rates.crossing * share)):
            along, at = self._somewhere_at()
            self._crosser(along, at)
        for stop in self._session.stops:
            here = float(
                self._session.travelled[min(int(stop * self._fps), self._session.n_frames - 1)]
            )
            for _ in range(rng.poisson(1.3 * rates.crossing * share * self._crowding)):
                self._crosser(here + float(rng.uniform(6, 13)), stop + float(rng.uniform(-3, 3)))
        for _ in range(self._number(rates.cycling * share)):
            view = str(rng.choice(["front", "rear", "side"], p=[0.35, 0.35, 0.3]))
            if view == "side":
                along, at = self._somewhere_at()
                speed = float(rng.uniform(3.0, 4.5))
                self._bicycle(view, along, -speed * at, across_speed=speed)
            else:
                speed = float(rng.uniform(3.2, 5.5)) * (1 if view == "rear" else -1)
                side = 1 if view == "rear" else -1
                self._bicycle(view, self._meeting(speed), side * (edge - 0.5), along_speed=speed)

    def things(self) -> None:
        """Put street furniture and lamps there."""
        rng, edge = self._rng, self._site.half_road
        kinds = list(FURNITURE)
        weights = np.array([FURNITURE[kind][1] for kind in kinds])
        for _ in range(rng.poisson(self._rates.things * self._path / 100)):
            kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
            wide = kind in {"tree", "kiosk", "container"}
            side = int(rng.choice([-1, 1]))
            across = side * (edge + float(rng.uniform(2.6, 4.2) if wide else rng.uniform(0.5, 3.4)))
            self.traffic.add(self._one(kind), -1, float(rng.uniform(3, self._path)), across)
        for along in np.arange(self._site.lamp_gap / 2, self._path, self._site.lamp_gap):
            self.traffic.add(self._one("lamp"), -1, float(along), -edge - 1.0)

    def _number(self, rate: float) -> int:
        """Draw how many movers a rate per 100 metres means in this session."""
        metres = PACE * self._lasts + SEEN
        return int(self._rng.poisson(rate * metres / 100 * self._crowding))

    def _meeting(self, speed: float) -> float:
        """Give where a mover starts so that it is in sight at some moment of the session."""
        at = float(self._rng.uniform(0, self._lasts))
        return self._ahead_at(at) - speed * at

    def _somewhere_at(self) -> tuple[float, float]:
        """Give a place in sight and the second at which somebody is in the road's middle there."""
        at = float(self._rng.uniform(0, self._lasts))
        return self._ahead_at(at), at

    def _ahead_at(self, at: float) -> float:
        pos = min(int(at * self._fps), self._session.n_frames - 1)
        return float(self._session.travelled[pos]) + float(self._rng.uniform(8, 45))

    def _one(self, kind: str) -> tuple[Look, ...]:
        looks = self._looks[kind]
        return (looks[self._rng.integers(len(looks))],)

    def _vehicle(
        self, view: str, along: float, across: float, *, parked: bool = False,
        along_speed: float = 0.0, across_speed: float = 0.0, carried: bool = False,
    ) -> None:  # fmt: skip
        share = self._rates.truck_share * (0.6 if parked else 1.0)
        name = "truck" if self._rng.random() < share else "car"
        self.traffic.add(
            self._one(f"{name} {view}"), CLASS_NAMES.index(name), along, across,
            along_speed=along_speed, across_speed=across_speed, carried=carried,
        )  # fmt: skip

    def _person(self, along: float, across: float, speed: float, across_speed: float = 0.0) -> None:
        people = self._looks["person"]
        first = STEPS * int(self._rng.integers(len(people) // STEPS))
        steps = people[first : first + STEPS]
        standing = speed == across_speed == 0.0
        self.traffic.add(
            steps[1:2] if standing else steps, CLASS_NAMES.index("person"), along, across,
            along_speed=speed, across_speed=across_speed,
        )  # fmt: skip

    def _crosser(self, along: float, at: float) -> None:
        speed = float(self._rng.choice([-1.4, 1.4]))
        self._person(along, -speed * at, 0.0, speed)

    def _bicycle(
        self, view: str, along: float, across: float, *, along_speed: float = 0.0,
        across_speed: float = 0.0,
    ) -> None:  # fmt: skip
        self.traffic.add(
            self._one(f"bicycle {view}"), CLASS_NAMES.index("bicycle"), along, across,
            along_speed=along_speed, across_speed=across_speed,
        )  # fmt: skip

"""The people, vehicles and things of one town, drawn once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

import numpy as np

from winnow.testing.roads.bodywork import car, truck
from winnow.testing.roads.furniture import FURNITURE, street_lamp
from winnow.testing.roads.riders import cyclist, motorcyclist, person
from winnow.testing.roads.setting import RoadsSetting
from winnow.testing.roads.sketch import Look
from winnow.testing.roads.streams import Purpose, stream

STEPS: Final = 4
"""Pictures of a walk; those of one person follow each other."""

_Drawn = tuple[Callable[[np.random.Generator], Look], int]
_KINDS: Final[dict[str, _Drawn]] = {
    **{f"car {view}": (partial(car, view=view), 14) for view in ("front", "rear", "side")},
    **{f"truck {view}": (partial(truck, view=view), 8) for view in ("front", "rear", "side")},
    **{f"bicycle {view}": (partial(cyclist, view=view), 12) for view in ("front", "rear", "side")},
    **{f"motorcycle {view}": (partial(motorcyclist, view=view), 5)
       for view in ("front", "rear", "side")},
    **{kind: (draw, 4) for kind, (draw, _) in FURNITURE.items()},
    "lamp": (street_lamp, 1),
}  # fmt: skip
"""Kind, then how one is drawn and how many different ones a town has."""
N_PEOPLE: Final = 32


@lru_cache(maxsize=4)
def looks_of(setting: RoadsSetting) -> dict[str, tuple[Look, ...]]:
    """Give every kind's looks; `person` holds the four steps of each of 32 people in turn."""
    found = {}
    for number, (kind, (draw, n_looks)) in enumerate(_KINDS.items()):
        rng = stream(setting, Purpose.LOOKS, number)
        found[kind] = tuple(draw(rng) for _ in range(n_looks))
    found["person"] = tuple(
        # The same stream for each step, so that the clothes stay on.
        person(stream(setting, Purpose.LOOKS, 1000, who), phase=step)
        for who in range(N_PEOPLE)
        for step in range(STEPS)
    )
    return found

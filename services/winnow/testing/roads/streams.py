"""Random numbers of every part of a town, each from a stream of its own."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from winnow.testing.roads.setting import RoadsSetting


class Purpose(IntEnum):
    """What a stream is for; numbers never change, or all pictures would."""

    TOWN = 1
    SITE = 2
    VEHICLE = 3
    LOOKS = 4
    SESSION = 5
    TRAFFIC = 6
    FLAW = 7
    FRAME = 8


def stream(
    setting: RoadsSetting, purpose: Purpose, first: int = 0, second: int = 0
) -> np.random.Generator:
    """Give the generator of one thing, such as frame `second` of session `first`.

    Philox is a function of key and counter: the key is (seed, town), the counter begins at
    (purpose, first, second), and its lowest word is left for the numbers drawn.
    """
    return np.random.Generator(bits(setting, purpose, first, second))


def bits(
    setting: RoadsSetting, purpose: Purpose, first: int = 0, second: int = 0
) -> np.random.Philox:
    """Give the same stream as raw words."""
    key = np.array([setting.seed, setting.town], dtype=np.uint64)
    counter = np.array([0, purpose, first, second], dtype=np.uint64)
    return np.random.Philox(key=key, counter=counter)

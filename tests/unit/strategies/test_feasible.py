"""What may take the next place, with floors that insist, contradict each other or change."""

from __future__ import annotations

from itertools import islice

import numpy as np

from winnow.constraints.quotas import AtLeast, Minimums
from winnow.strategies.feasible import Feasible, open_in_order
from winnow.strategies.protocol import Flags, Positions


class Insisting:
    """A floor that always names the same frames, even if none of them is left."""

    def __init__(self, *wanted: int) -> None:
        self._mask = np.isin(np.arange(6), wanted)

    def lost(self, positions: Positions) -> None:
        pass

    def took(self, pos: int) -> None:
        pass

    def only(self, n_places: int) -> Flags | None:
        return self._mask


def taken(n: int, *floors: Insisting | AtLeast) -> list[int]:
    feasible = Feasible(6, [], n, floors)
    found: list[int] = []
    for pos in islice(open_in_order(np.arange(6), feasible), n):
        found.append(pos)
        feasible.take(pos)
    return found


def test_a_floor_whose_frames_ran_out_lets_the_others_through() -> None:
    assert taken(4, Insisting(4, 5)) == [4, 5, 0, 1]


def test_of_floors_that_contradict_each_other_the_first_goes_first() -> None:
    assert taken(6, Insisting(3), Insisting(5, 2)) == [3, 2, 5, 0, 1, 4]
    assert taken(3, Insisting(3, 5), Insisting(5, 2)) == [5, 3, 2]


def test_frames_are_counted_and_masked_once_for_each_change_of_mind() -> None:
    slices = np.array(["sun"] * 4 + ["fog"] * 2)
    feasible = Feasible(6, [], 4, [AtLeast([Minimums(slices, {"fog": 2}, "weather")])])
    epochs, opens = [feasible.epoch], [feasible.n_open]
    for pos in (0, 1, 4, 5):
        feasible.take(pos)
        epochs.append(feasible.epoch)
        opens.append(feasible.n_open)
        assert feasible.n_open == int(feasible.open_N.sum())
    assert epochs == [0, 0, 1, 1, 2]
    assert opens == [6, 5, 2, 1, 2]

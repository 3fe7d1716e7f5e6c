"""Money that waits for frames which a batch must still get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.kernels.groups import NO_GROUP

Positions = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a frame may cost so that the rest of the minimums can still be paid."""

    price_micros_N: Numbers
    slot_N_by_part: tuple[Positions, ...]
    spare_micros: int
    """For a frame that nobody waits for."""
    dearest_by_part: tuple[Numbers, ...]
    """[S] each: what a frame of a starving slice sets free, because it takes a reserved place."""

    @property
    def key(self) -> object:
        """Equal keys mean equal thresholds."""
        return (self.spare_micros, *(dearest.tobytes() for dearest in self.dearest_by_part))

    def paid(self, starving: Sequence[Flags]) -> Flags:
        """Give [N] which frames leave enough; costs a look at each of them for each column."""
        paid_N: Flags = self.price_micros_N <= self.spare_micros
        for slot_N, dearest_S, flags_S in zip(
            self.slot_N_by_part, self.dearest_by_part, starving, strict=True
        ):
            limits = self.spare_micros + np.append(np.where(flags_S, dearest_S, 0), [0])
            paid_N |= self.price_micros_N <= limits[slot_N]
        return paid_N


class Reserve:
    """The price of the cheapest open frames that would meet all minimums.

    Parameters
    ----------
    price_micros_N
        Price of each frame.
    micros_max
        What the batch may cost.
    parts
        For each column of minimums the slice of each frame (-1: none) and the number of slices.

    Notes
    -----
    Set up with one sort for each column. A pick looks again at those slices whose missing number
    changed or that lost one of their cheapest, which costs as many numbers as are missing.
    """

    def __init__(
        self, price_micros_N: Numbers, micros_max: int, parts: Sequence[tuple[Positions, int]]
    ) -> None:
        self._price_N = price_micros_N
        self._price_max = int(price_micros_N.max(initial=0))
        self._left_micros = micros_max
        self._free_N = np.ones(len(price_micros_N), dtype=np.bool_)
        self._slot_N_by_part = tuple(slot_N for slot_N, _ in parts)
        self._cheapest = [
            _Cheapest(price_micros_N, slot_N, n_slices, self._free_N) for slot_N, n_slices in parts
        ]

    def lost(self, positions: Positions) -> None:
        """Learn that these frames are no longer open."""
        self._free_N[positions] = False
        for part in self._cheapest:
            part.lost(positions)

    def took(self, pos: int) -> None:
        """Learn that this frame was paid."""
        self._left_micros -= int(self._price_N[pos])

    def thresholds(self, needs: Sequence[Numbers]) -> Thresholds | None:
        """Give what frames may cost when so many are missing; none: any of them may come."""
        for part, need_S in zip(self._cheapest, needs, strict=True):
            part.update(need_S)
        spare = self._left_micros - sum(part.total for part in self._cheapest)
        if spare >= self._price_max:
            return None
        dearest = tuple(part.dearest_S.copy() for part in self._cheapest)
        return Thresholds(self._price_N, self._slot_N_by_part, spare, dearest)


class _Cheapest:
    """The cheapest open frames of each slice of one column, as many as are missing."""

    def __init__(self, price_N: Numbers, slot_N: Positions, n_slices: int, free_N: Flags) -> None:
        self._price_N, self._slot_N, self._free_N = price_N, slot_N, free_N
        order_N = np.lexsort((price_N, slot_N))
        self._order = order_N[int((slot_N == NO_GROUP).sum()) :]
        counts = np.bincount(slot_N[self._order], minlength=n_slices)
        self._end_S = np.cumsum(counts)
        self._start_S = self._end_S - counts
        self._need_S: Numbers = np.zeros(n_slices, dtype=np.int64)
        self._stale_S = np.zeros(n_slices, dtype=np.bool_)
        self._sum_S = np.zeros(n_slices, dtype=np.int64)
        self.dearest_S = np.zeros(n_slices, dtype=np.int64)
        self.total = 0

    def lost(self, positions: Positions) -> None:
        known = positions[self._slot_N[positions] != NO_GROUP]
        slots = self._slot_N[known]
        self._stale_S[slots[self._price_N[known] <= self.dearest_S[slots]]] = True

    def update(self, need_S: Numbers) -> None:
        changed = np.flatnonzero(self._stale_S | (need_S != self._need_S))
        for slot in changed.tolist():
            self._look_again(slot, int(need_S[slot]))
        if len(changed):
            self._need_S, self.total = need_S.copy(), int(self._sum_S.sum())
            self._stale_S[changed] = False

    def _look_again(self, slot: int, need: int) -> None:
        first, end = int(self._start_S[slot]), int(self._end_S[slot])
        while first < end and not self._free_N[self._order[first]]:
            first += 1  # what is lost stays lost
        self._start_S[slot] = first
        width = 2 * need + 16
        while True:
            members = self._order[first : min(first + width, end)]
            members = members[self._free_N[members]][:need]
            if len(members) == need or first + width >= end:
                break
            width *= 2
        prices = self._price_N[members]
        self._sum_S[slot] = prices.sum()
        self.dearest_S[slot] = prices[-1] if len(prices) else 0

"""At least so many frames of a class or slice: the last places wait for what would starve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from winnow.acquisition.probabilities import Probabilities, by_blocks, mean_of_members
from winnow.acquisition.reproducible import Floats
from winnow.constraints.money import prices_of
from winnow.constraints.reserve import Reserve, Thresholds
from winnow.constraints.task_allocation import proportional, rounded
from winnow.domain.errors import BadInput
from winnow.kernels.groups import NO_GROUP, Values, groups_of

Positions = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


def predicted_classes(probs_NMC: Probabilities) -> Numbers:
    """Give the class with the largest mean probability of each frame; ties: the smaller class.

    Returns
    -------
    numpy.ndarray
        int64 [N]: a column for `Minimums` or `AtMost`. Costs N·M·C.

    Examples
    --------
    >>> predicted_classes(np.array([[[0.2, 0.8], [0.6, 0.4]], [[0.5, 0.5], [0.5, 0.5]]])).tolist()
    [1, 0]
    """
    return by_blocks(probs_NMC, _largest).astype(np.int64)


def _largest(probs_NMC: Floats) -> Floats:
    largest_N: Floats = mean_of_members(probs_NMC).argmax(axis=1).astype(np.float64)
    return largest_N


class Minimums:
    """How many frames of each slice a batch should hold, and how far it has come.

    Parameters
    ----------
    values_N
        The slice of each frame: a column, or `predicted_classes`.
    least
        Value → frames; a slice that the pool lacks is an unmet minimum and no error.
    what
        What the column is called, e.g. `weather`.

    Raises
    ------
    BadInput
        A minimum is negative.
    """

    def __init__(
        self, values_N: Values, least: Mapping[str, int] | Mapping[int, int], what: str
    ) -> None:
        wrong = {value: number for value, number in least.items() if number < 0}
        if wrong:
            msg = f"minimums of {what}: expected 0 or more, found {wrong}"
            raise BadInput(msg)
        self.what = what
        self.value_S = tuple(value for value, number in least.items() if number)
        """The slices that have a minimum."""
        self.least_S = np.array([number for number in least.values() if number], dtype=np.int64)
        self.slot_N = _slots(values_N, self.value_S)
        """[N] Place of each frame's slice among those; -1: it has no minimum."""
        n_slices = len(self.value_S)
        self.open_S = np.bincount(self.slot_N + 1, minlength=n_slices + 1)[1:]
        self.taken_S = np.zeros(n_slices, dtype=np.int64)
        self.need_S = np.minimum(self.least_S, self.open_S)
        """What is still missing, as far as open frames can give it."""
        self.total = int(self.need_S.sum())
        self._scaled_S, self._scaled_for = self.need_S, (-1, b"")

    def lost(self, positions: Positions) -> None:
        """Learn that these frames are no longer open."""
        slots = self.slot_N[positions]
        slots = slots[slots != NO_GROUP]
        if len(slots):
            np.subtract.at(self.open_S, slots, 1)
            self._count()

    def took(self, pos: int) -> None:
        """Learn that this frame came into the batch."""
        if (slot := self.slot_N[pos]) != NO_GROUP:
            self.taken_S[slot] += 1
            self._count()

    def _count(self) -> None:
        self.need_S = np.minimum(np.maximum(self.least_S - self.taken_S, 0), self.open_S)
        self.total = int(self.need_S.sum())

    def needs(self, n_places: int) -> Numbers:
        """Give what is missing; more than there are places is scaled down, so that all get some."""
        if self.total <= n_places:
            return self.need_S
        reach_S = np.maximum(np.minimum(self.least_S, self.taken_S + self.open_S), self.taken_S)
        places = n_places + int(self.taken_S.sum())
        if (key := (places, reach_S.tobytes())) != self._scaled_for:
            self._scaled_for, self._scaled_S = key, _scaled(reach_S, places, self.taken_S)
        return np.maximum(self._scaled_S - self.taken_S, 0)

    def positions(self) -> list[Positions]:
        """Give the frames of each slice, ascending; costs a sort of N numbers."""
        order_N = np.argsort(self.slot_N, kind="stable")
        ends_S = np.cumsum(np.bincount(self.slot_N + 1, minlength=len(self.value_S) + 1))
        return np.split(order_N, ends_S)[1:-1]

    @property
    def unmet(self) -> dict[str, str]:
        """Give each slice that got too few so far, e.g. `weather=fog`, and why."""
        told: dict[str, str] = {}
        for slot in np.flatnonzero(self.taken_S < self.least_S).tolist():
            taken, least, n_open = self.taken_S[slot], self.least_S[slot], self.open_S[slot]
            why = f"{n_open} more could be taken" if n_open else "no other could be taken"
            told[f"{self.what}={self.value_S[slot]}"] = f"{taken} of at least {least} frames, {why}"
        return told


class AtLeast:
    """Keeps the last places of a batch, and the money for them, for slices below their minimum.

    Parameters
    ----------
    minimums
        One for each column, at least one; a frame counts in all of them.
    price_micros_N, micros_max
        Prices and money, as for `WithinMoney`, so that what is missing can still be paid at the
        end; none: money is no matter.

    Notes
    -----
    As long as more places are left than frames are missing, every frame may come. From then on only
    frames of starving slices may, so that all minimums are met that open frames can meet: a slice
    without open frames drops out and gives its places back. Minimums of one column that sum above
    the places are scaled down in proportion. With several columns the missing frames are counted as
    if no frame served two of them; if that is more than there are places, those frames go first
    that serve the most.

    With money, the price of the cheapest open frames that would meet the minimums is set aside,
    counted in the same way; a frame that would cut into it must wait.

    A pick costs a few numbers for each slice; the mask over all N frames is made anew only when a
    slice enters or leaves the starving ones, or when money binds and its thresholds move.
    """

    def __init__(
        self,
        minimums: Sequence[Minimums],
        price_micros_N: Numbers | None = None,
        micros_max: int | None = None,
    ) -> None:
        self.minimums = tuple(minimums)
        if not minimums:
            msg = "minimums: expected at least one column, found none"
            raise BadInput(msg)
        n_frames = len(minimums[0].slot_N)
        self._free_N = np.ones(n_frames, dtype=np.bool_)
        self._reserve = (
            None
            if price_micros_N is None or micros_max is None
            else Reserve(
                prices_of(price_micros_N),
                micros_max,
                [(p.slot_N, len(p.value_S)) for p in minimums],
            )
        )
        self._key: object = None
        self._only_N: Flags = np.zeros(n_frames, dtype=np.bool_)
        self._n_only = 0

    @property
    def unmet(self) -> dict[str, str]:
        """Give each slice that got too few so far, and why, for the record."""
        return {name: why for part in self.minimums for name, why in part.unmet.items()}

    def lost(self, positions: Positions) -> None:
        """See `Floor.lost`."""
        self._free_N[positions] = False
        self._n_only -= int(self._only_N[positions].sum())
        for part in self.minimums:
            part.lost(positions)
        if self._reserve is not None:
            self._reserve.lost(positions)

    def took(self, pos: int) -> None:
        """See `Floor.took`."""
        for part in self.minimums:
            part.took(pos)
        if self._reserve is not None:
            self._reserve.took(pos)

    def only(self, n_places: int) -> Flags | None:
        """See `Floor.only`; the same array is given until its contents would differ."""
        missing = sum(part.total for part in self.minimums)
        if not missing or n_places <= 0:
            return None
        needs = [part.needs(n_places) for part in self.minimums]
        missing = sum(int(need_S.sum()) for need_S in needs)
        starving = [need_S > 0 for need_S in needs]
        budget = None if self._reserve is None else self._reserve.thresholds(needs)
        if missing < n_places and budget is None:
            return None
        serve = -(-missing // n_places) if missing >= n_places else 0
        key = (serve, *(flags.tobytes() for flags in starving), budget and budget.key)
        if key != self._key or not self._n_only:
            self._key, self._only_N = key, self._mask(starving, serve, budget)
            self._n_only = int((self._only_N & self._free_N).sum())
        return self._only_N

    def _mask(self, starving: list[Flags], serve: int, budget: Thresholds | None) -> Flags:
        """Give the frames that serve so many starving slices and leave the money for the rest."""
        pairs = list(zip(self.minimums, starving, strict=True))
        served_N = np.zeros(len(self._free_N), dtype=np.uint8)
        for part, flags in pairs:
            served_N += np.append(flags, [False])[part.slot_N]
        paid_N = np.ones_like(self._free_N) if budget is None else budget.paid(starving)
        for enough in range(serve, 0, -1):
            only_N = (served_N >= enough) & paid_N
            if (only_N & self._free_N).any():
                return only_N
        if not serve and (paid_N & self._free_N).any():
            return paid_N
        starving_N: Flags = served_N > 0
        return starving_N


def _scaled(reach_S: Numbers, places: int, taken_S: Numbers) -> Numbers:
    """Share out places in proportion to what each slice asks for; nobody gives back a frame.

    By largest remainder, as `apportion` does; equal remainders go to the first slices. Slices that
    ask for as much and have as much are looked at once, as there may be a million of them.
    """
    width = int(taken_S.max(initial=0)) + 1
    kinds, kind_S, counts = np.unique(
        reach_S * width + taken_S, return_inverse=True, return_counts=True
    )
    asked, had = np.divmod(kinds, width)
    shares = proportional(
        dict(enumerate(map(Fraction, asked.tolist()))),
        places,
        dict(enumerate(np.minimum(had, places).tolist())),
        dict(enumerate(np.minimum(asked, places).tolist())),
        dict(enumerate(counts.tolist())),
    )
    return rounded([shares[kind] for kind in range(len(kinds))], kind_S)


def _slots(values_N: Values, value_S: Sequence[str | int]) -> npt.NDArray[np.intp]:
    groups = groups_of(values_N)
    slot_by_code = np.full(len(groups) + 1, NO_GROUP, dtype=np.intp)
    for slot, value in enumerate(value_S):
        if (code := groups.code_of(value)) != NO_GROUP:
            slot_by_code[code] = slot
    return slot_by_code[groups.code_N]

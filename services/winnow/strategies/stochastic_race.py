"""Weighted draws without replacement: a race of frames, and the odds of each draw of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from winnow.acquisition.reproducible import exp_of, log_of
from winnow.kernels.philox import draws_of
from winnow.strategies.feasible import Feasible, open_in_order
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Flags,
    Floats,
    Floor,
    FrameIds,
    Pick,
    Positions,
    Ranks,
    scores_of,
)

TOTAL_MIN: Final = 2.0**-500
"""Below this the weights that are left are scaled anew: smaller ones would lose their digits."""


class SumTree:
    """A sum of numbers of at least 0 of which some change again and again.

    The sum depends on the numbers alone, never on the order of the changes, and nothing is ever
    subtracted: so it has the same bits however one came to it, and no rounding piles up.

    Parameters
    ----------
    values_N
        float64, at least 0; copied.

    Notes
    -----
    Pairs of neighbours are added, pairs of these sums, and so on. Memory 16 bytes a number; K
    changes cost K·log N additions.

    Examples
    --------
    >>> tree = SumTree(np.array([1.0, 2.0, 4.0]))
    >>> tree.put(np.array([1]), 0.0)
    >>> tree.total
    5.0
    """

    def __init__(self, values_N: Floats) -> None:
        level = values_N.copy() if len(values_N) else np.zeros(1)
        self._levels = [level]
        while len(level) > 1:
            if len(level) % 2:
                self._levels[-1] = level = np.append(level, 0.0)
            level = level[0::2] + level[1::2]
            self._levels.append(level)

    @property
    def total(self) -> float:
        """Give the sum."""
        return float(self._levels[-1][0])

    def at(self, pos: int) -> float:
        """Give one number."""
        return float(self._levels[0][pos])

    def put(self, positions: Positions, values: Floats | float) -> None:
        """Change the numbers at these positions."""
        self._levels[0][positions] = values
        for lower, upper in zip(self._levels, self._levels[1:], strict=False):
            positions = positions >> 1
            if len(positions) > 1:
                positions = np.unique(positions)
            upper[positions] = lower[2 * positions] + lower[2 * positions + 1]


@dataclass(frozen=True, slots=True)
class Weights:
    """What a strategy draws by."""

    logs_N: Floats
    """Natural logarithm of each frame's weight; -inf for weight 0."""
    rank_N: Ranks
    """Place of each frame in the order of ids: ties go by it, and weights are summed in it."""
    step: int
    """The first of 2**32 numbers of random decisions that belong to the strategy."""


class Odds:
    """How likely each open frame is drawn next.

    A frame of weight 0 is never drawn while one of positive weight is open; among themselves such
    frames are equally likely.

    Notes
    -----
    Weights may differ by more than float64 has room for: they are summed as parts of the largest
    open one, and anew once all that are left have become small.
    """

    def __init__(self, weights: Weights, open_N: Flags) -> None:
        self._log_weights_N, self._rank_N = weights.logs_N, weights.rank_N
        self._has_weight_N = weights.logs_N > -np.inf
        self._open_N = open_N.copy()
        self._count()
        self._scale()

    @property
    def n_drawable(self) -> int:
        """Give how many frames may be drawn next."""
        return self._n_weighted or self._n_open

    def of(self, pos: int) -> float:
        """Give the probability that this open frame is drawn next, in (0, 1]."""
        if not self._n_weighted:
            return 1.0 / self._n_open
        if self._tree.total < TOTAL_MIN:
            self._scale()
        return self._tree.at(int(self._rank_N[pos])) / self._tree.total

    def close(self, positions: Positions) -> None:
        """Take frames out; costs the logarithm of N for each."""
        positions = positions[self._open_N[positions]]
        if not len(positions):
            return
        self._open_N[positions] = False
        self._n_open -= len(positions)
        self._n_weighted -= int(self._has_weight_N[positions].sum())
        self._tree.put(self._rank_N[positions].astype(np.intp), 0.0)

    def replace(self, open_N: Flags) -> bool:
        """Take over which frames are open; tell whether one came back. Costs N."""
        came_back = bool((open_N & ~self._open_N).any())
        if came_back:
            self._open_N = open_N.copy()
            self._count()
            self._scale()
        else:
            self.close(np.flatnonzero(self._open_N & ~open_N))
        return came_back

    def _count(self) -> None:
        self._n_open = int(self._open_N.sum())
        self._n_weighted = int((self._open_N & self._has_weight_N).sum())

    def _scale(self) -> None:
        """Sum the open weights anew, as parts of the largest of them."""
        logs_N = np.where(self._open_N, self._log_weights_N, -np.inf)
        largest = logs_N.max(initial=-np.inf)
        weights_N = np.zeros(len(logs_N))
        if largest > -np.inf:
            weights_N[self._rank_N] = exp_of(logs_N - largest)
        self._tree = SumTree(weights_N)


@dataclass(frozen=True, slots=True)
class Race:
    """Frames in the order in which they would arrive, and how early each is."""

    order: Positions
    """Positions of the frames that take part."""
    earliness: Floats
    """ln weight - ln E of each of `order`; E is a standard exponential number of its own."""


def race(
    frame_ids: FrameIds, weights: Weights, among: Positions, *, seed: int, turn: int = 0
) -> Race:
    """Let the frames at `among` race: each takes an exponential time whose rate is its weight.

    The first to arrive is frame i with probability w_i / Σ w, and as such times have no memory,
    the same holds for the next among those that are left, and so on: the order of arrival is a
    sequence of draws without replacement. ln w - ln E is the Gumbel-perturbed log weight of the
    Gumbel-top-k trick. Frames of weight 0 arrive after all others, in random order.

    References
    ----------
    Efraimidis and Spirakis 2006; Kool, van Hoof and Welling, ICML 2019, arXiv 1903.06059.
    """
    bits = draws_of(frame_ids[among], seed=seed, step=weights.step + turn)
    # 52 bits and a half: never 0 or 1, whose logarithms would be none.
    uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    exponential = -log_of(uniform)
    logs = weights.logs_N[among]
    weightless = logs == -np.inf
    earliness = np.where(weightless, 0.0, logs) - log_of(exponential)
    places = np.lexsort((weights.rank_N[among], -earliness, weightless))
    return Race(among[places], earliness[places])


def draw(
    candidates: Candidates,
    weights: Weights,
    n: int,
    *,
    seed: int,
    constraints: Sequence[Constraint],
    floors: Sequence[Floor],
) -> list[Pick]:
    """Draw n frames without replacement; fewer only if constraints close all others.

    Returns
    -------
    list of Pick
        The utility is how early the frame arrives (`Race.earliness`), the draw probability that
        of this draw among the frames still open.

    Notes
    -----
    Frames that constraints close drop out of the race. Where floors let frames back in, all that
    are open race anew with fresh numbers, because those that waited outside have not been seen to
    be late: so each draw has exactly the stated probability given the ones before it.

    Costs N log N, and the logarithm of N for each frame that is taken or closed. Memory: some ten
    numbers a frame.
    """
    lost = _Lost()
    feasible = Feasible(len(candidates), constraints, n, [*floors, lost])
    odds, epoch, n_races = Odds(weights, feasible.open_N), feasible.epoch, 0
    tell = _teller(candidates, weights)
    lost.positions.clear()
    walk: Iterator[int] | None = None
    earliness_N = np.empty(len(candidates))
    picks: list[Pick] = []
    while len(picks) < n and feasible.n_open:
        if walk is None:
            among = np.flatnonzero(feasible.open_N)
            run = race(candidates.frame_ids, weights, among, seed=seed, turn=n_races)
            earliness_N[run.order], n_races = run.earliness, n_races + 1
            walk = open_in_order(run.order, feasible)
        pos = next(walk)
        chance = odds.of(pos)
        picks.append(Pick(pos, float(earliness_N[pos]), tell(pos, chance), chance, odds.n_drawable))
        feasible.take(pos)
        if feasible.epoch != epoch:
            epoch = feasible.epoch
            walk = None if odds.replace(feasible.open_N) else walk
        else:
            odds.close(lost.all())
        lost.positions.clear()
    return picks


def _teller(candidates: Candidates, weights: Weights) -> Callable[[int, float], str]:
    scores_N = scores_of(candidates)

    def tell(pos: int, chance: float) -> str:
        told = f"drawn with probability {chance:.3g}, {candidates.tell_score(float(scores_N[pos]))}"
        return told if weights.logs_N[pos] > -np.inf else f"{told}: nothing better was open"

    return tell


class _Lost:
    """A floor that keeps nothing free: it only notes which frames are no longer open."""

    def __init__(self) -> None:
        self.positions: list[Positions] = []

    def all(self) -> Positions:
        """Give what was lost since the list was cleared."""
        return np.concatenate(self.positions) if self.positions else np.empty(0, dtype=np.intp)

    def lost(self, positions: Positions) -> None:
        """See `Floor.lost`."""
        self.positions.append(positions)

    def took(self, pos: int) -> None:
        """See `Floor.took`."""

    def only(self, n_places: int) -> Flags | None:
        """See `Floor.only`."""
        return None

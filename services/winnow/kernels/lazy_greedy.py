"""The element that adds most, again and again, with few evaluations: Minoux's lazy greedy.

How to use it, with any objective whose gains never grow as more is taken (submodular)::

    lazy = LazyGreedy(bounds_N, order_N, gains)      # gains: positions -> float64, exact
    while places:
        pos, gain = lazy.best(open_N)                # what evaluating everything would give
        objective.take(pos)                          # gains() answers for the grown set now
        open_N[pos] = False
        lazy.advance()                               # all that is known is only a bound now

`greedy` is this loop without constraints. Objectives: `facility_location.FacilityLocation`,
`volume.LinearVolume`, `volume.RadialVolume`, `joint_information.JointInformation`; for budgets see
`budgeted_greedy`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.cores import on_one_core
from winnow.kernels.protocol import Floats, Positions

Flags = npt.NDArray[np.bool_]
Gains = Callable[[Positions], Floats]

BLOCK: Final = 2048
"""Elements whose largest bound is kept as one number."""
FIRST_REFRESH: Final = 16
"""Elements that the first refresh of a step looks at; each further one doubles it."""
CROWD: Final = 4
"""So many exact evaluations in one step hint at elements that are nearly or wholly the same."""
_LEVELS: Final = 3  # how an element was looked at: upper, closer, exactly


class LazyGreedy:
    """Gives the open element with the largest gain, ties by a given order.

    Parameters
    ----------
    bounds_N
        float64 [N]; no gain is ever larger. Infinity where nothing is known.
    order_N
        All positions in the order that decides ties.
    gains
        Gives the exact gains of elements, for what is taken by now.
    upper
        Gives numbers that the gains do not exceed, quicker; may differ between machines. Elements
        whose upper bound is below an exact gain are never evaluated.
    closer
        The same, nearer to the gains and dearer: asked only where a crowd competes for a step.
    slack
        By how much rounding (or an estimate's noise) may let a gain grow.
    alike
        Gives for each position the first one with the same row: such elements always have the
        same gain, and one look serves them all. Called once a crowd competes.
    refresh_max
        Largest number of elements in one call of `gains` or `upper`.
    exact_start
        The bounds are exact gains already.

    Notes
    -----
    Picks are those of evaluating every element at every step, bit for bit, if `gains` really
    never grow by more than `slack`: an element is looked at only if its last bound reaches the
    largest exact gain (Minoux 1978). One number a block of `BLOCK` elements leads to the largest
    bound, so a step costs N / `BLOCK` and the elements it looks at. Memory: 20 bytes an element.

    References
    ----------
    Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978.
    """

    def __init__(
        self,
        bounds_N: Floats,
        order_N: Positions,
        gains: Gains,
        *,
        upper: Gains | None = None,
        closer: Gains | None = None,
        slack: float = 0.0,
        alike: Callable[[], Positions] | None = None,
        refresh_max: int = 256,
        exact_start: bool = False,
    ) -> None:
        self._order_R, self._bound_R, self._block = order_N, bounds_N[order_N], BLOCK
        looks = enumerate((upper, closer, gains))
        self._looks = {level: _Shared(of) for level, of in looks if of is not None}
        self._alike, self._slack, self._refresh_max = alike, slack, refresh_max
        self._step = 0
        # The step at which an element was looked at last, and how.
        self._known_R = np.full(
            len(order_N), _LEVELS - 1 if exact_start else -_LEVELS, dtype=np.int32
        )
        self._touched: list[Positions] = []
        self._refresh, self._evaluate, self._n_evaluated = FIRST_REFRESH, 1, 0
        self._epoch: int | None = None
        self._floor = -np.inf
        """Largest exact gain that this call of `best` has computed."""

    @on_one_core
    def best(self, open_N: Flags, epoch: int = 0) -> tuple[int, float] | None:
        """Give the position and gain of the best open element; none if no element is open.

        Parameters
        ----------
        open_N
            Which elements may be taken. While `epoch` stays the same they only close.
        epoch
            Another number than last time: elements may have come back.
        """
        self._floor = -np.inf
        if epoch != self._epoch:
            self._epoch = epoch
            starts = np.arange(0, len(self._bound_R), self._block)
            self._top_B = np.maximum.reduceat(self._bound_R, starts) if len(starts) else np.empty(0)
        while len(self._top_B):
            block = int(np.argmax(self._top_B))
            top = self._top_B[block]
            if top == -np.inf:
                break
            ranks = slice(block * self._block, (block + 1) * self._block)
            live_K = np.where(open_N[self._order_R[ranks]], self._bound_R[ranks], -np.inf)
            first = int(np.argmax(live_K))
            if live_K[first] < top:  # who had it is closed by now
                self._top_B[block] = live_K[first]
                continue
            if self._known_R[ranks][first] == _LEVELS * self._step + _LEVELS - 1:
                return int(self._order_R[ranks][first]), float(live_K[first])
            self._look(block, live_K, first)
        return None

    def advance(self) -> None:
        """Tell that an element was taken."""
        if self._slack:
            for rank_K in self._touched:
                self._bound_R[rank_K] += self._slack
                np.maximum.at(self._top_B, rank_K // self._block, self._bound_R[rank_K])
        self._touched.clear()
        self._step += 1
        self._refresh, self._evaluate, self._n_evaluated = FIRST_REFRESH, 1, 0

    def _look(self, block: int, live_K: Floats, first: int) -> None:
        """Learn more about the block's best elements."""
        known_K = self._known_R[block * self._block : block * self._block + len(live_K)]
        done_K = np.maximum(known_K - _LEVELS * self._step, -1)
        level = self._level(int(done_K[first]))
        is_exact = level == _LEVELS - 1
        n_rows = self._evaluate if is_exact else self._refresh
        rows = self._largest(live_K, done_K == done_K[first], n_rows)
        found_K = self._ask(level, self._order_R[block * self._block + rows])
        live_K[rows] = found_K if is_exact else np.minimum(live_K[rows], found_K)
        known_K[rows] = _LEVELS * self._step + level
        if is_exact:
            self._n_evaluated += len(rows)
            self._floor = max(self._floor, float(found_K.max()))
            self._evaluate = min(2 * self._evaluate, self._refresh_max)
        else:
            self._refresh = min(2 * self._refresh, self._refresh_max)
        self._bound_R[block * self._block + rows] = live_K[rows]
        self._top_B[block] = live_K.max()
        if self._slack:
            self._touched.append(block * self._block + rows)

    def _level(self, done: int) -> int:
        """Give how to look at an element next: after `done`, negative if not at all."""
        if done < 0 and 0 in self._looks:
            return 0
        if done < 1 and 1 in self._looks and self._n_evaluated >= CROWD:
            return 1
        return _LEVELS - 1

    def _largest(self, live_K: Floats, wanted_K: Flags, n: int) -> Positions:
        """Give up to n of the wanted rows, those with the largest bounds that may still win."""
        rows = np.flatnonzero(wanted_K & (live_K >= self._floor) & (live_K > -np.inf))
        if len(rows) > n:
            edge = np.partition(live_K[rows], len(rows) - n)[len(rows) - n]
            above, at_edge = rows[live_K[rows] > edge], rows[live_K[rows] == edge]
            rows = np.concatenate([above, at_edge[: n - len(above)]])
        return rows

    def _ask(self, level: int, pos_K: Positions) -> Floats:
        if self._alike is not None and self._n_evaluated >= CROWD:
            first_N, self._alike = self._alike(), None
            for look in self._looks.values():
                look.share(first_N)
        return self._looks[level](pos_K, self._step)


class _Shared:
    """Answers that are computed once a step for elements that are alike."""

    def __init__(self, of: Gains) -> None:
        self._of = of
        self._first_N: Positions | None = None

    def share(self, first_N: Positions) -> None:
        """Learn which elements are alike."""
        self._first_N = first_N
        self._found_N = np.empty(len(first_N))
        self._step_N = np.full(len(first_N), -1, dtype=np.int32)

    def __call__(self, pos_K: Positions, step: int) -> Floats:
        """Give the answers at a step."""
        if self._first_N is None:
            return self._of(pos_K)
        first_K = self._first_N[pos_K]
        missing = np.unique(first_K[self._step_N[first_K] != step])
        if len(missing):
            self._found_N[missing] = self._of(missing)
            self._step_N[missing] = step
        found: Floats = self._found_N[first_K]
        return found


def greedy(
    bounds_N: Floats,
    gains: Gains,
    take: Callable[[int], None],
    n: int,
    *,
    order_N: Positions | None = None,
    upper: Gains | None = None,
) -> list[tuple[int, float]]:
    """Give the n elements, and their gains, that greedy choice takes without constraints.

    Parameters
    ----------
    bounds_N
        float64 [N]; no gain is ever larger.
    gains, take
        The objective: exact gains of positions, and taking one.
    n
        How many; at most N are given.
    order_N
        All positions in the order that decides ties; ascending unless told.
    upper
        See `LazyGreedy`.

    Notes
    -----
    For a monotone submodular objective the value is at least 1 - 1/e of the best one of n elements
    (Nemhauser, Wolsey and Fisher 1978); lazy evaluation changes no pick.

    Examples
    --------
    >>> covers = [{1, 2}, {2, 3, 4}, {4}]
    >>> seen = set()
    >>> greedy(
    ...     np.full(3, np.inf),
    ...     lambda pos: np.array([float(len(covers[p] - seen)) for p in pos]),
    ...     lambda pos: seen.update(covers[pos]),
    ...     2,
    ... )
    [(1, 3.0), (0, 1.0)]
    """
    order_N = np.arange(len(bounds_N)) if order_N is None else order_N
    lazy, open_N = (
        LazyGreedy(bounds_N, order_N, gains, upper=upper),
        np.ones(len(bounds_N), dtype=np.bool_),
    )
    picks = list[tuple[int, float]]()
    while len(picks) < n and (found := lazy.best(open_N)) is not None:
        picks.append(found)
        take(found[0])
        open_N[found[0]] = False
        lazy.advance()
    return picks

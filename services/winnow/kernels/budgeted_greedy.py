"""Greedy choice under budgets, lazily evaluated: what full evaluation would choose, bit for bit."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from winnow.kernels.protocol import Floats

Amounts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Rule = Literal["cost_benefit", "plain"]
RULES: Final[tuple[Rule, ...]] = ("cost_benefit", "plain")
EVALUATED_AT_ONCE: Final = 16
"""Stale entries looked at together: one matrix product instead of as many passes."""


class Growing(Protocol):
    """A monotone submodular objective that grows; computed gains must never grow."""

    @property
    def value(self) -> float:
        """Give the objective so far."""
        ...

    def copy(self) -> Self:
        """Give one that grows by itself."""
        ...

    def bounds(self) -> Floats:
        """Give, for every element, what its gain does not exceed."""
        ...

    def gains(self, groups: Sequence[int]) -> Floats:
        """Give the exact gains of some elements."""
        ...

    def take(self, group: int) -> None:
        """Add an element."""
        ...


G = TypeVar("G", bound=Growing)


@dataclass(frozen=True, slots=True)
class Budget:
    """What elements may cost together, in all or in each part.

    `costs_G[g]` is at least 0 and comes out of `limits_P[parts_G[g]]`; without parts all come out
    of one limit. A cost of 1 and a part for each class is a partition matroid.
    """

    costs_G: Amounts
    limits_P: Amounts
    parts_G: npt.NDArray[np.intp] | None = None

    def left_after(self, groups: Sequence[int]) -> Amounts:
        """Give what is left of each limit once these elements are paid for."""
        left_P = self.limits_P.copy()
        for group in groups:
            self.pay(group, left_P)
        return left_P

    def pay(self, group: int, left_P: Amounts) -> None:
        """Take an element's cost from what is left."""
        left_P[0 if self.parts_G is None else self.parts_G[group]] -= self.costs_G[group]

    def fits(self, group: int, left_P: Amounts) -> bool:
        """Tell whether an element can still be paid for."""
        part = 0 if self.parts_G is None else int(self.parts_G[group])
        return bool(self.costs_G[group] <= left_P[part])


@dataclass(frozen=True, slots=True)
class Chosen:
    """Elements in the order of choice, what each added when it came in, and by which rule."""

    groups: tuple[int, ...]
    gains: tuple[float, ...]
    rule: Rule


def budgeted_greedy(
    objective: G,
    budgets: Sequence[Budget],
    rank_G: npt.NDArray[np.int64],
    *,
    allowed_G: Flags | None = None,
    already: Sequence[int] = (),
) -> tuple[Chosen, G]:
    """Give the better of two greedy choices under budgets, and the objective grown by it.

    One takes, at each step, what adds most for what it costs of the first budget; the other what
    adds most. Both leave out what adds nothing or fits into no budget any more.

    Parameters
    ----------
    objective
        Not changed.
    rank_G
        Of elements that are equally good, the one with the smallest rank is taken.
    allowed_G
        What may be chosen; all unless told.
    already
        Elements that the budgets have paid for before; the objective has them, too.

    Notes
    -----
    With one budget the better of the two reaches at least (1 - 1/e)/2 ≈ 0.316 of what any
    affordable choice could add (Leskovec et al. 2007, theorem 4; the plain one begins with the
    best single element, which is all the proof asks of it), and 1 - 1/e ≈ 0.632 if all costs are
    equal (Nemhauser, Wolsey and Fisher 1978). With costs of 1 and one limit for each part, 1/2
    (Fisher, Nemhauser and Wolsey 1978). For other mixtures of budgets nothing is promised.

    An element is evaluated again only when its last gain is the largest of all (Minoux 1978):
    gains that were computed earlier are bounds.

    References
    ----------
    Leskovec, Krause, Guestrin, Faloutsos, VanBriesen and Glance, "Cost-effective outbreak
    detection in networks", KDD 2007. Minoux, "Accelerated greedy algorithms for maximizing
    submodular set functions", 1978.
    """
    costs_G = budgets[0].costs_G
    allowed = np.ones(len(costs_G), dtype=np.bool_) if allowed_G is None else allowed_G
    start = _Start(budgets, rank_G, np.where(allowed, objective.bounds(), 0.0), already)
    alike = len(np.unique(costs_G[allowed])) <= 1
    made = [_greedy(objective.copy(), start, rule) for rule in (("plain",) if alike else RULES)]
    return max(made, key=lambda one: one[1].value)


@dataclass(frozen=True, slots=True)
class _Start:
    """What both rules begin with."""

    budgets: Sequence[Budget]
    rank_G: npt.NDArray[np.int64]
    bounds_G: Floats
    already: Sequence[int]


def _greedy(objective: G, start: _Start, rule: Rule) -> tuple[Chosen, G]:
    purse = [(budget, budget.left_after(start.already)) for budget in start.budgets]
    queue = _Queue(start, rule)
    groups, gains = list[int](), list[float]()
    while queue.entries:
        group, gain = queue.top()
        if not all(budget.fits(group, left_P) for budget, left_P in purse):
            queue.pop()  # for good: what is left only shrinks
        elif gain is None:
            stale = queue.stale()
            queue.push(stale, objective.gains(stale))
        else:
            queue.pop()
            objective.take(group)
            queue.next_turn()
            groups.append(group)
            gains.append(gain)
            for budget, left_P in purse:
                budget.pay(group, left_P)
    return Chosen(tuple(groups), tuple(gains), rule), objective


class _Queue:
    """Elements by what they may add at most (for what they cost), largest first."""

    def __init__(self, start: _Start, rule: Rule) -> None:
        self._rank_G = start.rank_G
        costs_G = start.budgets[0].costs_G
        self._divisor_G = (
            np.maximum(costs_G, 1) if rule == "cost_benefit" else np.ones_like(costs_G)
        )
        self._gain = dict[int, float]()
        """Gains of this turn."""
        self._at_once = 1
        keys_G = start.bounds_G / self._divisor_G
        rows = np.flatnonzero(start.bounds_G > 0.0)
        self.entries = list(
            zip((-keys_G[rows]).tolist(), start.rank_G[rows].tolist(), rows.tolist(), strict=True)
        )
        heapq.heapify(self.entries)

    def top(self) -> tuple[int, float | None]:
        """Give the first element, and its gain if it was computed in this turn."""
        group = self.entries[0][2]
        return group, self._gain.get(group)

    def pop(self) -> None:
        """Remove the first element."""
        heapq.heappop(self.entries)

    def stale(self) -> list[int]:
        """Remove the first elements whose gains are of earlier turns; each time twice as many."""
        found = list[int]()
        while self.entries and len(found) < self._at_once and self.top()[1] is None:
            found.append(heapq.heappop(self.entries)[2])
        self._at_once = min(2 * self._at_once, EVALUATED_AT_ONCE)
        return found

    def push(self, groups: Sequence[int], gains: Floats) -> None:
        """Put elements back with the gains of this turn; what adds nothing stays out for good."""
        for group, gain in zip(groups, gains.tolist(), strict=True):
            if gain > 0.0:
                self._gain[group] = gain
                key = -(gain / float(self._divisor_G[group]))
                heapq.heappush(self.entries, (key, int(self._rank_G[group]), group))

    def next_turn(self) -> None:
        """Forget which gains are fresh."""
        self._gain.clear()
        self._at_once = 1

"""Greedy choice under budgets, lazily evaluated: what full evaluation would choose, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from winnow.kernels.lazy_greedy import LazyGreedy
from winnow.kernels.protocol import Floats, Positions

Amounts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Rule = Literal["cost_benefit", "plain"]
RULES: Final[tuple[Rule, ...]] = ("cost_benefit", "plain")


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

    def upper(self, pos_K: Positions) -> Floats:
        """Give the same for some elements."""
        ...

    def gains(self, pos_K: Positions) -> Floats:
        """Give the exact gains of some elements."""
        ...

    def take(self, pos: int) -> None:
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

    def fits(self, left_P: Amounts) -> Flags:
        """Tell which elements can still be paid for."""
        left_G = left_P[0] if self.parts_G is None else left_P[self.parts_G]
        fits_G: Flags = self.costs_G <= left_G
        return fits_G


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
    bounds_G: Floats | None = None,
    bounded: bool = True,
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
    bounds_G
        What `objective.bounds` gave, for whoever asks for several choices.
    bounded
        Bounds are much cheaper than gains, and worth a look before them.

    Notes
    -----
    With one budget the better of the two reaches at least (1 - 1/e)/2 ≈ 0.316 of what any
    affordable choice could add (Leskovec et al. 2007; the plain one begins with the
    best single element, which is all the proof asks of it), and 1 - 1/e ≈ 0.632 if all costs are
    equal (Nemhauser, Wolsey and Fisher 1978). With costs of 1 and one limit for each part, 1/2
    (Fisher, Nemhauser and Wolsey 1978). For other mixtures of budgets nothing is promised.

    Lazily evaluated, with the picks of full evaluation (see `LazyGreedy`); a step costs besides
    one pass over the elements for each budget.

    References
    ----------
    Leskovec, Krause, Guestrin, Faloutsos, VanBriesen and Glance, "Cost-effective outbreak
    detection in networks", KDD 2007.
    """
    costs_G = budgets[0].costs_G
    allowed = np.ones(len(costs_G), dtype=np.bool_) if allowed_G is None else allowed_G
    bounds_G = objective.bounds() if bounds_G is None else bounds_G
    start = _Start(budgets, np.argsort(rank_G), bounds_G, allowed, already, bounded)
    alike = len(np.unique(costs_G[allowed])) <= 1
    made = [_greedy(objective.copy(), start, rule) for rule in (("plain",) if alike else RULES)]
    return max(made, key=lambda one: one[1].value)


@dataclass(frozen=True, slots=True)
class _Start:
    """What both rules begin with."""

    budgets: Sequence[Budget]
    order_G: Positions
    bounds_G: Floats
    allowed_G: Flags
    already: Sequence[int]
    bounded: bool


def _greedy(objective: G, start: _Start, rule: Rule) -> tuple[Chosen, G]:
    costs_G = start.budgets[0].costs_G
    divisor_G = np.maximum(costs_G, 1) if rule == "cost_benefit" else np.ones_like(costs_G)
    lazy = LazyGreedy(
        start.bounds_G / divisor_G,
        start.order_G,
        lambda pos_K: objective.gains(pos_K) / divisor_G[pos_K],
        upper=(lambda pos_K: objective.upper(pos_K) / divisor_G[pos_K]) if start.bounded else None,
    )
    purse = [(budget, budget.left_after(start.already)) for budget in start.budgets]
    open_G = start.allowed_G.copy()
    groups, gains = list[int](), list[float]()
    while True:
        for budget, left_P in purse:
            open_G &= budget.fits(left_P)  # what is left only shrinks
        found = lazy.best(open_G)
        if found is None or found[1] <= 0.0:
            return Chosen(tuple(groups), tuple(gains), rule), objective
        group = found[0]
        groups.append(group)
        gains.append(float(objective.gains(np.array([group]))[0]))
        objective.take(group)
        for budget, left_P in purse:
            budget.pay(group, left_P)
        open_G[group] = False
        lazy.advance()

"""The most score for the money, where frames have different prices."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from winnow.strategies.columns import prices_of
from winnow.strategies.descending import Descending
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floats,
    Floor,
    Inclusion,
    Input,
    Pick,
    Positions,
    Ranks,
    check,
    scores_of,
)

MONEY: Final = "money"
"""Name of the constraints that say what a batch may cost."""
RATES_MAX: Final = 60
"""Rates that are tried; about ten are enough."""
NOTHING: Final = 1e-12
"""A batch better by this part is no better: sums of so many scores are rounded as much."""

Prices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CostBenefit:
    """Takes the best of three greedy batches: by score, by score per price, by score minus price.

    The strategy sees the prices; what a batch may cost is said by a constraint named `money`.
    Without one, or if the highest scores can be paid, it is `top_k`. Otherwise it compares the
    total scores of

    1. the highest scores first, skipping what cannot be paid any more,
    2. the highest scores per price first, in the same way,
    3. the highest scores minus rate · price first, with the rate at which the n best of them just
       cost what there is; where frames tie at that rate, the dearer ones as far as money goes,

    and takes the best, the first named of equal ones. Scores below 0 are counted from the lowest.

    Bounds, for scores that add up and no constraint but n and money: the third rule misses the
    optimum by less than one score (at rate r the optimum is at most the batch's total plus r times
    the money left, and the next frame to come costs more than that and has a score of at least r
    times its price). So the best of the first and third has at least half of the optimum; if n
    does not bind, so has the best of the first two, because the first takes the best single frame.
    The bound (1 - 1/e)/2 for submodular worth is not claimed: worth here is a sum, which no
    likeness of frames lowers. Further constraints are kept, but void the bounds.

    Costs some ten selections in O(N) and as many walks over n frames; memory a few numbers a frame,
    and a copy of what the constraints change.

    References
    ----------
    Khuller, Moss and Naor, "The budgeted maximum coverage problem", 1999, section 2. Leskovec et
    al., "Cost-effective Outbreak Detection in Networks", KDD 2007, section 3.2 (rules 1 and 2).
    Caprara, Kellerer, Pferschy and Pisinger, "Approximation algorithms for knapsack problems with
    cardinality constraints", 2000, section 2 (half, by the linear relaxation).
    """

    name: ClassVar[str] = "cost_benefit"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores"})
    inclusion: ClassVar[Inclusion] = "certain"

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the score.

        Constraints and floors are copied to try with, so they must bear `copy.deepcopy`.
        """
        rank_N = check(candidates, n, self.needs)
        search = _Search(
            scores_of(candidates), prices_of(candidates), rank_N, n, constraints, floors
        )
        told, order = search.best()
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        for pos in islice(order(feasible), n):
            picks.append(Pick(pos, float(search.scores_N[pos]), _reason(candidates, pos, told)))
            feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        told = "others are worth more for the money"
        return [_reason(candidates, pos, told) for pos in range(len(candidates))]


def _reason(candidates: Candidates, pos: int, told: str) -> str:
    score, price = scores_of(candidates)[pos], prices_of(candidates)[pos]
    return f"{candidates.tell_score(float(score))} for {price} micros; {told}"


Order = Callable[[Feasible], Iterator[int]]
"""Gives frames that may come, each taken before the next is asked for."""


class _Search:
    """Tries orders on copies of the constraints."""

    def __init__(
        self,
        scores_N: Floats,
        price_N: Prices,
        rank_N: Ranks,
        n: int,
        constraints: Sequence[Constraint],
        floors: Sequence[Floor],
    ) -> None:
        self.scores_N, self._rank_N, self._n = scores_N, rank_N, n
        self._worth_N = scores_N - min(float(scores_N.min(initial=0.0)), 0.0)
        self._price_N = price_N.astype(np.float64)
        self._constraints, self._floors = constraints, floors
        self._money = [each for each in constraints if each.name == MONEY]
        self._others = [each for each in constraints if each.name != MONEY]
        self._too_dear = _Closed(np.flatnonzero(~self._copied(self._money).open_N), len(scores_N))

    def best(self) -> tuple[str, Order]:
        """Give the order with the largest total, and its name."""
        plain = partial(_in_order, (), Descending(self._worth_N, self._rank_N))
        rules: list[tuple[str, Order]] = [("highest scores first", plain)]
        if self._money and not self._is_affordable(self._free(0.0)):
            rules.append(("highest scores per price first", self._per_price()))
            rules.append(("highest scores after their price first", self._after_price()))
            totals = [self._total(order) for _, order in rules]
            return rules[int(np.argmax(totals))]
        return rules[0]

    def _total(self, order: Order) -> float:
        feasible = self._copied(self._constraints, self._floors)
        total = 0.0
        for pos in islice(order(feasible), self._n):
            total += float(self._worth_N[pos])
            feasible.take(pos)
        return total

    def _per_price(self) -> Order:
        free_N = self._price_N == 0.0
        ratio_N = self._worth_N / np.where(free_N, 1.0, self._price_N)
        # What is paid already costs nothing of this batch: it goes first, by worth.
        paid_first_N = ratio_N + float(ratio_N[~free_N].max(initial=0.0))
        return partial(_in_order, (), self._by(np.where(free_N, paid_first_N, ratio_N)))

    def _after_price(self) -> Order:
        """Find the rate at which the best frames after their price just cost what there is.

        Of two batches, one too dear and one that can be paid, the rate at which they are worth the
        same is tried next; if there is nothing better at that rate, it is the one.
        """
        low, high = 0.0, self._rate_max()
        dear, cheap = self._free(low), self._free(high)
        for _ in range(RATES_MAX):
            rate = self._rate_between(cheap, dear)
            if not low < rate < high:
                break
            found = self._free(rate)
            if self._value(found, rate) <= self._value(cheap, rate) * (1.0 + NOTHING):
                low = high = rate
                break
            if self._is_affordable(found):
                high, cheap = rate, found
            else:
                low, dear = rate, found
        head = self._between(cheap, dear, (low, high))
        return partial(_in_order, tuple(head), self._by(self._key(high)))

    def _rate_between(self, cheap: list[int], dear: list[int]) -> float:
        more = self._value(dear, 0.0) - self._value(cheap, 0.0)
        price = sum(self._price_N[dear].tolist()) - sum(self._price_N[cheap].tolist())
        return float(more / price) if price > 0.0 else 0.0

    def _value(self, positions: list[int], rate: float) -> float:
        return float(sum((self._worth_N[positions] - rate * self._price_N[positions]).tolist()))

    def _between(self, cheap: list[int], dear: list[int], rates: tuple[float, float]) -> list[int]:
        """Exchange frames of the cheaper batch for those of the dearer as far as money goes."""
        out = self._by_key(set(cheap) - set(dear), rates[1])[::-1]
        into = self._by_key(set(dear) - set(cheap), rates[0])

        def exchanged(count: int) -> list[int]:
            gone = set(out[: max(0, len(cheap) + count - self._n)])
            return [pos for pos in cheap if pos not in gone] + into[:count]

        low, high = 0, len(into)
        while low < high:
            middle = (low + high + 1) // 2
            if self._is_affordable(exchanged(middle)):
                low = middle
            else:
                high = middle - 1
        return exchanged(low)

    def _free(self, rate: float) -> list[int]:
        """Give the batch at a rate if money were no matter, of frames worth their price."""
        key_N = self._key(rate)
        feasible, found = self._copied([*self._others, self._too_dear]), list[int]()
        for pos in islice(self._by(key_N).open_frames(feasible), self._n):
            if key_N[pos] <= 0.0:
                break
            found.append(pos)
            feasible.take(pos)
        return found

    def _is_affordable(self, positions: Sequence[int]) -> bool:
        feasible = self._copied(self._money)
        for pos in positions:
            if not feasible.open_N[pos]:
                return False
            feasible.take(pos)
        return True

    def _rate_max(self) -> float:
        priced_N = self._price_N > 0.0
        return float((self._worth_N[priced_N] / self._price_N[priced_N]).max(initial=0.0))

    def _key(self, rate: float) -> Floats:
        key_N: Floats = self._worth_N - rate * self._price_N
        return key_N

    def _by(self, key_N: Floats) -> Descending:
        return Descending(key_N, self._rank_N)

    def _by_key(self, frames: set[int], rate: float) -> list[int]:
        positions = np.fromiter(frames, dtype=np.intp, count=len(frames))
        key_K = self._key(rate)[positions]
        return [*map(int, positions[np.lexsort((self._rank_N[positions], -key_K))])]

    def _copied(self, constraints: Sequence[Constraint], floors: Sequence[Floor] = ()) -> Feasible:
        pair = copy.deepcopy((list(constraints), list(floors)))
        return Feasible(len(self._worth_N), pair[0], self._n, pair[1])


@dataclass(frozen=True, slots=True)
class _Closed:
    """Keeps out from the start what could not even be paid alone."""

    positions: Positions
    n_frames: int
    name: str = MONEY

    def __len__(self) -> int:
        """See `Constraint.__len__`."""
        return self.n_frames

    def closes(self, taken: int | None) -> Positions:
        """See `Constraint.closes`."""
        return self.positions if taken is None else self.positions[:0]

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        return f"{self.name}: frame {pos} costs more than there is"


def _in_order(head: tuple[int, ...], rest: Descending, feasible: Feasible) -> Iterator[int]:
    """Give first the open ones of the head, then the best of the rest."""
    for pos in head:
        if feasible.open_N[pos]:
            yield pos
    yield from rest.open_frames(feasible)

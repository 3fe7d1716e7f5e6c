"""A batch costs at most what there is."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate, takewhile
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import whole_numbers_of
from winnow.domain.errors import BadInput

Positions = npt.NDArray[np.intp]
Prices = npt.NDArray[np.int64]


class WithinMoney:
    """Closes every frame whose price is above what is left.

    Parameters
    ----------
    price_micros_N
        What each frame adds to the price of the batch; 0 for one that is paid already.
    micros_max
        What the batch may cost.

    Raises
    ------
    BadInput
        A price is negative, or no whole number.

    Notes
    -----
    Prices are sorted when money first gets short; from then on a pick costs a binary search and
    what it closes. A batch costs N log N at most.
    """

    name = "money"

    def __init__(self, price_micros_N: Prices, micros_max: int) -> None:
        self._prices = _Prices(prices_of(price_micros_N))
        self._left_micros = micros_max
        self._n_open: int | None = None

    @property
    def left_micros(self) -> int:
        """Give what the batch may still cost."""
        return self._left_micros

    def __len__(self) -> int:
        """See `Constraint.__len__`."""
        return len(self._prices.micros_N)

    def closes(self, taken: int | None) -> Positions:
        """See `Constraint.closes`."""
        if taken is not None:
            self._left_micros -= int(self._prices.micros_N[taken])
        if self._left_micros >= self._prices.micros_max:
            return np.empty(0, dtype=np.intp)
        n_open, n_before = self._prices.n_up_to(self._left_micros), self._n_open
        self._n_open = n_open
        return self._prices.order[n_open:n_before]

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        price = int(self._prices.micros_N[pos])
        return f"money: costs {price} micros, {self._left_micros} are left"

    def most_of(self, positions: Positions, enough: int) -> int:
        """Give the largest number of these frames that the money left can pay, up to `enough`."""
        prices = np.sort(self._prices.micros_N[positions])[:enough].tolist()
        paid = takewhile(lambda total: total <= self._left_micros, accumulate(prices))
        return sum(1 for _ in paid)


def prices_of(price_micros_N: npt.ArrayLike) -> Prices:
    """Give prices as int64, or refuse those that are no whole numbers."""
    return whole_numbers_of(price_micros_N, name="price_micros_N", unit="micros")


class _Prices:
    """Prices and their order; copies of a constraint share it."""

    def __init__(self, micros_N: Prices) -> None:
        if micros_N.min(initial=0) < 0:
            pos = int(np.argmin(micros_N))
            msg = f"price_micros_N: expected 0 or more, row {pos} has {int(micros_N[pos])}"
            raise BadInput(msg)
        self.micros_N = micros_N
        self.micros_max = int(micros_N.max(initial=0))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    @cached_property
    def order(self) -> Positions:
        """Positions by rising price."""
        return np.argsort(self.micros_N)

    @cached_property
    def _rising(self) -> Prices:
        return self.micros_N[self.order]

    def n_up_to(self, micros: int) -> int:
        """Give how many frames cost no more than this."""
        if micros < 0:
            return 0
        return int(np.searchsorted(self._rising, micros, side="right"))

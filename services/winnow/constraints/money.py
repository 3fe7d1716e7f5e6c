"""A batch costs at most what there is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.intp]


class WithinMoney:
    """Closes every frame whose price is above what is left.

    Parameters
    ----------
    price_micros_N
        What each frame adds to the price of the batch; 0 for one that is paid already.
    micros_max
        What the batch may cost.
    """

    name = "money"

    def __init__(self, price_micros_N: npt.NDArray[np.int64], micros_max: int) -> None:
        self._price_micros_N = price_micros_N
        self._price_micros_max = int(price_micros_N.max(initial=0))
        self._left_micros = micros_max

    def closes(self, taken: int | None) -> Positions:
        """See `Constraint.closes`."""
        if taken is not None:
            self._left_micros -= int(self._price_micros_N[taken])
        if self._left_micros >= self._price_micros_max:
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(self._price_micros_N > self._left_micros)

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        price = int(self._price_micros_N[pos])
        return f"money: costs {price} micros, {self._left_micros} are left"

"""How many labels without a defect it takes to believe in a lot."""

from __future__ import annotations

import math

from scipy import stats


def zero_defect_size(*, defect_rate: float, lot_size: int | None = None) -> int:
    """Give n such that no defect among n inspected shows a rate below `defect_rate` at 95 %.

    Parameters
    ----------
    defect_rate
        In (0, 1).
    lot_size
        None: a large lot, (1 - p)^n <= 0.05. Else hypergeometric with ceil(lot_size x p) defects.

    Examples
    --------
    >>> zero_defect_size(defect_rate=0.05), zero_defect_size(defect_rate=0.05, lot_size=500)
    (59, 56)
    """
    if lot_size is None:
        return math.ceil(math.log(0.05) / math.log1p(-defect_rate))
    n_defects = math.ceil(lot_size * defect_rate)
    low, high = 1, lot_size
    while low < high:
        middle = (low + high) // 2
        if stats.hypergeom.pmf(0, lot_size, n_defects, middle) <= 0.05:
            high = middle
        else:
            low = middle + 1
    return low

"""How many items of a lot must be inspected to be sure enough of the rest."""

from __future__ import annotations

import math

from scipy.stats import hypergeom

from winnow.domain.errors import BadInput

CONFIDENCE = 0.95


def zero_defect_size(
    defect_rate: float, *, lot_size: int | None = None, confidence: float = CONFIDENCE
) -> int:
    """Give the smallest sample that, without a defect in it, shows a rate below `defect_rate`.

    Parameters
    ----------
    lot_size
        Without one the lot is taken as endless: (1 - p)^n <= 1 - confidence.

    Examples
    --------
    >>> zero_defect_size(0.05), zero_defect_size(0.05, lot_size=500)
    (59, 56)
    """
    _check(defect_rate, confidence)
    if lot_size is None:
        return math.ceil(math.log1p(-confidence) / math.log1p(-defect_rate))
    n_defects = math.ceil(defect_rate * lot_size)
    low, high = 0, lot_size
    while low < high:
        middle = (low + high) // 2
        enough = acceptance(lot_size, n_defects, n_inspected=middle) <= 1.0 - confidence
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def acceptance(lot_size: int, n_defects: int, *, n_inspected: int, n_accepted: int = 0) -> float:
    """Give the chance that a lot passes: at most `n_accepted` defects among the inspected."""
    return float(hypergeom.cdf(n_accepted, lot_size, n_defects, n_inspected))


def acceptance_number(
    lot_size: int, n_inspected: int, *, defect_rate: float, confidence: float = CONFIDENCE
) -> int | None:
    """Give the most defects that a sample may show while `defect_rate` is still ruled out.

    None if the sample is too small to rule it out even without a defect.
    """
    _check(defect_rate, confidence)
    n_defects = math.ceil(defect_rate * lot_size)
    allowed = None
    for number in range(n_inspected + 1):
        passes = acceptance(lot_size, n_defects, n_inspected=n_inspected, n_accepted=number)
        if passes > 1.0 - confidence:
            break
        allowed = number
    return allowed


def _check(defect_rate: float, confidence: float) -> None:
    if not 0.0 < defect_rate < 1.0 or not 0.0 < confidence < 1.0:
        msg = f"expected rate and confidence between 0 and 1, found {defect_rate}, {confidence}"
        raise BadInput(msg)

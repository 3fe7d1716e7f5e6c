"""Logarithm and sum that give the same bits on every machine.

`np.log` and `np.sum` choose their instructions by processor, so their last bits differ between
machines; a stored score must not. Both functions here use only elementwise +, -, *, / in a fixed
order, which IEEE 754 rounds in one way.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LN2_HIGH: Final = float.fromhex("0x1.62e42fee00000p-1")  # 32 bits, so exponent * this is exact
_LN2_LOW: Final = float.fromhex("0x1.a39ef35793c76p-33")
_TERMS: Final = 11  # the next one, s**22 / 23 at |s| <= .1716, is below 2**-57


def log_of(values: Floats) -> Floats:
    """Give the natural logarithm of positive numbers, within 2 units in the last place.

    Parameters
    ----------
    values
        Positive finite float64 of any shape; subnormal numbers too.

    Returns
    -------
    numpy.ndarray
        Element *i* is ln(values[i]), the same bits everywhere.

    Notes
    -----
    ln(m·2^e) = e·ln 2 + 2·artanh((m-1)/(m+1)), the series summed from its smallest term.

    Examples
    --------
    >>> log_of(np.array([1.0, 2.0])).tolist()
    [0.0, 0.6931471805599453]
    """
    mantissa, exponent = np.frexp(values)
    small = mantissa < np.sqrt(0.5)
    mantissa = np.where(small, 2.0 * mantissa, mantissa)
    power = (exponent - small).astype(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = np.full_like(s, 1.0 / (2 * _TERMS - 1))
    for term in range(_TERMS - 2, 0, -1):
        series = series * square + 1.0 / (2 * term + 1)
    tail = 2.0 * s * square * series
    logs: Floats = power * _LN2_HIGH + (2.0 * s + (tail + power * _LN2_LOW))
    return logs


def sum_last(values: Floats) -> Floats:
    """Give the sums over the last axis, added as a binary tree of fixed shape.

    Cost: as many additions as numbers, one temporary of half the size.

    Examples
    --------
    >>> sum_last(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).tolist()
    [6.0, 15.0]
    """
    if values.shape[-1] == 0:
        return np.zeros(values.shape[:-1])
    while values.shape[-1] > 1:
        half, odd = divmod(values.shape[-1], 2)
        paired = values[..., :half] + values[..., half : 2 * half]
        if odd:
            paired = np.concatenate([paired, values[..., -1:]], axis=-1)
        values = paired
    return np.ascontiguousarray(values[..., 0])

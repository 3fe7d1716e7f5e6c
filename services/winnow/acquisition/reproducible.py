"""Logarithm, exponential and sum that give the same bits on every machine.

`np.log`, `np.exp` and `np.sum` choose their instructions by processor, so their last bits differ
between machines; a stored score must not. The functions here use only elementwise +, -, *, / in a
fixed order, which IEEE 754 rounds in one way.
"""

from __future__ import annotations

from math import factorial
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LN2_HIGH: Final = float.fromhex("0x1.62e42fee00000p-1")  # 32 bits, so exponent * this is exact
_LN2_LOW: Final = float.fromhex("0x1.a39ef35793c76p-33")
_TERMS: Final = 11  # the next one, s**22 / 23 at |s| <= .1716, is below 2**-57
_EXP_TERMS: Final = 15  # the next one, r**15 / 15! at |r| <= .3466, is below 2**-62
_EXP_LOW, _EXP_HIGH = -746.0, 710.0  # beyond them lie zero and infinity


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
    mantissa = mantissa * (1.0 + small)
    logs: Floats = (exponent - small).astype(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    tail = np.full_like(s, 1.0 / (2 * _TERMS - 1))
    for term in range(_TERMS - 2, 0, -1):  # in place: a fresh array a step takes twice as long
        tail *= square
        tail += 1.0 / (2 * term + 1)
    s *= 2.0
    square *= s
    tail *= square
    tail += logs * _LN2_LOW
    s += tail
    logs *= _LN2_HIGH
    logs += s
    return logs


def exp_of(values: Floats) -> Floats:
    """Give e to the power of numbers, within 2 units in the last place.

    Parameters
    ----------
    values
        float64 of any shape; infinities too. NaN gives NaN.

    Returns
    -------
    numpy.ndarray
        Element *i* is exp(values[i]), the same bits everywhere: 0 below -745.13, subnormal numbers
        above it, infinity above 709.78.

    Notes
    -----
    exp(k·ln 2 + r) = 2^k · exp(r) with |r| <= ln 2 / 2, the series summed from its smallest term.
    2^k comes in two exact factors, so that only the last product rounds where it underflows.
    Costs some 40 elementwise passes and a few temporaries: large arrays go faster in blocks.

    Examples
    --------
    >>> exp_of(np.array([0.0, 1.0, -800.0])).tolist()
    [1.0, 2.718281828459045, 0.0]
    """
    bounded = np.clip(values, _EXP_LOW, _EXP_HIGH)
    power = np.rint(bounded / (_LN2_HIGH + _LN2_LOW))
    power = np.where(np.isnan(power), 0.0, power)
    high = bounded - power * _LN2_HIGH
    low = power * _LN2_LOW
    r = high - low
    series = np.full_like(r, 1.0 / factorial(_EXP_TERMS - 1))
    for term in range(_EXP_TERMS - 2, 1, -1):
        series *= r
        series += 1.0 / factorial(term)
    whole = 1.0 + r
    lost = r - (whole - 1.0)  # exactly what the sum rounded away
    mantissa = whole + (lost + (r * r * series + ((high - r) - low)))
    half = np.floor(power * 0.5)
    with np.errstate(over="ignore"):
        powers: Floats = mantissa * _power_of_two(half) * _power_of_two(power - half)
    return powers


def _power_of_two(exponents: Floats) -> Floats:
    bits = (exponents.astype(np.int64) + 1023) << 52
    return bits.view(np.float64)


def softmax_last(logits: Floats) -> Floats:
    """Give exp(logits) divided by its sum over the last axis.

    Parameters
    ----------
    logits
        float64, finite; -inf is probability 0 unless all are.

    Notes
    -----
    The largest is taken off first, so nothing overflows.

    Examples
    --------
    >>> softmax_last(np.array([[1000.0, 1000.0], [-np.inf, 0.0]])).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    if logits.shape[-1] == 0:
        return np.zeros(logits.shape)
    weights = exp_of(logits - logits.max(axis=-1, keepdims=True))
    shares: Floats = weights / sum_last(weights)[..., None]
    return shares


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
    return values[..., 0].copy()

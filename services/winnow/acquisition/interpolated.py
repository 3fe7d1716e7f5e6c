"""Entropy terms from tables: the same bits everywhere, several times faster than a logarithm.

Where millions of map cells or joint probabilities are summed, a logarithm each is what takes the
time. A number's exponent and first mantissa bits are the row of a table; four coefficients stand
there, and a cubic around the middle of the interval gives the value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, Self

import numpy as np

from winnow.acquisition.reproducible import Floats, log_of

_MANTISSA_BITS: Final = 8
_SHIFT: Final = 52 - _MANTISSA_BITS
_SMALLEST: Final = -64  # what is below 2**-64 adds less than 3e-18 and counts as zero
_FIRST: Final = ((1023 + _SMALLEST) << _MANTISSA_BITS) - 1
_AT_ONCE: Final = 1 << 13  # so few that the tables stay in the cache beside them

Coefficients = tuple[Floats, Floats, Floats, Floats]


@dataclass(frozen=True, slots=True)
class Cubics:
    """A function on [0, end] that is zero at 0, piecewise cubic.

    Between the powers of two lie 256 intervals each, so the error of a cubic is relative to the
    number: |f''''| / 24 · (t / 512)^4, below 2e-12 · t for the entropy terms here.
    """

    middles: Floats
    coefficients: Coefficients

    @classmethod
    def of(cls, end: float, taylor: Callable[[Floats], Coefficients]) -> Self:
        """Make the tables up to and including `end`, a power of two, where it is exact."""
        last = (int(np.float64(end).view(np.int64)) >> _SHIFT) - _FIRST
        starts = (np.arange(1, last + 1) + _FIRST) << _SHIFT
        middles = (starts + (1 << (_SHIFT - 1))).view(np.float64)
        middles[-1] = end
        rows = [np.concatenate([[0.0], row]) for row in taylor(middles)]
        return cls(np.concatenate([[0.0], middles]), (rows[0], rows[1], rows[2], rows[3]))

    def __call__(self, numbers: Floats) -> Floats:
        """Give the function's values; numbers lie in [0, end] (a little beyond is extrapolated)."""
        flat = np.ascontiguousarray(numbers).reshape(-1)
        values = np.empty_like(flat)
        for start in range(0, len(flat), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            values[part] = self._values_of(flat[part])
        return values.reshape(numbers.shape)

    def _values_of(self, numbers: Floats) -> Floats:
        place = numbers.view(np.int64) >> _SHIFT
        place -= _FIRST
        offset = numbers - self.middles.take(place, mode="clip")
        constant, linear, square, cube = self.coefficients
        values: Floats = cube.take(place, mode="clip")
        for coefficient in (square, linear, constant):
            values *= offset
            values += coefficient.take(place, mode="clip")
        return values


@cache
def _entropy_terms() -> Cubics:
    def taylor(t: Floats) -> Coefficients:
        logs = log_of(t)
        return 0.0 - t * logs, -logs - 1.0, -0.5 / t, 1.0 / (6.0 * t * t)

    return Cubics.of(1.0, taylor)


@cache
def _binary_entropies() -> Cubics:
    def taylor(t: Floats) -> Coefficients:
        rest = 1.0 - t
        logs, rest_logs = log_of(t), log_of(rest)
        return (
            -t * logs - rest * rest_logs,
            rest_logs - logs,
            -0.5 / t - 0.5 / rest,
            (1.0 / (t * t) - 1.0 / (rest * rest)) / 6.0,
        )

    return Cubics.of(0.5, taylor)


def entropy_terms_of(shares: Floats) -> Floats:
    """Give -p ln p for each p in [0, 1], within 2e-12 · p; exactly 0 at 0 and 1.

    A rounding above 1 gives as much below 0.

    Examples
    --------
    >>> entropy_terms_of(np.array([0.0, 0.5, 1.0])).round(10).tolist()
    [0.0, 0.3465735903, 0.0]
    """
    return _entropy_terms()(shares)


def binary_entropy_of(probs: Floats) -> Floats:
    """Give -p ln p - (1-p) ln(1-p) for each p in [0, 1], within 1e-12; exactly 0 at 0 and 1.

    Examples
    --------
    >>> binary_entropy_of(np.array([0.0, 0.1, 0.5, 1.0])).round(10).tolist()
    [0.0, 0.3250829734, 0.6931471806, 0.0]
    """
    return _binary_entropies()(np.minimum(probs, 1.0 - probs))

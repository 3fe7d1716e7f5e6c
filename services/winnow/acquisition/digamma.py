"""The digamma function, the same bits on every machine."""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.acquisition.reproducible import Floats, log_of

_LARGE: Final = 10.0
# B_2k / 2k, B the Bernoulli numbers; from 10 on the next one adds less than 2**-53 of the result.
_SERIES: Final = (
    *(1 / 12, -1 / 120, 1 / 252, -1 / 240),
    *(1 / 132, -691 / 32760, 1 / 12, -3617 / 8160),
)


def digamma_of(values: Floats) -> Floats:
    """Give the derivative of ln Γ at positive numbers, within 1e-14 · max(1, |ψ|).

    Examples
    --------
    >>> digamma_of(np.array([1.0, 2.0])).round(12).tolist()  # minus Euler's constant, and 1 more
    [-0.577215664902, 0.422784335098]
    """
    return log_of(values) + (surplus_of(values) - 1.0 / values)


def surplus_of(values: Floats) -> Floats:
    """Give ψ(x + 1) - ln x for positive numbers: by how much ψ is ahead of the logarithm.

    It falls from infinity at 0 to 1/(2x) at infinity and keeps its relative precision on the way,
    where a difference of the two would lose it.

    Notes
    -----
    Asymptotic series from 10 on, -1/(2y) - sum B_2k / (2k y^2k) = ψ(y) - ln y (Abramowitz and
    Stegun, "Handbook of Mathematical Functions", 6.3.18); below, the recurrence
    ψ(x + 1) = ψ(x) + 1/x (6.3.5) leads up there.

    Examples
    --------
    >>> surplus_of(np.array([1e8])).round(20).tolist()
    [4.99999999167e-09]
    """
    far, steps = values.copy(), np.zeros_like(values)
    for _ in range(int(_LARGE)):
        near = far < _LARGE
        far = np.where(near, far + 1.0, far)
        steps += np.where(near, 1.0 / far, 0.0)
    inverse = 1.0 / far
    square = inverse * inverse
    series = np.zeros_like(far)
    for coefficient in reversed(_SERIES):
        series = series * square + coefficient
    ahead = inverse * (0.5 - inverse * series)
    below = far > values
    climb = np.where(below, log_of(far) - log_of(values), 0.0)
    surplus: Floats = ahead + np.where(below, climb - steps, 0.0)
    return surplus

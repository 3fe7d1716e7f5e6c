"""Products whose bits no order of summation changes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.kernels.exact_product import INNER, cut, product

Floats = npt.NDArray[np.float64]


def times(left: Floats, right: Floats) -> Floats:
    return product(cut(left, side="left"), cut(right, side="right"))


def matrices(seed: int, n_left: int, n_right: int, width: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    left = rng.standard_normal((n_left, width)) * 10.0 ** rng.integers(-12, 13, (n_left, 1))
    right = rng.standard_normal((n_right, width)) * 10.0 ** rng.integers(-12, 13, (n_right, 1))
    left[rng.random(left.shape) < 0.1] = 0.0
    return left, right


def exactly(left: Floats, right: Floats) -> Floats:
    rows = [
        [
            sum((Fraction(x) * Fraction(y) for x, y in zip(r, s, strict=True)), Fraction(0))
            for s in right
        ]
        for r in left
    ]
    return np.array([[float(value) for value in row] for row in rows]).reshape(
        len(left), len(right)
    )


@settings(max_examples=40)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_entries_are_the_inner_products(n: int, m: int, width: int, seed: int) -> None:
    left, right = matrices(seed, n, m, width)
    sizes = np.abs(left).max(axis=1, initial=0)[:, None] * np.abs(right).max(axis=1, initial=0)
    off = np.abs(times(left, right) - exactly(left, right))
    assert (off <= (width * 2.0**-60 + 4 * 2.0**-53 * max(width, 1)) * sizes).all()


@given(st.integers(1, 3 * INNER), st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_no_order_of_the_inner_axis_changes_a_bit_within_a_block(width: int, seed: int) -> None:
    left, right = matrices(seed, 3, 2, width)
    whole = times(left, right)
    for start in range(0, width, INNER):
        stop = min(start + INNER, width)
        order = start + np.random.default_rng(seed).permutation(stop - start)
        left[:, start:stop], right[:, start:stop] = left[:, order], right[:, order]
    np.testing.assert_array_equal(times(left, right), whole)


def test_the_largest_slices_add_up_without_rounding() -> None:
    """Every product at its largest, all of one sign: any rounding of a partial sum would show."""
    largest = np.full((1, INNER), 2.0 - 2.0**-52)
    assert times(largest, largest)[0, 0] == pytest.approx(4.0 * INNER, rel=1e-15)
    mixed = np.where(np.arange(INNER) % 2, largest, -largest)
    assert times(mixed, largest)[0, 0] == 0.0


def test_entries_depend_on_their_own_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = matrices(1, 50, 40, 100)
    whole = times(left, right)
    for i, j in ((0, 0), (49, 3), (7, 39)):
        np.testing.assert_array_equal(times(left[[i]], right[[j]]), whole[i : i + 1, j : j + 1])
    np.testing.assert_array_equal(times(right, left), whole.T)
    monkeypatch.setattr("winnow.kernels.exact_product.ROWS_VALUES", 1)
    np.testing.assert_array_equal(times(left[::-1], right[::-1]), whole[::-1, ::-1])

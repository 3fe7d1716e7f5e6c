"""Exponential, softmax, logarithm and sum: the references of `math`, in any layout of memory."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from winnow.acquisition.reproducible import exp_of, log_of, softmax_last, sum_last

Floats = npt.NDArray[np.float64]


def units_off(found: float, expected: float) -> float:
    return abs(found - expected) / math.ulp(expected)


@given(arrays(np.float64, 20, elements=st.floats(-745.2, 709.7827)))
def test_the_exponential_is_within_two_units_in_the_last_place(values: Floats) -> None:
    for value, found in zip(values.tolist(), exp_of(values).tolist(), strict=True):
        assert units_off(found, math.exp(value)) <= 2


def test_the_exponential_is_right_over_its_whole_range() -> None:
    values = np.concatenate([np.linspace(-745.2, 709.7827, 20_001), np.linspace(-1, 1, 20_001)])
    off = [units_off(f, math.exp(v)) for v, f in zip(values, exp_of(values).tolist(), strict=True)]
    assert max(off) <= 1


def test_the_exponential_overflows_to_infinity_and_underflows_to_zero() -> None:
    ends = np.array([-np.inf, -1e308, -745.2, -745.13, 709.782712893384, 709.79, 1e308, np.inf])
    expected = [0.0, 0.0, 0.0, 5e-324, math.exp(709.782712893384), math.inf, math.inf, math.inf]
    assert exp_of(ends).tolist() == expected
    assert np.isnan(exp_of(np.array([np.nan, 0.0]))).tolist() == [True, False]
    assert exp_of(np.array([0.0, -0.0, 5e-324])).tolist() == [1.0, 1.0, 1.0]


def test_the_exponential_takes_any_shape_and_writes_to_none() -> None:
    values: Floats = np.linspace(-3.0, 3.0, 24, dtype=np.float64).reshape(2, 3, 4)
    before = values.copy()
    turned: Floats = values[:, ::-1].T
    np.testing.assert_array_equal(exp_of(turned), exp_of(values)[:, ::-1].T)
    np.testing.assert_array_equal(values, before)
    assert exp_of(np.empty((0, 2))).shape == (0, 2)
    assert float(exp_of(np.array(1.0))) == math.e


@given(arrays(np.float64, 10, elements=st.floats(-700, 700)))
def test_the_logarithm_of_the_exponential_is_the_number(values: Floats) -> None:
    np.testing.assert_allclose(log_of(exp_of(values)), values, rtol=4e-16, atol=4e-16)


@pytest.mark.parametrize(
    ("function", "first", "last", "digest"),
    [(exp_of, -750.0, 712.0, "bfc8b63070a18c55"), (log_of, 1e-300, 1e300, "60c2f83d9f4c3c3a")],
)
def test_the_bits_are_those_of_every_other_machine(
    function: object, first: float, last: float, digest: str
) -> None:
    values = first + (last - first) * (np.arange(10_001) / 10_000)
    found = function(values)  # type: ignore[operator]
    assert hashlib.sha256(found.astype("<f8").tobytes()).hexdigest()[:16] == digest


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.integers(1, 6)),
        elements=st.floats(-1e4, 1e4),
    )
)
def test_softmax_agrees_with_its_definition(logits: Floats) -> None:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = shifted / shifted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax_last(logits), expected, rtol=1e-14, atol=1e-300)
    one_by_one = np.stack([softmax_last(row) for row in logits])
    np.testing.assert_array_equal(softmax_last(logits), one_by_one)


def test_the_sum_of_one_row_is_one_number() -> None:
    assert sum_last(np.array([1.0, 2.0, 4.0])).shape == ()
    assert float(sum_last(np.array([1.0, 2.0, 4.0]))) == 7.0
    assert float(sum_last(np.empty(0))) == 0.0


def test_softmax_of_one_class_is_certain() -> None:
    np.testing.assert_array_equal(softmax_last(np.array([[3.0], [-1e300]])), np.ones((2, 1)))
    assert softmax_last(np.empty((0, 3))).shape == (0, 3)

"""Numbers that belong to a frame: NumPy's own Philox, uniform, independent of company."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.kernels.philox import draws_of, order_of

WORD = st.integers(0, 2**64 - 1)


@given(st.integers(0, 2**128 - 1), WORD, WORD)
def test_a_draw_is_numpys_first_output_of_that_counter_and_key(
    value: int, seed: int, step: int
) -> None:
    counter = np.array([0, 0, value % 2**64, value >> 64], dtype=np.uint64)
    generator = np.random.Philox(key=np.array([seed, step], dtype=np.uint64), counter=counter)
    ids = np.array([f"{value:032x}"], dtype=np.str_)
    assert int(draws_of(ids, seed=seed, step=step)[0]) == int(generator.random_raw())


def test_draws_are_uniform_and_steps_are_independent() -> None:
    ids = np.array([f"{i:032x}" for i in range(20_000)], dtype=np.str_)
    first = draws_of(ids, seed=1, step=0) / 2.0**64
    second = draws_of(ids, seed=1, step=1) / 2.0**64
    counts, _ = np.histogram(first, bins=50, range=(0, 1))
    assert ((counts - 400) ** 2 / 400).sum() < 85.4  # chi-squared, 49 degrees, p = .001
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_company_and_order_change_no_draw() -> None:
    ids = np.array([f"{i * 977:032x}" for i in range(100)], dtype=np.str_)
    draws = draws_of(ids, seed=3, step=0)
    np.testing.assert_array_equal(draws_of(ids[::-7], seed=3, step=0), draws[::-7])
    order = order_of(ids, seed=3, step=0)
    assert ids[order].tolist() == ids[::-1][order_of(ids[::-1], seed=3, step=0)].tolist()


@pytest.mark.parametrize("other", ["", "abc", "g" * 32, "A" * 32, "0" * 33, "é" * 32])
def test_an_id_of_another_form_is_stood_for_by_its_sha256(other: str) -> None:
    right = f"{5:032x}"
    digest = hashlib.sha256(other.encode()).hexdigest()[:32]
    expected = draws_of(np.array([right, digest], dtype=np.str_), seed=0, step=0)
    found = draws_of(np.array([right, other], dtype=np.str_), seed=0, step=0)
    np.testing.assert_array_equal(found, expected)


def test_no_frames_give_no_draws() -> None:
    assert len(draws_of(np.array([], dtype=np.str_), seed=0, step=0)) == 0

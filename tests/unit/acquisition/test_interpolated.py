"""Entropy terms from tables: as near to the logarithm as promised, the same bits everywhere."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pytest

from winnow.acquisition.interpolated import binary_entropy_of, entropy_terms_of

Floats = npt.NDArray[np.float64]


def numbers() -> Floats:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.random(200_000), np.exp(-50 * rng.random(200_000))])


def test_entropy_terms_are_within_their_bound() -> None:
    shares = numbers()
    off = np.abs(entropy_terms_of(shares) + shares * np.log(shares))
    assert (off <= 2e-12 * shares + 1e-17).all()


def test_binary_entropies_are_within_their_bound() -> None:
    probs = numbers()
    expected = -(probs * np.log(probs) + (1 - probs) * np.log1p(-probs))
    assert np.abs(binary_entropy_of(probs) - expected).max() <= 1e-12
    np.testing.assert_allclose(binary_entropy_of(1 - probs), expected, atol=1e-12)


def test_the_ends_are_exact() -> None:
    np.testing.assert_array_equal(entropy_terms_of(np.array([0.0, 1.0, 1e-30])), np.zeros(3))
    np.testing.assert_array_equal(binary_entropy_of(np.array([0.0, 1.0, 5e-324])), np.zeros(3))
    assert binary_entropy_of(np.array([0.5]))[0] == np.log(2.0)
    assert binary_entropy_of(np.array([0.5 - 2**-54, 0.5 + 2**-53])) == pytest.approx(np.log(2))
    assert entropy_terms_of(np.array([1 + 1e-3]))[0] == pytest.approx(-1e-3, rel=1e-3)


def test_no_shape_and_no_layout_changes_a_bit() -> None:
    probs = np.random.default_rng(1).random((3, 50, 70))
    whole = binary_entropy_of(probs)
    np.testing.assert_array_equal(binary_entropy_of(probs.T), whole.T)
    one_by_one = [binary_entropy_of(np.array([p]))[0] for p in probs[0, 0]]
    np.testing.assert_array_equal(one_by_one, whole[0, 0])
    assert binary_entropy_of(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("function", "digest"),
    [(entropy_terms_of, "adb2790e649b6ddc"), (binary_entropy_of, "d916f5da7c2e9cfa")],
)
def test_the_bits_are_those_of_every_other_machine(function: object, digest: str) -> None:
    found = function(np.arange(10_001) / 10_000)  # type: ignore[operator]
    assert hashlib.sha256(found.astype("<f8").tobytes()).hexdigest()[:16] == digest

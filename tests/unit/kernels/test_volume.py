"""Residuals of volumes: determinants by brute force, bounds that hold, gains that never grow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.kernels.lazy_greedy import LazyGreedy
from winnow.kernels.protocol import Rows
from winnow.kernels.volume import LinearVolume, RadialVolume, Volume

Floats = npt.NDArray[np.float64]
LENGTH = 1.5


def linear(rows: Rows, n: int) -> Volume:
    return LinearVolume(rows, n)


def radial(rows: Rows, n: int) -> Volume:
    return RadialVolume(rows, n, LENGTH)


BOTH = pytest.mark.parametrize("kind", [linear, radial])
Kind = Callable[[Rows, int], Volume]


def similarities(kind: Kind, rows: Rows) -> Floats:
    wide = rows.astype(np.float64)
    if kind is radial:
        squared = ((wide[:, None] - wide[None]) ** 2).sum(axis=2)
        found: Floats = np.exp(-squared / (2 * LENGTH**2))
        return found
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    units = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    halved: Floats = (1 + units @ units.T) / 2
    return halved


def rows_of(seed: int, n: int, dimension: int, scale: float = 1.0) -> Rows:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dimension)).astype(np.float32)
    rows[rng.random(n) < 0.2] = rows[:1]
    rows[rng.random(n) < 0.1] = 0.0
    return rows * np.float32(scale)


def test_the_oracle_of_three_items() -> None:
    apart = np.sqrt(-2 * np.log(0.9)) * LENGTH
    volume = radial(np.array([[0.0], [apart], [1000.0]], dtype=np.float32), 3)
    squared_quality = np.array([1.0, 1.0, 0.5])
    gains, order = list[float](), list[int]()
    for _ in range(3):
        found = np.delete(squared_quality * volume.residuals(np.arange(3)), order)
        gains.append(float(np.log(found.max())))
        order.append(int(np.delete(np.arange(3), order)[np.argmax(found)]))
        volume.take(np.array([[0.0], [apart], [1000.0]], dtype=np.float32)[order[-1]])
    assert order == [0, 2, 1]
    assert gains == pytest.approx([0.0, -0.6931471806, -1.6607312068], abs=1e-7)


@BOTH
@settings(max_examples=60)
@given(st.integers(2, 12), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_residuals_are_ratios_of_determinants_below_their_bounds_and_never_grow(
    kind: Kind, n: int, dimension: int, seed: int
) -> None:
    rows = rows_of(seed, n, dimension)
    table, volume, chosen = similarities(kind, rows), kind(rows, n), list[int]()
    everyone, before = np.arange(n), kind(rows, n).start()
    for _ in range(n):
        residuals = volume.residuals(everyone)
        assert (residuals <= before).all()
        assert (volume.upper(everyone) >= residuals).all()
        before = residuals
        held = np.linalg.det(table[np.ix_(chosen, chosen)]) if chosen else 1.0
        for pos in range(n):
            grown = np.linalg.det(table[np.ix_([*chosen, pos], [*chosen, pos])])
            if held > 1e-6:
                assert residuals[pos] == pytest.approx(max(grown / held, 0), abs=2e-6)
        best = int(np.argmax(residuals))
        if residuals[best] < 1e-3:
            break
        chosen.append(best)
        volume.take(rows[best])


@BOTH
@settings(max_examples=30)
@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_lazy_picks_are_those_of_looking_at_everything_bit_for_bit(
    kind: Kind, n: int, seed: int
) -> None:
    rows = rows_of(seed, n, 12)
    lazily, fully = kind(rows, n), kind(rows, n)
    lazy = LazyGreedy(lazily.start(), np.arange(n), lazily.residuals, upper=lazily.upper)
    open_N = np.ones(n, dtype=np.bool_)
    while (found := lazy.best(open_N)) and found[1]:
        everything = np.where(open_N, fully.residuals(np.arange(n)), -1.0)
        assert found == (int(np.argmax(everything)), float(everything.max()))
        open_N[found[0]] = False
        lazily.take(rows[found[0]])
        fully.take(rows[found[0]])
        lazy.advance()


@BOTH
def test_room_for_more_changes_no_bit(kind: Kind) -> None:
    rows = rows_of(1, 40, 20)
    small, large = kind(rows, 13), kind(rows, 40)
    for pos in range(20, 33):
        np.testing.assert_array_equal(
            small.residuals(np.arange(40)), large.residuals(np.arange(40))
        )
        if small.residuals(np.array([pos]))[0]:
            small.take(rows[pos])
            large.take(rows[pos])


def test_directions_span_everything_after_one_more_than_the_width() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    volume = linear(rows, 50)
    for pos in range(5):
        volume.take(rows[pos])
    assert not volume.residuals(np.arange(50)).any()
    assert not volume.upper(np.arange(50)).any()


@pytest.mark.parametrize("scale", [1e-38, 1e-22, 1e14])
def test_length_does_not_matter_to_directions(scale: float) -> None:
    rows = rows_of(2, 30, 6)
    usual, scaled = linear(rows, 5), linear((rows * scale).astype(np.float32), 5)
    for pos in (1, 2, 3):
        usual.take(rows[pos])
        scaled.take((rows[pos] * scale).astype(np.float32))
        upper = scaled.upper(np.arange(30))
        residuals = scaled.residuals(np.arange(30))
        assert (upper >= residuals).all()
        np.testing.assert_allclose(residuals, usual.residuals(np.arange(30)), atol=1e-4)


def test_rows_met_at_different_times_have_the_same_bounds() -> None:
    rows = rows_of(3, 60, 30)
    often, once = linear(rows, 20), linear(rows, 20)
    for pos in range(1, 15):
        often.upper(np.arange(pos, 60, pos))
        if once.residuals(np.array([pos]))[0] > 1e-3:
            often.take(rows[pos])
            once.take(rows[pos])
    np.testing.assert_allclose(often.upper(np.arange(60)), once.upper(np.arange(60)), atol=1e-4)

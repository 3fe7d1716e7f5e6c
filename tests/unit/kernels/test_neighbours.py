"""Distances in float32 stay within their bounds; what those leave open is decided exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.kernels import nearest, neighbours, sieve
from winnow.kernels.nearest import lower_to_nearest, nearest_center, pairs_nearer
from winnow.kernels.neighbours import (
    k_nearest,
    nearest_of_another_group,
    squared_to_nearest,
    tiles_within,
    within,
)
from winnow.kernels.protocol import Floats, Rows
from winnow.kernels.sieve import (
    Approximate,
    Positions,
    Sieve,
    closer_than,
    exact_pairs,
    lower_halves,
    origin_of,
)

SEEDS = st.integers(0, 2**32 - 1)


def squared(rows: Rows, others: Rows) -> Floats:
    """All of them in float64; on small integers, and on the few digits below, exact."""
    result: Floats = ((rows[:, None].astype(np.float64) - others[None]) ** 2).sum(axis=2)
    return result


def grid(seed: int, n: int, dimension: int) -> Rows:
    return np.random.default_rng(seed).integers(-3, 4, (n, dimension)).astype(np.float32)


def alike(seed: int, n: int, dimension: int = 8) -> Rows:
    """Rows far from zero and close together, where float32 products know little."""
    rng = np.random.default_rng(seed)
    near = rng.integers(0, 64, (n, dimension)) / 1024
    return (near + 100).astype(np.float32)


@pytest.fixture(params=[30, 10**9], ids=["as it is", "always in float64 too"])
def as_wrong_as_can_be(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A BLAS whose products are off by nearly all that the bounds allow."""
    rng = np.random.default_rng(0)

    def sloppy(rows: Sieve, others: Sieve) -> Approximate:
        halves = lower_halves(rows, others)
        off = rng.uniform(-0.9, 0.9, halves.shape)
        wrong: Floats = halves + off * (rows.widths_N[:, None] + others.widths_N)
        return wrong if rows.is_wide else wrong.astype(np.float32)

    for module in (sieve, nearest, neighbours):
        monkeypatch.setattr(module, "lower_halves", sloppy)
        monkeypatch.setattr(module, "FINER", request.param)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-3, 1.0, 1e6, 1e15])
@pytest.mark.parametrize("offset", [0.0, 50.0])
@pytest.mark.parametrize("dimension", [1, 7, 300])
def test_bounds_hold_at_every_scale(
    scale: float, offset: float, dimension: int, *, wide: bool
) -> None:
    rng = np.random.default_rng(dimension)
    rows = ((rng.standard_normal((40, dimension)) + offset) * scale / (1 + offset)).astype(
        np.float32
    )
    origin = origin_of(rows)
    one = Sieve.of(rows, origin, wide=wide)
    other = Sieve.of(rows[::-1].copy(), origin, wide=wide)
    low = lower_halves(one, other).astype(np.float64) + one.squares_N[:, None]
    exact = squared(rows, rows[::-1])
    assert (low - one.widths_N[:, None] <= exact).all()
    assert (exact <= low + 2.0 * other.widths_N + one.widths_N[:, None]).all()


def test_an_outlier_widens_no_bound_but_its_own() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    before = Sieve.of(rows, np.zeros(4, dtype=np.float32)).widths_N
    rows[7] = 1e12
    after = Sieve.of(rows, np.zeros(4, dtype=np.float32)).widths_N
    np.testing.assert_array_equal(np.delete(before, 7), np.delete(after, 7))


def test_nor_does_it_move_the_origin() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    rows[::7] = 1e12
    assert np.abs(origin_of(rows)).max() < 3.0
    assert origin_of(rows[:0]).tolist() == [0.0] * 4


@pytest.mark.parametrize("rows", [np.ones((4000, 8)), np.tile(np.eye(8), (500, 1))])
def test_rows_that_occur_often_are_compared_once(rows: Rows) -> None:
    # 16 million pairs that float32 cannot tell apart would take half a minute.
    compared: list[int] = []

    def counted(one: Sieve, other: Sieve, row: Positions, column: Positions) -> Floats:
        compared.append(len(row))
        return exact_pairs(one, other, row, column)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "exact_pairs", counted)
        found = squared_to_nearest(rows.astype(np.float32), 20)
    assert not found.any()
    assert sum(compared) < 100


@given(SEEDS, st.integers(1, 40), st.integers(1, 9), st.integers(1, 4))
def test_the_nearest_center_is_the_first_of_the_nearest(
    seed: int, n: int, k: int, dimension: int
) -> None:
    rows, centers = grid(seed, n, dimension), grid(seed + 1, k, dimension)
    exact = squared(rows, centers)
    assert nearest_center(rows, centers).tolist() == exact.argmin(axis=1).tolist()
    known = np.random.default_rng(seed).integers(0, 9, n).astype(np.float64)
    lowered = known.copy()
    lower_to_nearest(lowered, rows, centers)
    assert lowered.tolist() == np.minimum(known, exact.min(axis=1)).tolist()
    row, center, found = pairs_nearer(rows, centers, known)
    expected = np.argwhere(exact < known[:, None])
    assert np.stack([row, center], axis=1).tolist() == expected.tolist()
    assert found.tolist() == exact[row, center].tolist()


@given(SEEDS, st.integers(2, 40), st.integers(1, 4))
def test_neighbours_are_those_of_brute_force(seed: int, n: int, dimension: int) -> None:
    rows = grid(seed, n, dimension)
    exact = squared(rows, rows)
    np.fill_diagonal(exact, np.inf)
    k = min(5, n - 1)
    expected = np.argsort(exact, axis=1, kind="stable")[:, :k]
    pos, found = k_nearest(rows, k)
    assert pos.tolist() == expected.tolist()
    assert found.tolist() == np.take_along_axis(exact, expected, axis=1).tolist()


@given(SEEDS, st.integers(2, 40), st.integers(1, 3))
def test_equal_rows_are_neighbours_as_often_as_they_occur(
    seed: int, n: int, dimension: int
) -> None:
    rows = grid(seed, n, dimension)
    k = min(5, n - 1)
    assert squared_to_nearest(rows, k).tolist() == k_nearest(rows, k)[1].tolist()


@given(SEEDS, st.integers(1, 40), st.integers(1, 4))
def test_the_nearest_of_another_group_is_that_of_brute_force(
    seed: int, n: int, groups: int
) -> None:
    rows = grid(seed, n, 3)
    group = np.random.default_rng(seed).integers(0, groups, n)
    exact = np.where(group[:, None] == group, np.inf, squared(rows, rows))
    found = nearest_of_another_group(rows[::2], group[::2], rows, group)
    assert found.tolist() == exact[::2].min(axis=1).tolist()


@given(SEEDS, st.integers(0, 40), st.sampled_from([0.0, 1.0, 4.0, 9.0, np.inf]))
def test_within_means_below_the_limit_and_no_row_is_left_out(
    seed: int, n: int, limit: float
) -> None:
    rows = grid(seed, n, 3)
    expected = squared(rows, rows) < limit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "TILE_ROWS", 7)
        patch.setattr(neighbours, "BLOCK_VALUES", 7)
        found = np.zeros((n, n), dtype=np.bool_)
        for part, other, near in tiles_within(rows, limit):
            found[part, other] = near
            found[other, part] = near.T
        flags = [near for _, near in within(rows, rows, limit)]
    assert (found == expected).all()
    assert (np.concatenate([np.empty((n, 0), np.bool_), *flags], axis=1) == expected).all()


@pytest.mark.usefixtures("as_wrong_as_can_be")
@settings(max_examples=25)
@given(SEEDS)
def test_products_that_are_as_wrong_as_can_be_change_no_result(seed: int) -> None:
    rows, centers = alike(seed, 60), alike(seed + 1, 9)
    rows[30:40] = rows[:10]
    exact = squared(rows, centers)
    assert nearest_center(rows, centers).tolist() == exact.argmin(axis=1).tolist()
    lowered = np.full(60, np.inf)
    lower_to_nearest(lowered, rows, centers)
    assert lowered.tolist() == exact.min(axis=1).tolist()
    among = squared(rows, rows)
    limit = float(np.median(among))
    here = Sieve.of(rows, origin_of(rows))
    assert (closer_than(here, here, limit) == (among < limit)).all()
    np.fill_diagonal(among, np.inf)
    expected = np.argsort(among, axis=1, kind="stable")[:, :4]
    assert k_nearest(rows, 4)[0].tolist() == expected.tolist()
    group = np.arange(60) % 3
    among[group[:, None] == group] = np.inf
    assert nearest_of_another_group(rows, group, rows, group).tolist() == among.min(1).tolist()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(3).standard_normal((700, 5)).astype(np.float32)
    whole = k_nearest(rows, 6), nearest_center(rows, rows[:50])
    for module in (sieve, nearest, neighbours):
        monkeypatch.setattr(module, "BLOCK_VALUES", 3000)
    parts = k_nearest(rows, 6), nearest_center(rows, rows[:50])
    np.testing.assert_array_equal(whole[0][0], parts[0][0])
    np.testing.assert_array_equal(whole[0][1], parts[0][1])
    np.testing.assert_array_equal(whole[1], parts[1])


def test_rows_in_a_file_are_as_good(tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = np.random.default_rng(3).standard_normal((300, 5)).astype(np.float32)
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, rows)
    mapped = np.load(path, mmap_mode="r")
    np.testing.assert_array_equal(
        nearest_center(mapped, mapped[:9]), nearest_center(rows, rows[:9])
    )

"""Facility location: oracles, brute force, bounds that hold, gains that never grow."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.kernels.budgeted_greedy import Budget, budgeted_greedy
from winnow.kernels.facility_location import FacilityLocation, facility_location_value
from winnow.kernels.lazy_greedy import greedy
from winnow.kernels.protocol import Rows
from winnow.kernels.similarity import Similarity

Floats = npt.NDArray[np.float64]
SIMILARITIES = (Similarity(), Similarity(scale=0.01), Similarity("cosine"))
SIX = np.array([[0], [1], [4], [5], [9], [10]], dtype=np.float32)


def rows_of(seed: int, n: int, dimension: int) -> Rows:
    rng = np.random.default_rng(seed)
    rows: Rows = rng.standard_normal((n, dimension)).astype(np.float32)
    rows[rng.random(n) < 0.2] = rows[:1]
    rows[rng.random(n) < 0.1] = 0.0
    return rows * np.float32(10.0 ** rng.integers(-3, 4)) + np.float32(rng.integers(0, 100))


def similarities(rows: Rows, targets: Rows, similarity: Similarity) -> Floats:
    """[N, T], all of them, by their definition."""
    if similarity.kind == "cosine":
        units = [
            r / np.maximum(np.linalg.norm(r, axis=1, keepdims=True), 1e-300)
            for r in (rows.astype(np.float64), targets.astype(np.float64))
        ]
        nothing_N, nothing_T = (
            np.array([not row.any() for row in r], dtype=np.bool_) for r in (rows, targets)
        )
        both = nothing_N[:, None] & nothing_T[None]
        one = nothing_N[:, None] ^ nothing_T[None]
        half: Floats = np.where(both, 1.0, np.where(one, 0.75, (1 + units[0] @ units[1].T) / 2))
        return half
    difference = rows[:, None].astype(np.float64) - targets[None].astype(np.float64)
    apart: Floats = 1 / (1 + similarity.scale * np.sqrt((difference**2).sum(axis=2)))
    return apart


def test_the_oracle_of_six_points() -> None:
    covering = FacilityLocation(SIX, SIX, similarity=Similarity(scale=0.01))
    values = []
    picks = []
    for pos, _ in greedy(covering.bounds(), covering.gains, covering.take, 3):
        picks.append(pos)
        values.append(facility_location_value(SIX, picks, similarity=Similarity(scale=0.01)))
    assert picks == [2, 4, 0]
    assert values == pytest.approx([5.8182884366, 5.9126102677, 5.9702970297], abs=1e-10)
    assert covering.value == values[-1]


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_gains_are_those_of_the_definition_and_never_above_their_bounds(
    n: int, dimension: int, n_known: int, seed: int
) -> None:
    rows, known = rows_of(seed, n, dimension), rows_of(seed + 1, n_known, dimension)
    targets = rows_of(seed + 2, 9, dimension)
    for similarity in SIMILARITIES:
        covering = FacilityLocation(rows, targets, known_LD=known, similarity=similarity)
        held = similarities(known, targets, similarity).max(axis=0, initial=0.0)
        table = similarities(rows, targets, similarity)
        for pos in range(min(n, 4)):
            expected = np.maximum(table - held, 0).sum(axis=1)
            gains = covering.gains(np.arange(n))
            np.testing.assert_allclose(gains, expected, atol=1e-6)
            upper, closer = covering.upper(np.arange(n)), covering.closer(np.arange(n))
            assert (upper >= gains).all()
            assert (closer >= gains).all()
            # A distance of 0 may come out as a thousandth of a millionth of the rows' lengths.
            np.testing.assert_allclose(closer, gains, atol=1e-3)
            assert covering.value == pytest.approx(held.sum(), abs=1e-6)
            covering.take(pos)
            held = np.maximum(held, table[pos])
            assert (covering.gains(np.arange(n)) <= gains).all()


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_lazy_picks_are_those_of_evaluating_everything_bit_for_bit(
    n: int, dimension: int, seed: int
) -> None:
    rows = rows_of(seed, n, dimension)
    for similarity in SIMILARITIES:
        lazily = FacilityLocation(rows, rows, similarity=similarity)
        fully = lazily.copy()
        picks = greedy(lazily.bounds(), lazily.gains, lazily.take, n, upper=lazily.upper)
        for place, pick in enumerate(picks):
            gains = fully.gains(np.arange(n))
            gains[[pos for pos, _ in picks[:place]]] = -1.0
            assert pick == (int(np.argmax(gains)), float(gains.max()))
            fully.take(pick[0])


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_the_greedy_set_is_worth_at_least_the_promised_share_of_the_best(seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((9, 2)).astype(np.float32)
    covering = FacilityLocation(rows, rows)
    greedy(covering.bounds(), covering.gains, covering.take, 3)
    best = max(facility_location_value(rows, s) for s in itertools.combinations(range(9), 3))
    assert covering.value >= (1 - 1 / np.e) * best - 1e-12


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, known = rows_of(3, 300, 7), rows_of(4, 50, 7)

    def picks() -> list[tuple[int, float]]:
        covering = FacilityLocation(rows, rows[::2], known_LD=known)
        return greedy(covering.bounds(), covering.gains, covering.take, 40, upper=covering.upper)

    whole = picks()
    for name, value in (("TARGETS_AT_ONCE", 13), ("ROWS_AT_ONCE", 7), ("EXACT_VALUES", 50)):
        monkeypatch.setattr(f"winnow.kernels.facility_location.{name}", value)
    assert picks() == whole


def test_the_largest_embeddings_that_are_let_in_overflow_nowhere() -> None:
    rows = (np.random.default_rng(0).uniform(-1, 1, (20, 64)) * 1e15).astype(np.float32)
    for similarity in SIMILARITIES:
        covering = FacilityLocation(rows, rows, known_LD=rows[:2], similarity=similarity)
        with np.errstate(over="raise", invalid="raise"):
            assert len(greedy(covering.bounds(), covering.gains, covering.take, 20)) == 20
        assert covering.value == pytest.approx(20)


def test_it_can_be_chosen_from_under_a_budget() -> None:
    costs = np.array([10, 10, 30, 10, 10, 10])
    covering = FacilityLocation(SIX, SIX)
    chosen, grown = budgeted_greedy(covering, [Budget(costs, np.array([20]))], np.arange(6))
    assert costs[list(chosen.groups)].sum() <= 20
    affordable = [s for s in itertools.combinations(range(6), 2) if costs[list(s)].sum() <= 20]
    best = max(facility_location_value(SIX, s) for s in affordable)
    assert grown.value >= (1 - 1 / np.e) / 2 * best
    assert covering.value == 0.0

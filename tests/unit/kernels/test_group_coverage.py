"""Facility location over groups, and greedy under budgets: against ten-line references."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations, pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.kernels import group_coverage
from winnow.kernels.budgeted_greedy import Budget, budgeted_greedy
from winnow.kernels.facility_location import FacilityLocation
from winnow.kernels.group_coverage import GroupCoverage
from winnow.kernels.similarity import Similarity

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


def rows_of(seed: int, n: int, d: int, *, spread: float = 30.0) -> Rows:
    rng = np.random.default_rng(seed)
    centers = rng.normal(0, spread, (4, d))
    return (centers[rng.integers(4, size=n)] + rng.normal(0, 3, (n, d))).astype(np.float32)


def reference(ground: Rows, chosen: Rows, weights: Floats | None = None) -> float:
    """Σ wᵢ max 1/(1 + 0.01 d), all distances at once."""
    if not len(chosen):
        return 0.0
    difference = ground[:, None].astype(np.float64) - chosen[None]
    similarity = 1 / (1 + 0.01 * np.sqrt((difference**2).sum(axis=2)))
    return float((similarity.max(axis=1) * (1.0 if weights is None else weights)).sum())


def coverage_of(
    ground: Rows,
    rows: Rows,
    starts: Sequence[int] | range,
    *,
    known: Rows | None = None,
    weights: Floats | None = None,
) -> GroupCoverage:
    return GroupCoverage(
        rows, starts, ground, known_LD=known, weights_T=weights, similarity=Similarity(scale=0.01)
    )


def groups_of(n: int, sizes: list[int]) -> list[slice]:
    edges = np.cumsum([0, *sizes])
    assert edges[-1] == n
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


@pytest.mark.parametrize("block", [256, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_values_and_gains_are_those_of_the_dense_definition(
    monkeypatch: pytest.MonkeyPatch, block: int, weighted: bool
) -> None:
    monkeypatch.setattr(group_coverage, "ROWS_AT_ONCE", block)
    ground, rows, known = rows_of(1, 40, 5), rows_of(2, 30, 5), rows_of(3, 7, 5)
    weights = np.random.default_rng(4).random(40) if weighted else None
    groups = groups_of(30, [1, 5, 10, 3, 11])
    coverage = coverage_of(
        ground, rows, [one.start for one in groups], weights=weights, known=known
    )
    chosen = known
    for taken in (2, 0, 4):
        before = reference(ground, chosen, weights)
        assert coverage.value == pytest.approx(before, rel=1e-12)
        gains = coverage.gains(range(5))
        expected = [
            reference(ground, np.concatenate([chosen, rows[one]]), weights) - before
            for one in groups
        ]
        assert gains == pytest.approx(expected, abs=1e-9)
        assert (coverage.bounds() >= gains).all()
        coverage.take(taken)
        chosen = np.concatenate([chosen, rows[groups[taken]]])
        assert coverage.gains([taken]).tolist() == [0.0]


def test_bounds_are_tight_enough_to_be_of_use() -> None:
    ground = rows_of(5, 300, 16)
    coverage = coverage_of(ground, ground, range(300), known=rows_of(6, 3, 16))
    gains = coverage.gains(range(300))
    assert (coverage.bounds() <= gains * 1.01 + 1e-3).all()


def test_groups_of_one_row_have_the_bits_of_single_rows() -> None:
    ground, known = rows_of(12, 60, 6), rows_of(13, 4, 6)
    weights = np.random.default_rng(14).random(60)
    groups = coverage_of(ground, ground, range(60), known=known, weights=weights)
    singles = FacilityLocation(
        ground, ground, known_LD=known, weights_T=weights, similarity=Similarity(scale=0.01)
    )
    for taken in (7, 31, 2):
        assert groups.value == singles.value
        everyone = np.arange(60)
        assert groups.gains(everyone).tolist() == singles.gains(everyone).tolist()
        groups.take(taken)
        singles.take(taken)


def test_gains_have_the_same_bits_in_any_blocks_and_never_grow() -> None:
    ground = rows_of(7, 50, 6)
    coverage = coverage_of(ground, ground, range(0, 50, 5))
    last = coverage.gains(range(10))
    for taken in (3, 8, 1, 5):
        coverage.take(taken)
        gains = coverage.gains(range(10))
        one_by_one = [float(coverage.gains([group])[0]) for group in range(10)]
        assert gains.tolist() == one_by_one
        assert (gains <= last).all()
        last = gains


@pytest.mark.parametrize(
    ("ground", "rows"),
    [
        (np.zeros((0, 3)), np.ones((4, 3))),
        (np.ones((5, 3)), np.ones((4, 3))),
        (np.zeros((5, 3)), np.zeros((4, 3))),
        (np.ones((5, 0)), np.ones((4, 0))),
    ],
    ids=["no ground", "all equal", "all zero", "no dimensions"],
)
def test_degenerate_rows_work(
    ground: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]
) -> None:
    coverage = coverage_of(ground.astype(np.float32), rows.astype(np.float32), range(4), known=None)
    assert coverage.gains(range(4)).tolist() == [float(len(ground))] * 4
    assert (coverage.bounds() >= len(ground)).all()
    chosen, grown = budgeted_greedy(
        coverage, [Budget(np.ones(4, np.int64), np.array([9]))], np.array([3, 1, 2, 0])
    )
    assert chosen.groups == ((3,) if len(ground) else ())
    assert grown.value == len(ground)
    assert coverage.value == 0.0


def test_equal_rows_among_the_known_cost_one_pass() -> None:
    ground, known = rows_of(8, 9, 3), np.repeat(rows_of(9, 2, 3), 500, axis=0)
    coverage = coverage_of(ground, ground, range(9), known=known)
    assert coverage.value == pytest.approx(reference(ground, known), rel=1e-12)


def everything(rows: Rows, costs: npt.NDArray[np.int64], budget: int, ground: Rows) -> float:
    """Give the best value of all affordable choices of rows."""
    n = len(rows)
    choices = chain.from_iterable(combinations(range(n), k) for k in range(n + 1))
    return max(
        reference(ground, rows[list(choice)])
        for choice in choices
        if costs[list(choice)].sum() <= budget
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(0, 60))
def test_the_better_greedy_choice_keeps_its_promise_and_the_budget(seed: int, budget: int) -> None:
    rng = np.random.default_rng(seed)
    ground = rows_of(seed, 12, 3, spread=500)
    rows, costs = ground[:8], rng.integers(1, 30, 8)
    coverage = coverage_of(ground, rows, range(8))
    chosen, grown = budgeted_greedy(coverage, [Budget(costs, np.array([budget]))], np.arange(8))
    assert costs[list(chosen.groups)].sum() <= budget
    assert sum(chosen.gains) == pytest.approx(grown.value)
    best = everything(rows, costs, budget, ground)
    assert best * (1 - 1 / np.e) / 2 <= grown.value + 1e-9
    assert grown.value <= best + 1e-9


def full_evaluation(
    coverage: GroupCoverage, budgets: list[Budget], rank: npt.NDArray[np.int64], per_cost: bool
) -> tuple[list[int], float]:
    """Look at every element at every step."""
    grown, chosen = coverage.copy(), list[int]()
    while True:
        gains = grown.gains(range(len(coverage)))
        left = [budget.left_after(chosen) for budget in budgets]
        open_ = [
            g
            for g in range(len(coverage))
            if gains[g] > 0
            and g not in chosen
            and all(b.fits(left_P)[g] for b, left_P in zip(budgets, left, strict=True))
        ]
        if not open_:
            return chosen, grown.value
        divisor = np.maximum(budgets[0].costs_G, 1) if per_cost else np.ones(len(gains))
        best = max(open_, key=lambda g: (gains[g] / divisor[g], -rank[g]))
        grown.take(best)
        chosen.append(best)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_lazy_evaluation_chooses_what_full_evaluation_chooses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct coordinates and costs: many ties.
    rows = rng.integers(0, 3, (24, 3)).astype(np.float32) * np.float32(40)
    starts = sorted({0, *rng.integers(1, 24, 10).tolist()})
    n = len(starts)
    coverage = coverage_of(rows, rows, starts, known=rows[:1] if seed % 2 else None)
    rank = rng.permutation(n)
    budgets = [
        Budget(rng.integers(0, 4, n), np.array([8])),
        Budget(np.ones(n, np.int64), np.array([2, 3]), rng.integers(0, 2, n)),
    ]
    chosen, grown = budgeted_greedy(coverage, budgets, rank)
    both = [full_evaluation(coverage, budgets, rank, per_cost) for per_cost in (True, False)]
    groups, value = both[0] if both[0][1] >= both[1][1] else both[1]
    if len(set(budgets[0].costs_G.tolist())) > 1:
        assert list(chosen.groups) == groups
    assert grown.value == value


def test_what_is_not_allowed_or_paid_before_is_respected() -> None:
    rows = rows_of(11, 6, 3, spread=500)
    coverage = coverage_of(rows, rows, range(6))
    coverage.take(0)
    budget = Budget(np.full(6, 10), np.array([35]))
    allowed = np.array([False, True, False, True, True, True])
    chosen, _ = budgeted_greedy(coverage, [budget], np.arange(6), allowed_G=allowed, already=[0])
    assert len(chosen.groups) == 2  # 35 - 10 pays for two
    assert set(chosen.groups) <= {1, 3, 4, 5}


def test_one_dear_element_is_not_lost_to_a_cheap_one() -> None:
    # Cost-benefit alone takes the cheap element and can no longer pay for the dear one.
    ground = np.array([[0], [1000], [1001], [1002], [1003]], dtype=np.float32)
    coverage = coverage_of(ground, ground[[0, 2]], [0, 1], known=np.array([[50_000]], np.float32))
    budget = Budget(np.array([1, 100]), np.array([100]))
    chosen, _ = budgeted_greedy(coverage, [budget], np.arange(2))
    assert (chosen.groups, chosen.rule) == ((1,), "plain")

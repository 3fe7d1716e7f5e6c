"""The most score for the money: against every batch there is, and the two plain greedies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints.caps import AtMost
from winnow.constraints.money import WithinMoney
from winnow.constraints.quotas import AtLeast, Minimums
from winnow.domain.errors import BadInput
from winnow.strategies.cost_benefit import CostBenefit
from winnow.strategies.protocol import Candidates
from winnow.strategies.top_k import TopK

SCORES = st.one_of(st.integers(0, 8).map(float), st.floats(0, 10))
FRAMES = st.lists(st.tuples(SCORES, st.integers(0, 12)), min_size=1, max_size=9)


def pool(frames: Sequence[tuple[float, int]]) -> Candidates:
    return Candidates(
        frame_ids=np.array([f"{i:032x}" for i in range(len(frames))]),
        scores_N=np.array([score for score, _ in frames]),
        price_micros_N=np.array([price for _, price in frames], dtype=np.int64),
    )


def batch(frames: Sequence[tuple[float, int]], n: int, money: int) -> list[int]:
    candidates = pool(frames)
    assert candidates.price_micros_N is not None
    constraints = [WithinMoney(candidates.price_micros_N, money)]
    picks = CostBenefit().choose(candidates, n, seed=0, constraints=constraints)
    return [pick.pos for pick in picks]


def optimum(frames: Sequence[tuple[float, int]], n: int, money: int) -> float:
    return max(
        sum(frames[pos][0] for pos in chosen)
        for size in range(n + 1)
        for chosen in combinations(range(len(frames)), size)
        if sum(frames[pos][1] for pos in chosen) <= money
    )


@given(frames=FRAMES, share=st.floats(0, 1), money=st.integers(0, 50))
def test_half_of_the_optimum_and_no_more_than_one_score_below_it(
    frames: list[tuple[float, int]], share: float, money: int
) -> None:
    n = round(len(frames) * share)
    chosen = batch(frames, n, money)
    assert len(set(chosen)) == len(chosen) <= n
    assert sum(frames[pos][1] for pos in chosen) <= money
    total, best = sum(frames[pos][0] for pos in chosen), optimum(frames, n, money)
    payable = [score for score, price in frames if price <= money]
    assert total >= best / 2 - 1e-9
    assert total >= best - max(payable, default=0.0) - 1e-9


@given(frames=FRAMES, share=st.floats(0, 1), money=st.integers(0, 50))
def test_never_worse_than_the_highest_scores_or_the_highest_scores_per_price(
    frames: list[tuple[float, int]], share: float, money: int
) -> None:
    n = round(len(frames) * share)

    def greedy(order: list[int]) -> float:
        left, total, count = money, 0.0, 0
        for pos in order:
            if frames[pos][1] <= left and count < n:
                left, total, count = left - frames[pos][1], total + frames[pos][0], count + 1
        return total

    by_score = sorted(range(len(frames)), key=lambda pos: -frames[pos][0])

    def per_price(pos: int) -> tuple[bool, float]:
        score, price = frames[pos]
        return price > 0, -(score / price if price else score)

    by_ratio = sorted(range(len(frames)), key=per_price)
    total = sum(frames[pos][0] for pos in batch(frames, n, money))
    assert total >= max(greedy(by_score), greedy(by_ratio)) - 1e-9


def test_places_and_money_together_need_a_rate() -> None:
    # One frame eats the money under the first rule, the second fills the places with crumbs.
    frames = [(11.0, 1000)] + [(10.0, 100)] * 10 + [(1.0, 1)] * 10
    chosen = batch(frames, 10, 1000)
    assert sum(frames[pos][0] for pos in chosen) == 100.0
    crumbs = [(score, price) for score, price in frames if price != 100]
    assert sum(crumbs[pos][0] for pos in batch(crumbs, 10, 1000)) == 11.0


def test_frames_that_tie_at_a_rate_are_exchanged_one_by_one() -> None:
    # The first rule pays for the decoy, the second takes ten of the cheap ones.
    frames = [(1.0, 1)] * 10 + [(2.0, 2)] * 10 + [(2.1, 15)]
    chosen = batch(frames, 10, 15)
    assert sum(frames[pos][0] for pos in chosen) == 15.0


def test_without_money_or_with_enough_it_is_the_highest_scores() -> None:
    frames = [(3.0, 5), (9.0, 9), (9.0, 1), (1.0, 1)]
    expected = [pick.pos for pick in TopK().choose(pool(frames), 3, seed=0)]
    assert [pick.pos for pick in CostBenefit().choose(pool(frames), 3, seed=0)] == expected
    assert batch(frames, 3, 15) == expected
    assert sorted(batch(frames, 3, 9)) == [0, 2, 3]


def test_scores_below_zero_count_from_the_lowest_and_free_frames_go_in() -> None:
    assert sorted(batch([(-3.0, 2), (-1.0, 2), (-2.0, 2), (-3.0, 0)], 3, 4)) == [1, 2, 3]


@given(
    frames=st.lists(st.tuples(SCORES, st.integers(0, 12)), min_size=8, max_size=8),
    money=st.integers(0, 50),
    cap=st.integers(1, 3),
)
def test_other_constraints_and_floors_are_kept_and_copies_leave_no_trace(
    frames: list[tuple[float, int]], money: int, cap: int
) -> None:
    candidates, vehicles = pool(frames), np.array(["v", "w"] * 4)
    prices = candidates.price_micros_N
    assert prices is not None
    weather = np.array(["sun"] * 6 + ["fog"] * 2)
    within, at_most = WithinMoney(prices, money), AtMost(vehicles, cap, "vehicle")
    floor = AtLeast([Minimums(weather, {"fog": 1}, "weather")], prices, money)
    picks = CostBenefit().choose(
        candidates, 4, seed=0, constraints=[at_most, within], floors=[floor]
    )
    chosen = [pick.pos for pick in picks]
    left = money - int(prices[chosen].sum())
    assert within.left_micros == left >= 0
    counts = {v: (vehicles[chosen] == v).sum() for v in ("v", "w")}
    assert max(counts.values()) <= cap
    if len(chosen) < 4:
        rest = set(range(8)) - set(chosen)
        assert not any(prices[pos] <= left and counts[vehicles[pos]] < cap for pos in rest)
    assert bool(floor.unmet) == (not (weather[chosen] == "fog").any())


def test_absent_and_negative_prices_are_refused() -> None:
    candidates = pool([(1.0, 1)])
    with pytest.raises(BadInput, match="price_micros_N"):
        CostBenefit().choose(
            Candidates(candidates.frame_ids, scores_N=candidates.scores_N), 1, seed=0
        )
    with pytest.raises(BadInput, match="row 0 has -1"):
        CostBenefit().choose(pool([(1.0, -1)]), 1, seed=0)

"""Whole numbers in proportion: against their definition, with exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints.task_allocation import allocate, apportion, minimums_of
from winnow.domain.errors import BadInput

NAMES = st.sampled_from(["a", "b", "c", "d"])
NUMBERS = st.dictionaries(NAMES, st.integers(0, 12), min_size=1)


def hamilton(weights: dict[str, int], n: int) -> dict[str, int]:
    total = sum(weights.values())
    shares = {name: Fraction(n * weight, total) for name, weight in weights.items()}
    seats = {name: int(share) for name, share in shares.items()}
    ranking = sorted(weights, key=lambda name: (-(shares[name] - seats[name]), name))
    for name in ranking[: n - sum(seats.values())]:
        seats[name] += 1
    return seats


@given(weights=NUMBERS, n=st.integers(0, 40))
def test_without_floors_and_caps_it_is_the_method_of_hamilton(
    weights: dict[str, int], n: int
) -> None:
    found = apportion(weights, n)
    assert found == (hamilton(weights, n) if any(weights.values()) else dict.fromkeys(weights, 0))


@given(weights=NUMBERS, least=NUMBERS, most=NUMBERS, n=st.integers(0, 40))
def test_floors_and_caps_are_kept_and_the_rest_is_in_proportion(
    weights: dict[str, int], least: dict[str, int], most: dict[str, int], n: int
) -> None:
    found = apportion(weights, n, least=least, most=most)
    caps = {name: min(most.get(name, n), n) for name in weights}
    floors = {name: min(least.get(name, 0), caps[name]) for name in weights}
    assert all(0 <= found[name] <= caps[name] for name in weights)
    if sum(floors.values()) > n:
        assert sum(found.values()) == n
        assert all(found[name] <= floors[name] for name in weights)
        return
    assert all(found[name] >= floors[name] for name in weights)
    wanting = [name for name in weights if weights[name] and found[name] < caps[name]]
    assert sum(found.values()) == n or not wanting
    # One level fits all that are neither at a floor nor at a cap, give or take the rounding.
    loose = [name for name in wanting if floors[name] < found[name]]
    for one in loose:
        for other in loose:
            low = Fraction(found[one] - 1, weights[one])
            high = Fraction(found[other] + 1, weights[other])
            assert low < high


@given(weights=NUMBERS, n=st.integers(0, 40))
def test_order_of_the_names_changes_nothing(weights: dict[str, int], n: int) -> None:
    turned = dict(reversed(weights.items()))
    assert apportion(weights, n) == apportion(turned, n)
    assert list(apportion(turned, n)) == sorted(weights)


def test_numbers_past_what_floats_hold_are_exact() -> None:
    assert apportion({"a": 10**30, "b": 10**30 + 1}, 1) == {"a": 0, "b": 1}
    n = 10**18 + 1
    assert apportion({"a": 1, "b": 1}, n) == {"a": n // 2 + 1, "b": n // 2}


def test_a_batch_follows_what_budgets_can_pay() -> None:
    budgets = {"image": 1_000, "lidar": 1_000}
    assert allocate(10, budgets) == {"image": 5, "lidar": 5}
    prices = {"image": 10, "lidar": 100}
    assert allocate(22, budgets, price_micros=prices) == {"image": 20, "lidar": 2}
    assert allocate(500, budgets, price_micros=prices) == {"image": 100, "lidar": 10}
    assert allocate(22, budgets, price_micros=prices, least={"lidar": 5}) == {
        "image": 17,
        "lidar": 5,
    }
    assert allocate(22, budgets, price_micros=prices, most={"image": 12}) == {
        "image": 12,
        "lidar": 10,
    }
    assert allocate(9, {"free": 0, "paid": 90}, price_micros={"free": 0, "paid": 10}) == {
        "free": 0,
        "paid": 9,
    }


def test_an_allocation_of_nonsense_is_refused() -> None:
    with pytest.raises(BadInput, match="0 or more for task pose, found -1"):
        allocate(5, {"pose": 10}, price_micros={})
    for mistake in ({"weights": {"a": -1}}, {"least": {"a": -1}}, {"most": {"a": -1}}, {"n": -1}):
        arguments = {"weights": {"a": 1}, "n": 1} | mistake
        with pytest.raises(BadInput, match="-1"):
            apportion(**arguments)  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 200))
def test_shares_of_a_whole_give_the_whole(parts: list[int], n: int) -> None:
    shares = {str(i): part / sum(parts) for i, part in enumerate(parts)}
    found = minimums_of(shares, n)
    assert sum(found.values()) == n
    assert all(abs(found[name] - n * share) < 1 for name, share in shares.items())


def test_decimal_shares_mean_decimals() -> None:
    assert minimums_of({"a": 0.1, "b": 0.2, "c": 0.7}, 10) == {"a": 1, "b": 2, "c": 7}
    assert minimums_of({"a": 0.25}, 10) == {"a": 2}
    with pytest.raises(BadInput, match=r"at most 1, found 1\.1"):
        minimums_of({"a": 0.6, "b": 0.5}, 10)
    with pytest.raises(BadInput, match="0 or more"):
        minimums_of({"a": -0.5}, 10)

"""Minimums are met where they can be, the batch is full, and what was not met says why."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import combinations
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints import quotas, task_allocation
from winnow.constraints.caps import AtMost
from winnow.constraints.contradictions import contradictions
from winnow.constraints.money import WithinMoney
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.constraints.quotas import AtLeast, Minimums, predicted_classes
from winnow.constraints.reserve import Reserve
from winnow.constraints.task_allocation import apportion
from winnow.constraints.temporal_gap import TemporalGap
from winnow.domain.errors import BadInput
from winnow.strategies.protocol import Candidates, Constraint
from winnow.strategies.top_k import TopK

SLICES = st.lists(st.sampled_from(["fog", "rain", "sun", ""]), min_size=1, max_size=16)
LEAST = st.dictionaries(st.sampled_from(["fog", "rain", "snow"]), st.integers(0, 5), max_size=3)


def texts(values: list[str]) -> npt.NDArray[np.str_]:
    return np.array(values, dtype="U8")


def chosen(
    n_frames: int, n: int, floor: AtLeast | None, constraints: tuple[Constraint, ...] = ()
) -> list[int]:
    """Take the best scores, which fall with the position."""
    pool = Candidates(
        frame_ids=np.array([f"{i:032x}" for i in range(n_frames)]),
        scores_N=-np.arange(n_frames, dtype=np.float64),
    )
    floors = [] if floor is None else [floor]
    picks = TopK().choose(pool, n, seed=0, constraints=constraints, floors=floors)
    return [pick.pos for pick in picks]


@given(slices=SLICES, least=LEAST, share=st.floats(0, 1))
def test_minimums_of_one_column_are_met_and_the_rest_are_the_best(
    slices: list[str], least: dict[str, int], share: float
) -> None:
    n = int(len(slices) * share)
    floor = AtLeast([Minimums(texts(slices), least, "weather")])
    picks = chosen(len(slices), n, floor)
    assert len(picks) == n
    got, there = Counter(slices[pos] for pos in picks), Counter(slices)
    wanted = {name: min(number, there[name]) for name, number in least.items()}
    if sum(wanted.values()) <= n:
        assert all(got[name] >= number for name, number in wanted.items())
        # Nobody else loses more places than the missing ones need.
        needed = {p for name, k in wanted.items() for p in by_slice(slices, name)[:k]}
        best = needed | set([p for p in range(len(slices)) if p not in needed][: n - len(needed)])
        assert set(picks) == best
    else:
        assert all(got[name] <= wanted.get(name, 0) for name in got)
        assert sum(got.values()) == n
    assert set(floor.unmet) == {
        f"weather={name}" for name, number in least.items() if got[name] < number
    }


def by_slice(slices: list[str], name: str) -> list[int]:
    return [pos for pos, found in enumerate(slices) if found == name]


def test_minimums_above_the_batch_are_scaled_so_that_every_slice_gets_some() -> None:
    slices = ["fog"] * 10 + ["rain"] * 10
    picks = chosen(20, 6, AtLeast([Minimums(texts(slices), {"fog": 10, "rain": 5}, "weather")]))
    assert Counter(slices[pos] for pos in picks) == {"fog": 4, "rain": 2}


@given(
    slices=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=9),
    data=st.data(),
)
def test_slices_that_ask_for_too_much_get_what_the_largest_remainders_give(
    slices: list[tuple[int, int]], data: st.DataObject
) -> None:
    taken = [had for had, _ in slices]
    least = [had + more for had, more in slices]
    part = Minimums(np.repeat(np.arange(len(least)), least), dict(enumerate(least)), "slice")
    for pos in [pos for slot, had in enumerate(taken) for pos in [sum(least[:slot])] * had]:
        part.took(pos)
    part.lost(np.concatenate([np.arange(had) + sum(least[:s]) for s, had in enumerate(taken)]))
    n_places = data.draw(st.integers(0, max(0, sum(least) - sum(taken) - 1)))
    named = [(f"{slot:09d}", slot) for slot in range(len(least)) if least[slot]]
    shares = apportion(
        {name: least[slot] for name, slot in named},
        n_places + sum(taken),
        least={name: taken[slot] for name, slot in named},
        most={name: least[slot] for name, slot in named},
    )
    if sum(least) > sum(taken):
        expected = [shares[name] - taken[slot] for name, slot in named]
        assert part.needs(n_places).tolist() == expected


def test_very_many_slices_share_few_places_without_a_look_at_each_as_a_fraction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []

    class Counted(Fraction):
        def __new__(cls, *args: Any) -> Self:
            made.append(args)
            return super().__new__(cls, *args)

    for module in (quotas, task_allocation):
        monkeypatch.setattr(module, "Fraction", Counted)
    values = np.arange(5_000)
    part = Minimums(values, dict.fromkeys(values.tolist(), 1), "session")
    needs = part.needs(10)
    assert np.flatnonzero(needs).tolist() == list(range(10))
    assert len(made) < 100


def test_a_slice_that_runs_dry_gives_its_places_back_and_says_so() -> None:
    slices = ["sun"] * 6 + ["fog"] * 4
    sessions = texts(["s"] * 6 + ["t"] * 4)
    floor = AtLeast([Minimums(texts(slices), {"fog": 3, "snow": 1}, "weather")])
    picks = chosen(10, 5, floor, (AtMost(sessions, {"t": 2}, "session"),))
    assert Counter(slices[pos] for pos in picks) == {"sun": 3, "fog": 2}
    assert floor.unmet == {
        "weather=fog": "2 of at least 3 frames, no other could be taken",
        "weather=snow": "0 of at least 1 frames, no other could be taken",
    }


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("fr"), st.sampled_from("xy"), st.integers(0, 3)),
        min_size=1,
        max_size=14,
    ),
    least=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    cap=st.integers(1, 4),
    n=st.integers(0, 14),
    money=st.integers(0, 20),
)
def test_two_columns_with_caps_and_money_fill_the_batch(
    rows: list[tuple[str, str, int]],
    least: tuple[int, int, int],
    cap: int,
    n: int,
    money: int,
) -> None:
    n = min(n, len(rows))
    weather, site = texts([row[0] for row in rows]), texts([row[1] for row in rows])
    prices = np.array([row[2] for row in rows])
    parts = [
        Minimums(weather, {"f": least[0], "r": least[1]}, "weather"),
        Minimums(site, {"x": least[2]}, "site"),
    ]
    constraints = (AtMost(site, cap, "site"), WithinMoney(prices, money))
    picks = chosen(len(rows), n, AtLeast(parts, prices, money), constraints)
    got = Counter(site[picks].tolist())
    left = money - int(prices[picks].sum())
    assert left >= 0
    assert all(number <= cap for number in got.values())
    if len(picks) < n:
        assert not any(
            prices[pos] <= left and got[site[pos]] < cap
            for pos in set(range(len(rows))) - set(picks)
        )


@given(
    rows=st.lists(st.tuples(st.sampled_from("frs"), st.integers(0, 9)), min_size=1, max_size=14),
    least=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    n=st.integers(0, 14),
    money=st.integers(0, 60),
)
def test_money_is_set_aside_for_minimums_that_it_can_pay(
    rows: list[tuple[str, int]], least: tuple[int, int], n: int, money: int
) -> None:
    n = min(n, len(rows))
    slices, prices = [row[0] for row in rows], np.array([row[1] for row in rows])
    wanted = {"f": least[0], "r": least[1]}
    floor = AtLeast([Minimums(texts(slices), wanted, "weather")], prices, money)
    picks = chosen(len(rows), n, floor, (WithinMoney(prices, money),))
    there = {name: min(number, slices.count(name)) for name, number in wanted.items()}
    cheapest = sum(
        sum(sorted(prices[by_slice(slices, name)].tolist())[:number])
        for name, number in there.items()
    )
    if sum(there.values()) <= n and cheapest <= money:
        got = Counter(slices[pos] for pos in picks)
        assert all(got[name] >= number for name, number in there.items())


@given(
    frames=st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 9)), min_size=1, max_size=12),
    needs=st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=12, max_size=12),
    data=st.data(),
)
def test_the_reserve_is_the_price_of_the_cheapest_that_are_missing(
    frames: list[tuple[int, int]], needs: list[list[int]], data: st.DataObject
) -> None:
    slots, prices = np.array([slot for slot, _ in frames]), np.array([p for _, p in frames])
    reserve, left = Reserve(prices, 20, [(slots, 3)]), list(range(len(frames)))
    money = 20
    for asked in needs:
        cheapest = [sorted(prices[p] for p in left if slots[p] == slot) for slot in range(3)]
        missing = np.array([min(n, len(c)) for n, c in zip(asked, cheapest, strict=True)])
        kept = [c[:n] for n, c in zip(missing, cheapest, strict=True)]
        spare = money - sum(map(sum, kept))
        found = reserve.thresholds([missing])
        if spare >= prices.max():
            assert found is None
        else:
            assert found is not None
            limits = [spare + (c[-1] if c else 0) for c in kept]
            paid = found.paid([missing > 0])
            for pos, (slot, price) in enumerate(frames):
                limit = limits[slot] if slot >= 0 and missing[slot] else spare
                assert paid[pos] == (price <= limit)
        if not left:
            break
        pos = data.draw(st.sampled_from(left))
        left.remove(pos)
        reserve.lost(np.array([pos]))
        if data.draw(st.booleans()):
            reserve.took(pos)
            money -= int(prices[pos])


def test_money_is_kept_for_a_minimum_that_places_would_not_keep() -> None:
    weather, prices = texts(["sun"] * 3 + ["fog"] * 2), np.array([4, 4, 4, 9, 6])
    money = WithinMoney(prices, 14)
    assert chosen(5, 4, AtLeast([Minimums(weather, {"fog": 1}, "weather")]), (money,)) == [0, 1, 2]
    floor = AtLeast([Minimums(weather, {"fog": 1}, "weather")], prices, 14)
    assert chosen(5, 4, floor, (WithinMoney(prices, 14),)) == [0, 1, 4]


def test_frames_that_serve_two_columns_go_first_when_places_are_few() -> None:
    weather = texts(["fog"] * 4 + ["sun"] * 4 + ["fog"] * 2)
    site = texts(["x"] * 4 + ["y"] * 6)
    parts = [Minimums(weather, {"fog": 2}, "weather"), Minimums(site, {"y": 2}, "site")]
    assert chosen(10, 2, AtLeast(parts)) == [8, 9]
    assert chosen(10, 4, None) == [0, 1, 2, 3]


def test_the_same_mask_is_given_until_it_changes() -> None:
    slices = texts(["sun"] * 4 + ["fog"] * 4)
    floor = AtLeast([Minimums(slices, {"fog": 2}, "weather")])
    assert floor.only(3) is None
    mask = floor.only(2)
    assert mask is not None
    assert mask.tolist() == [False] * 4 + [True] * 4
    floor.took(4)
    floor.lost(np.array([4]))
    assert floor.only(1) is mask


def test_nonsense_minimums_are_refused() -> None:
    with pytest.raises(BadInput, match="minimums of weather: expected 0 or more"):
        Minimums(texts(["fog"]), {"fog": -1}, "weather")
    with pytest.raises(BadInput, match="at least one column"):
        AtLeast([])


@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_predicted_classes_are_those_of_the_mean(n: int, m: int, c: int, seed: int) -> None:
    probs = np.random.default_rng(seed).dirichlet(np.ones(c), (n, m))
    assert np.array_equal(predicted_classes(probs), probs.mean(axis=1).argmax(axis=1))


def test_every_contradiction_is_listed() -> None:
    weather = texts(["fog"] * 3 + ["sun"] * 5)
    sessions = texts(["s"] * 3 + list("abcde"))
    parts = [Minimums(weather, {"fog": 3, "sun": 4, "hail": 2}, "weather")]
    constraints = (
        AtMost(weather, {"fog": 1}, "weather"),
        TemporalGap(sessions, np.array([0, 1, 5, 0, 0, 0, 0, 0]), 5),
        OnePerCluster(texts(["c"] * 3 + [""] * 5)),
        WithinMoney(np.full(8, 10), 35),
    )
    assert contradictions(8, 8, minimums=parts, constraints=constraints) == (
        "batch: 8 asked, at_most_per_weather lets in at most 6",
        "batch: 8 asked, temporal_gap lets in at most 7",
        "batch: 8 asked, one_per_cluster lets in at most 6",
        "batch: 8 asked, money lets in at most 3",
        "minimums of weather: 9 in all, the batch has 8 places",
        "minimum of weather=fog: 3 asked, at_most_per_weather lets in at most 1",
        "minimum of weather=fog: 3 asked, temporal_gap lets in at most 2",
        "minimum of weather=fog: 3 asked, one_per_cluster lets in at most 1",
        "minimum of weather=sun: 4 asked, money lets in at most 3",
        "minimum of weather=hail: 2 asked, there are 0 such frames",
    )


def test_minimums_that_exclude_each_other_are_a_contradiction_too() -> None:
    weather, vehicle = texts(["fog", "sun", "sun"]), texts(["v", "v", "w"])
    parts = [Minimums(weather, {"fog": 1, "sun": 2}, "weather")]
    assert contradictions(3, 3, minimums=parts, constraints=(AtMost(vehicle, 1, "vehicle"),)) == (
        "batch: 3 asked, at_most_per_vehicle lets in at most 2",
        "minimums of weather together: 3 asked, at_most_per_vehicle lets in at most 2",
    )
    assert contradictions(3, 3, minimums=parts) == ()


@given(slices=SLICES, least=LEAST, cap=st.integers(0, 4), n=st.integers(0, 8))
def test_what_is_no_contradiction_of_one_constraint_can_be_had(
    slices: list[str], least: dict[str, int], cap: int, n: int
) -> None:
    slices = slices[:9]
    column, vehicle = texts(slices), texts([str(i % 2) for i in range(len(slices))])
    found = contradictions(
        n,
        len(slices),
        minimums=[Minimums(column, least, "weather")],
        constraints=[AtMost(vehicle, cap, "vehicle")],
    )

    def fits(frames: tuple[int, ...]) -> bool:
        return all(number <= cap for number in Counter(vehicle[list(frames)].tolist()).values())

    for name, number in least.items():
        members = by_slice(slices, name)
        best = max(k for k in range(len(members) + 1) if any(map(fits, combinations(members, k))))
        told = [line for line in found if line.startswith(f"minimum of weather={name}:")]
        assert bool(told) == (best < number)

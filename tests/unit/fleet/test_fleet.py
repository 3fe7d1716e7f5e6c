"""Both stages, and the policies they are measured against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.strategies.fleet import FLEET_POLICIES, Fleet, Observed, choose_labels
from winnow.strategies.protocol import Candidates


def a_fleet(
    seed: int, *, n: int = 12, vehicles: int = 3, uploads: int = 2, labels: int = 3
) -> Fleet:
    """Observations of equal size and price, in clusters."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(0, 400, (5, 2))
    rows = centers[rng.integers(5, size=n)] + rng.normal(0, 20, (n, 2))
    return Fleet(
        candidates=Candidates(
            np.array([rng.bytes(16).hex() for _ in range(n)]),
            embeddings_ND=rows.astype(np.float32),
            centers_LD=rng.normal(0, 400, (1, 2)).astype(np.float32),
        ),
        vehicle_N=np.arange(n) % vehicles,
        size_bytes_N=np.ones(n, dtype=np.int64),
        budget_bytes_V=np.full(vehicles, uploads),
        budget_micros=labels,
        observed="fleet",
    )


def covered(fleet: Fleet, positions: Iterable[int]) -> float:
    rows, known = fleet.candidates.embeddings_ND, fleet.candidates.centers_LD
    assert rows is not None
    assert known is not None
    there = np.concatenate([known, rows[list(positions)]]).astype(np.float64)
    distance = np.sqrt(((rows[:, None].astype(np.float64) - there) ** 2).sum(axis=2))
    return float((1 / (1 + 0.01 * distance)).max(axis=1).sum())


@pytest.mark.parametrize("name", sorted(FLEET_POLICIES))
@pytest.mark.parametrize("observed", ["own", "fleet"])
def test_every_policy_keeps_bytes_and_money(name: str, observed: Observed) -> None:
    fleet = replace(a_fleet(1, n=30), observed=observed)
    rng = np.random.default_rng(2)
    sizes, prices = rng.integers(1, 9, 30), rng.integers(0, 9, 30)
    fleet = replace(
        fleet,
        size_bytes_N=sizes,
        budget_bytes_V=np.array([0, 7, 30]),
        budget_micros=11,
        candidates=replace(fleet.candidates, price_micros_N=prices),
    )
    found = FLEET_POLICIES[name](fleet, seed=3)
    uploaded, labeled = list(found.uploaded), list(found.labeled)
    assert len(set(uploaded)) == len(uploaded)
    assert len(set(labeled)) == len(labeled)
    assert set(labeled) <= set(uploaded)
    assert prices[labeled].sum() <= 11
    for vehicle, limit in enumerate((0, 7, 30)):
        assert sizes[[pos for pos in uploaded if fleet.vehicle_N[pos] == vehicle]].sum() <= limit
    assert uploaded
    assert labeled


@pytest.mark.parametrize("name", sorted(FLEET_POLICIES))
def test_the_order_of_observations_changes_nothing(name: str) -> None:
    fleet = a_fleet(4, n=40)
    found = FLEET_POLICIES[name](fleet, seed=1)
    order = np.random.default_rng(0).permutation(40)
    ids, rows = fleet.candidates.frame_ids, fleet.candidates.embeddings_ND
    assert rows is not None
    shuffled = replace(
        fleet,
        vehicle_N=fleet.vehicle_N[order],
        candidates=replace(fleet.candidates, frame_ids=ids[order], embeddings_ND=rows[order]),
    )
    again = FLEET_POLICIES[name](shuffled, seed=1)
    assert ids[order][list(again.uploaded)].tolist() == ids[list(found.uploaded)].tolist()
    assert ids[order][list(again.labeled)].tolist() == ids[list(found.labeled)].tolist()


@pytest.mark.parametrize("name", sorted(FLEET_POLICIES))
def test_a_fleet_that_saw_nothing_sends_nothing(name: str) -> None:
    fleet = a_fleet(5, n=0)
    found = FLEET_POLICIES[name](fleet, seed=0)
    assert (found.uploaded, found.labeled) == ((), ())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_two_stages_keep_the_bound_of_the_docstring(seed: int) -> None:
    fleet = a_fleet(seed)
    before = covered(fleet, [])
    batches = [
        batch
        for batch in combinations(range(12), 3)
        if np.bincount(fleet.vehicle_N[list(batch)], minlength=3).max() <= 2
    ]
    best = max(covered(fleet, batch) for batch in batches) - before
    reached = covered(fleet, FLEET_POLICIES["distributed"](fleet, seed=0).labeled) - before
    assert reached >= (1 - 1 / np.e) / 3 * best - 1e-9


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_vehicles_in_turn_reach_half_of_the_best_upload(seed: int) -> None:
    fleet = a_fleet(seed, n=9, uploads=1)
    before = covered(fleet, [])
    parts = [np.flatnonzero(fleet.vehicle_N == vehicle) for vehicle in range(3)]
    uploads = [(a, b, c) for a in parts[0] for b in parts[1] for c in parts[2]]
    best = max(covered(fleet, one) for one in uploads) - before
    reached = covered(fleet, FLEET_POLICIES["interactive"](fleet, seed=0).uploaded) - before
    assert reached >= best / 2 - 1e-9


def test_a_dear_frame_that_shows_more_is_not_lost_to_a_cheap_one() -> None:
    # Worth for each price alone would take the cheap one and could no longer pay the dear one.
    rows = np.array([[0], [1000], [1001]], dtype=np.float32)
    candidates = Candidates(
        np.array(["a", "b", "c"]), embeddings_ND=rows, price_micros_N=np.array([1, 100, 100])
    )
    assert choose_labels(candidates, 100, sender_N=np.array([0, 1, 1])) == [1]


def test_what_is_known_or_there_twice_is_not_paid_for() -> None:
    rows = np.array([[0], [500], [500], [900]], dtype=np.float32)
    candidates = Candidates(np.array(["a", "b", "c", "d"]), embeddings_ND=rows, centers_LD=rows[3:])
    assert sorted(choose_labels(candidates, 4)) == [0, 1]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"vehicle_N": np.arange(12)}, "one of 3 vehicles"),
        ({"size_bytes_N": np.ones(3, np.int64)}, "a size and one of"),
        ({"size_bytes_N": np.full(12, -1)}, "found -1"),
        ({"budget_micros": -5}, "found -5"),
    ],
)
def test_a_fleet_that_makes_no_sense_is_refused(wrong: dict[str, object], expected: str) -> None:
    with pytest.raises(BadInput, match=expected):
        FLEET_POLICIES["distributed"](replace(a_fleet(0), **wrong), seed=0)  # type: ignore[arg-type]

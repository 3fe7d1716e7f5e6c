"""Every strategy under every constraint at once: all hold, and the batch is full if it can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.test_strategies import ALL, candidates, ids, reordered, strategy
from winnow.constraints.caps import AtMost
from winnow.constraints.money import WithinMoney
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.constraints.quotas import AtLeast, Minimums, predicted_classes
from winnow.constraints.temporal_gap import TemporalGap
from winnow.strategies.protocol import Candidates, Constraint, Floor

N_FRAMES = 18
SEED = 11


@dataclass(frozen=True)
class Asked:
    """Numbers of one policy."""

    gap: int
    per_session: int
    vehicle_cap: int
    money: int
    fog: int
    sun: int
    first_class: int
    labeled_session: str
    labeled_us: int


@st.composite
def pools(draw: st.DrawFn) -> Candidates:
    def column(elements: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(elements, min_size=N_FRAMES, max_size=N_FRAMES))

    pool = candidates(N_FRAMES, seed=draw(st.integers(0, 3)))
    return replace(
        pool,
        sessions_N=np.array(column(st.sampled_from(["a", "b", "c", ""])), dtype="U1"),
        captured_us_N=np.array(column(st.integers(0, 12)), dtype=np.int64),
        clusters_N=np.array(column(st.sampled_from(["p", "q", "r", "s", "t", ""])), dtype="U1"),
        price_micros_N=np.array(column(st.integers(0, 9)), dtype=np.int64),
    )


ASKED = st.builds(
    Asked,
    gap=st.sampled_from([0, 1, 3, 6]),
    per_session=st.integers(0, 6),
    vehicle_cap=st.integers(0, 8),
    money=st.integers(0, 80),
    fog=st.integers(0, 4),
    sun=st.integers(0, 4),
    first_class=st.integers(0, 3),
    labeled_session=st.sampled_from(["a", "z"]),
    labeled_us=st.integers(0, 12),
)


def bounds_of(pool: Candidates, asked: Asked) -> tuple[list[Constraint], AtLeast]:
    assert pool.sessions_N is not None
    assert pool.captured_us_N is not None
    assert pool.clusters_N is not None
    assert pool.price_micros_N is not None
    constraints: list[Constraint] = [
        WithinMoney(pool.price_micros_N, asked.money),
        OnePerCluster(pool.clusters_N),
        TemporalGap(
            pool.sessions_N,
            pool.captured_us_N,
            asked.gap,
            np.array([asked.labeled_session]),
            np.array([asked.labeled_us]),
        ),
        AtMost(pool.sessions_N, asked.per_session, "session"),
        AtMost(pool.columns["vehicle"], {"v1": asked.vehicle_cap}, "vehicle"),
    ]
    assert pool.probs_NMC is not None
    classes = Minimums(predicted_classes(pool.probs_NMC), {0: asked.first_class}, "class")
    weather = Minimums(pool.columns["weather"], {"fog": asked.fog, "sun": asked.sun}, "weather")
    return constraints, AtLeast([weather, classes], pool.price_micros_N, asked.money)


def may_join(pool: Candidates, asked: Asked, chosen: Sequence[int], pos: int) -> bool:
    """Say in plain words whether a frame may come to these."""
    assert pool.sessions_N is not None
    assert pool.captured_us_N is not None
    assert pool.clusters_N is not None
    assert pool.price_micros_N is not None
    session, us, cluster = pool.sessions_N[pos], pool.captured_us_N[pos], pool.clusters_N[pos]
    others = [(pool.sessions_N[p], pool.captured_us_N[p]) for p in chosen]
    others.append((np.str_(asked.labeled_session), np.int64(asked.labeled_us)))
    per_vehicle = Counter(pool.columns["vehicle"][p] for p in chosen)
    return bool(
        pool.price_micros_N[[*chosen, pos]].sum() <= asked.money
        and not (cluster and cluster in pool.clusters_N[list(chosen)])
        and not (session and any(s == session and abs(t - us) < asked.gap for s, t in others))
        and not (session and (pool.sessions_N[list(chosen)] == session).sum() >= asked.per_session)
        and not (
            pool.columns["vehicle"][pos] == "v1" and per_vehicle[np.str_("v1")] >= asked.vehicle_cap
        )
    )


def choose(
    name: str, pool: Candidates, n: int, constraints: Sequence[Constraint], floors: Sequence[Floor]
) -> list[int]:
    chooser = strategy(name)
    picks = chooser.choose(pool, n, seed=SEED, constraints=constraints, floors=floors)
    assert all(pick.reason for pick in picks)
    return [pick.pos for pick in picks]


@ALL
@given(pool=pools(), asked=ASKED, n=st.integers(0, N_FRAMES))
@settings(max_examples=25)
def test_all_constraints_hold_and_no_open_frame_is_left_out(
    name: str, pool: Candidates, asked: Asked, n: int
) -> None:
    constraints, floor = bounds_of(pool, asked)
    chosen = choose(name, pool, n, constraints, [floor])
    assert len(chosen) == len(set(chosen)) <= n
    for step, pos in enumerate(chosen):
        assert may_join(pool, asked, chosen[:step], pos)
    if len(chosen) < n:
        rest = set(range(N_FRAMES)) - set(chosen)
        assert not [pos for pos in rest if may_join(pool, asked, chosen, pos)]
    got = Counter(pool.columns["weather"][chosen].tolist())
    missed = {f"weather={w}" for w, k in (("fog", asked.fog), ("sun", asked.sun)) if got[w] < k}
    assert {what for what in floor.unmet if what.startswith("weather")} == missed


@ALL
@given(
    pool=pools(),
    fog=st.integers(0, 6),
    sun=st.integers(0, 6),
    spare=st.integers(0, 3),
    cap=st.integers(1, 6),
)
@settings(max_examples=15)
def test_minimums_are_met_whenever_places_and_caps_allow(
    name: str, pool: Candidates, fog: int, sun: int, spare: int, cap: int
) -> None:
    weather = pool.columns["weather"]
    least = {"fog": min(fog, cap), "sun": min(sun, cap)}
    n = min(sum(least.values()) + spare, 3 * cap)
    floor = AtLeast([Minimums(weather, least, "weather")])
    chosen = choose(name, pool, n, [AtMost(weather, cap, "weather")], [floor])
    got = Counter(weather[chosen].tolist())
    assert len(chosen) == n
    assert all(got[value] >= number for value, number in least.items())
    assert not floor.unmet


@ALL
@given(
    pool=pools(), asked=ASKED, n=st.integers(0, N_FRAMES), order=st.permutations(range(N_FRAMES))
)
@settings(max_examples=10)
def test_the_order_of_the_input_changes_nothing_under_constraints_either(
    name: str, pool: Candidates, asked: Asked, n: int, order: list[int]
) -> None:
    turned = reordered(pool, np.array(order, dtype=np.intp))
    found: list[list[str]] = []
    unmet: list[dict[str, str]] = []
    for each in (pool, turned):
        constraints, floor = bounds_of(each, asked)
        picks = strategy(name).choose(each, n, seed=SEED, constraints=constraints, floors=[floor])
        found.append(ids(each, picks))
        unmet.append(floor.unmet)
    assert found[0] == found[1]
    assert unmet[0] == unmet[1]

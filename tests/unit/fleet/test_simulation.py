"""The papers' comparison in small, on scikit-learn's digits: what holds on every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits

from winnow.domain.errors import BadInput
from winnow.strategies.fleet import FLEET_POLICIES
from winnow.testing.fleet import FleetData, FleetRun, FleetSetting, simulate

SMALL = FleetSetting(
    environments=4, robots=2, observations=80, uploads=4, labels=8, rounds=3, first_labels=5
)


@pytest.fixture(scope="module")
def digits() -> FleetData:
    loaded = load_digits()
    order = np.random.default_rng(0).permutation(len(loaded.data))
    pool, test = order[:1200], order[1200:]
    rows, labels = loaded.data.astype(np.float32), loaded.target.astype(np.int64)
    return FleetData(
        pool_ND=rows[pool],
        labels_N=labels[pool],
        test_TD=rows[test],
        test_labels_T=labels[test],
    )


def last(runs: Sequence[FleetRun], policy: str) -> npt.NDArray[np.float64]:
    """Give the last objective of each seed."""
    return np.array([run.objective[-1] for run in runs if run.policy == policy])


def check_order(runs: Sequence[FleetRun]) -> None:
    """Two stages beat vehicles on their own, who beat volume; nobody beats who sees everything."""
    of = {policy: last(runs, policy) for policy in FLEET_POLICIES}
    assert (of["distributed"] > of["independent"]).all()
    assert (of["distributed"] > of["by_volume"]).all()
    assert of["independent"].mean() > of["by_volume"].mean()
    for policy in ("by_volume", "independent", "distributed", "interactive"):
        assert (of[policy] < of["centralised"]).all()


def test_two_stages_beat_vehicles_alone_and_volume(digits: FleetData) -> None:
    check_order([run for seed in range(3) for run in simulate(digits, SMALL, seed=seed)])


def test_counts_of_what_uploads_stand_for_help_the_second_stage(digits: FleetData) -> None:
    names = ("distributed", "interactive")
    with_, without = (
        [
            run
            for seed in range(3)
            for run in simulate(digits, replace(SMALL, counts=counts), seed=seed, policies=names)
        ]
        for counts in (True, False)
    )
    for name in names:
        assert (last(with_, name) > last(without, name)).all()


def test_a_run_tells_all_rounds_and_spends_no_more_than_it_may(digits: FleetData) -> None:
    runs = simulate(digits, SMALL, seed=1)
    assert [run.policy for run in runs] == list(FLEET_POLICIES)
    for run in runs:
        assert len(run.objective) == len(run.accuracy) == SMALL.rounds + 1
        assert list(run.objective) == sorted(run.objective)
        assert max(np.diff(run.n_labeled)) <= SMALL.labels
        assert max(np.diff(run.n_uploaded)) <= SMALL.uploads * 8
        assert (run.n_uploaded[0], run.n_labeled[0]) == (0, SMALL.first_labels)
    assert len({run.objective[0] for run in runs}) == 1  # all begin alike
    assert simulate(digits, SMALL, seed=1, policies=["distributed"]) == [runs[2]]


def test_robots_of_an_environment_may_see_the_same(digits: FleetData) -> None:
    # Then vehicles that do not talk to each other send the same frame, which is paid for once.
    setting = replace(SMALL, shared=True, uploads=1)
    (apart,) = simulate(digits, setting, seed=1, policies=["distributed"])
    (in_turn,) = simulate(digits, setting, seed=1, policies=["interactive"])
    assert apart.n_uploaded == in_turn.n_uploaded
    assert apart.n_labeled[-1] < in_turn.n_labeled[-1]
    assert apart.objective[-1] < in_turn.objective[-1]


def test_what_makes_no_sense_is_refused(digits: FleetData) -> None:
    with pytest.raises(BadInput, match=r"found \['luck'\]"):
        simulate(digits, SMALL, seed=0, policies=["luck"])
    gap = replace(digits, labels_N=np.where(digits.labels_N == 3, 4, digits.labels_N))
    with pytest.raises(BadInput, match="rows of all 10 classes"):
        simulate(gap, SMALL, seed=0)


@pytest.mark.slow
def test_two_stages_beat_vehicles_alone_and_volume_on_many_seeds(digits: FleetData) -> None:
    setting = FleetSetting(robots=2, observations=150, uploads=4, labels=12, rounds=4)
    runs = [run for seed in range(10) for run in simulate(digits, setting, seed=seed)]
    check_order(runs)
    assert last(runs, "distributed").mean() - last(runs, "by_volume").mean() > 0.01

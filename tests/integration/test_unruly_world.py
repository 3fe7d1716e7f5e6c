"""Whole rounds while messages are lost, doubled and shuffled, and while people are people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.integration.invariants import check_end
from tests.integration.simulation import (
    ROUNDS,
    End,
    Simulation,
    end_of,
    loop_ended,
    prepare,
    same,
)
from winnow.adapters.sqlite_bus import SqliteBus
from winnow.domain import tables
from winnow.domain.events import TaskOutcome
from winnow.ports.bus import Bus
from winnow.testing.faults import UnrulyBus
from winnow.testing.harness import drive

SEEDS = range(2)
MANY_SEEDS = range(2, 22)
GATEWAY, QA = "WINNOW_LABELING_GATEWAY_SCRIPTED_", "WINNOW_QA_SCRIPTED_"
THOROUGH = {"defect_rate_max": 1.0, "sample_share": 1.0}


@dataclass
class UnrulySimulation(Simulation):
    """A world whose every bus loses, doubles and shuffles; the same for a seed."""

    seed: int = 0
    buses: list[UnrulyBus] = field(default_factory=list)

    def _crashing_bus(self, url: str) -> Bus:
        rng = np.random.Generator(np.random.Philox(key=[self.seed, len(self.buses)]))
        inner = SqliteBus(Path(url.removeprefix("sqlite://")))
        bus = UnrulyBus(inner, rng=rng, loss=0.3, duplication=0.4, reordering=0.5)
        self.buses.append(bus)
        return bus


@dataclass(frozen=True)
class Crowd:
    """People who are not as one would wish, and what must be seen of it."""

    environment: Mapping[str, str]
    policy: Mapping[str, object]
    outcomes: frozenset[TaskOutcome]
    rework: bool = False


CROWDS = {
    "slow, skipping, saying things twice": Crowd(
        {
            f"{GATEWAY}LAG_SECONDS": "600", f"{GATEWAY}SKIP_SHARE": "0.25",
            f"{GATEWAY}DUPLICATE_SHARE": "0.6", f"{GATEWAY}ACCURACY": "1.0",
            f"{QA}LAG_SECONDS": "300",
        },
        {"qa": THOROUGH},
        frozenset({TaskOutcome.LABELED, TaskOutcome.SKIPPED}),
    ),
    "often wrong": Crowd(
        {f"{GATEWAY}ACCURACY": "0.45", f"{GATEWAY}DUPLICATE_SHARE": "0.6"},
        {"qa": THOROUGH},
        frozenset({TaskOutcome.LABELED}),
        rework=True,
    ),
    "too late": Crowd(
        {f"{GATEWAY}LAG_SECONDS": "3600", f"{QA}LAG_SECONDS": "1200"},
        {"qa": THOROUGH, "label": {"task_timeout_hours": 1}},
        frozenset({TaskOutcome.LABELED, TaskOutcome.EXPIRED}),
    ),
    "three who disagree": Crowd(
        {f"{GATEWAY}ACCURACY": "0.7", f"{GATEWAY}SKIP_SHARE": "0.3"},
        {"qa": THOROUGH, "label": {"slots": 3}},
        frozenset({TaskOutcome.LABELED, TaskOutcome.SKIPPED}),
        rework=True,
    ),
}  # fmt: skip


def unruly(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, seed: int, policy: Mapping[str, object]
) -> UnrulySimulation:
    tidy = prepare(folder, monkeypatch, policy=policy)
    return UnrulySimulation(state_dir=tidy.state_dir, monkeypatch=monkeypatch, seed=seed)


def live(simulation: Simulation, *, idle_seconds: float = 1.0) -> None:
    """Run until all rounds closed, or one halted and took back what it held."""
    workers = simulation.start()
    ledger = simulation.ledger()

    def ended() -> bool:
        with ledger.snapshot() as view:
            halted = view.records.count(tables.ROUNDS).get("halted", 0)
        return loop_ended(ledger, rounds=1 if halted else ROUNDS)

    try:
        drive(workers, simulation.clock, ended, idle_seconds=idle_seconds)
    finally:
        ledger.close()
        simulation.stop(workers)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> End:
    with pytest.MonkeyPatch.context() as monkeypatch:
        simulation = prepare(tmp_path_factory.mktemp("undisturbed"), monkeypatch)
        live(simulation)
        check_end(simulation.state_dir)
        return end_of(simulation)


def seeded(function: Callable[..., None]) -> Callable[..., None]:
    """Run a test with some seeds always, and with many in the long run."""
    many = [pytest.param(seed, marks=pytest.mark.slow) for seed in MANY_SEEDS]
    mark = pytest.mark.parametrize("seed", [*SEEDS, *many], ids=lambda seed: f"seed {seed}")
    marked: Callable[..., None] = mark(function)
    return marked


@seeded
def test_lost_doubled_and_shuffled_messages_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: End, seed: int
) -> None:
    simulation = unruly(tmp_path, monkeypatch, seed=seed, policy={})
    live(simulation)
    assert sum(bus.n_lost for bus in simulation.buses) > 0
    assert sum(bus.n_doubled for bus in simulation.buses) > 0
    check_end(simulation.state_dir)
    same(end_of(simulation), undisturbed)


@seeded
@pytest.mark.parametrize("name", CROWDS)
def test_whatever_people_do_money_and_labels_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, seed: int
) -> None:
    crowd = CROWDS[name]
    for variable, value in {**crowd.environment, f"{GATEWAY}SEED": str(seed)}.items():
        monkeypatch.setenv(variable, value)
    simulation = unruly(tmp_path, monkeypatch, seed=seed, policy=crowd.policy)
    live(simulation, idle_seconds=60.0)
    check_end(simulation.state_dir)
    ledger = simulation.ledger()
    with ledger.snapshot() as view:
        tasks = view.records.find(tables.TASKS)
    ledger.close()
    if seed in SEEDS:  # chance spares a world now and then, but not these
        assert crowd.outcomes <= {TaskOutcome(task.state) for task in tasks}
        assert not crowd.rework or any(task.attempt > 1 for task in tasks)

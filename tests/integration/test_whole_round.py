"""Whole rounds through all services: undisturbed, and killed at every write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.simulation import (
    INGEST,
    ROUNDS,
    DurableCrashPlan,
    End,
    Simulation,
    end_of,
    loop_ended,
    prepare,
    same,
)
from winnow.cli.demo.world import command
from winnow.domain import tables
from winnow.domain.labels import LabelState
from winnow.testing.faults import Crash
from winnow.testing.harness import drive

LIVES_MAX = 5_000


def live(simulation: Simulation) -> bool:
    """Start all services and run until the loop ended (True) or the crash of the plan (False)."""
    workers = simulation.start()
    ledger = simulation.ledger()

    def ended() -> bool:
        return loop_ended(ledger, rounds=ROUNDS)

    try:
        drive(workers, simulation.clock, ended)
    except Crash:
        return False
    finally:
        ledger.close()
        simulation.stop(workers)
    return True


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[End, int]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        simulation = prepare(tmp_path_factory.mktemp("undisturbed"), monkeypatch)
        assert live(simulation)
        return end_of(simulation), simulation.plan.n_writes


def test_an_undisturbed_loop_ends_with_every_reservation_resolved(
    undisturbed: tuple[End, int],
) -> None:
    end, _ = undisturbed
    assert end.rounds == {"r0": "closed", "r1": "closed"}
    assert set(end.reserved.values()) == {0}
    approved = [
        count for (_, state), count in end.states.items()
        if state is LabelState.APPROVED_FOR_TRAINING
    ]  # fmt: skip
    assert sum(approved) > 0
    assert end.spent["human_annotation"] > 0


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
def test_killed_once_at_every_write_nothing_is_lost_or_paid_twice(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: tuple[End, int],
    *,
    after_effect: bool,
) -> None:
    """A life that changed nothing is followed by one that may write once more.

    So from every durable state of the world, every write on the way to the next one is crashed.
    """
    simulation = prepare(tmp_path, monkeypatch)
    lives, at = 1, 1
    while True:
        simulation.plan = DurableCrashPlan(at=at, after_effect=after_effect)
        if live(simulation):
            break
        lives += 1
        at = 1 if simulation.plan.n_durable else at + 1
        assert lives < LIVES_MAX
    assert lives > undisturbed[1] // 2
    same(end_of(simulation), undisturbed[0])


def test_a_second_run_of_the_same_commands_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = prepare(tmp_path, monkeypatch)
    assert live(simulation)
    before = end_of(simulation)
    state = ["--state", str(simulation.state_dir)]
    command(["ingest", str(tmp_path / "frames.npz"), *INGEST, *state], log=tmp_path / "cli.log")
    assert live(simulation)
    assert end_of(simulation) == before
    ledger = simulation.ledger()
    with ledger.snapshot() as tx:
        assert len(tx.records.find(tables.SOURCES)) == 1
    ledger.close()

"""Killed before any commit and started again: tools and blobs saw it, the end is the same."""

from pathlib import Path

import pytest

from tests.unit.labeling.world import PERFECT, World
from winnow.testing.faults import Crash, CrashingLedger, CrashPlan

CROWD = PERFECT.model_copy(update={"accuracy": 0.6, "duplicate_share": 0.5, "seed": 3})
POLICY = "qa: {sample_share: 0.6}"


def run(folder: Path, plan: CrashPlan) -> tuple[object, ...]:
    """Run a batch to its end; a crash is a kill of the process, and the next turn a restart."""
    world = World(folder, annotators=CROWD)
    event = world.selected(5, policy=POLICY, pre_labels={0: "cat", 1: "cat"})
    world.ledger = CrashingLedger(world.ledger, plan)
    for _ in range(3):
        try:
            world.order(event)
            world.settle()
        except Crash:
            continue
        break
    return (
        world.states(),
        world.balances("human_annotation"),
        world.balances("label_qa"),
        sorted((item.key, item.state, item.label) for item in world.items()),
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[CrashPlan, tuple[object, ...]]:
    plan = CrashPlan()
    return plan, run(tmp_path_factory.mktemp("undisturbed"), plan)


@pytest.mark.parametrize("share", [n / 8 for n in range(8)])
def test_a_kill_before_a_commit_changes_nothing(
    tmp_path: Path, undisturbed: tuple[CrashPlan, tuple[object, ...]], share: float
) -> None:
    counted, expected = undisturbed
    plan = CrashPlan(at=1 + int(share * counted.n_writes))
    assert run(tmp_path, plan) == expected
    assert plan.where

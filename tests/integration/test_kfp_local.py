"""Training through kfp.local, and killed with -9: processes of their own, so slow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from retrain import steps
from retrain.app import make_runner
from retrain.orders import TRAINED
from retrain.settings import RetrainSettings
from tests.unit.training.toy_world import POLICY, put_dataset
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Members
from winnow.contracts.mapping import from_message
from winnow.contracts.references import reference_text
from winnow.domain.events import RoundTrained
from winnow.policy.round_sections import ScoringSection
from winnow.policy.training_section import TrainingSection
from winnow.ports.pipeline_runner import RunState
from winnow.runtime.pipeline_runs import environment_of
from winnow.testing.manual_clock import ManualClock

pytestmark = pytest.mark.slow
LONGER = POLICY.model_copy(
    update={
        "training": TrainingSection(members=1, epochs=80, input_pixels=32, width=8),
        "scoring": ScoringSection(members_min=1),
    }
)


def until(condition: Callable[[], bool], *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def world(folder: Path, **changes: object) -> steps.Context:
    settings = RetrainSettings.embedded(folder, **changes)
    ledger = SqliteLedger(folder / "ledger.db")
    return steps.Context(FileBlobs(folder / "blobs"), ledger, ManualClock(), settings)


def trained(context: steps.Context) -> Members:
    with context.ledger.snapshot() as view:
        (row,) = view.boxes.unsent("retrain", 5)
    fact = from_message(row.message).data
    assert isinstance(fact, RoundTrained)
    return read_manifest(context.blobs, fact.members, Members)


def test_kfp_local_and_this_process_train_the_same_committee(tmp_path: Path) -> None:
    through_kfp, inline = world(tmp_path / "kfp"), world(tmp_path / "inline")
    runner = make_runner(through_kfp.settings, through_kfp)
    dataset = reference_text(put_dataset(through_kfp.blobs))
    assert reference_text(put_dataset(inline.blobs)) == dataset
    arguments = {"round_id": "r0", "dataset": dataset}

    runner.start("retrain", "r0", arguments)
    runner.start("retrain", "r0", arguments)  # a second start of a running one does nothing
    steps.run_all(inline, arguments)
    until(lambda: runner.state("retrain", "r0")[0] is not RunState.RUNNING)

    assert runner.state("retrain", "r0") == (RunState.SUCCEEDED, "")
    ours, theirs = trained(inline), trained(through_kfp)
    assert [m.checkpoint for m in ours.members] == [m.checkpoint for m in theirs.members]
    assert [m.temperatures for m in ours.members] == [m.temperatures for m in theirs.members]
    runner.close()


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    context = world(tmp_path)
    runner = make_runner(context.settings, context)
    dataset = reference_text(put_dataset(context.blobs, n=0))
    runner.start("retrain", "r0", {"round_id": "r0", "dataset": dataset})
    until(lambda: runner.state("retrain", "r0")[0] is not RunState.RUNNING)
    state, why = runner.state("retrain", "r0")
    assert state is RunState.FAILED
    assert "expected labeled frames, found none to train on" in why
    runner.close()


def test_closing_the_runner_ends_its_processes(tmp_path: Path) -> None:
    context = world(tmp_path)
    runner = make_runner(context.settings, context)
    dataset = reference_text(put_dataset(context.blobs, policy=LONGER))
    runner.start("retrain", "r0", {"round_id": "r0", "dataset": dataset})
    state = context.settings.work_dir / "r0" / "m0.pt"
    until(lambda: (context.settings.work_dir / "kfp").exists())
    runner.close()
    assert runner.state("retrain", "r0")[0] is RunState.FAILED
    assert not state.exists()


def test_a_member_killed_with_9_ends_with_the_same_weights(tmp_path: Path) -> None:
    killed, undisturbed = (
        world(tmp_path / name, checkpoint_seconds=0.0) for name in ("killed", "undisturbed")
    )
    dataset = reference_text(put_dataset(killed.blobs, policy=LONGER))
    put_dataset(undisturbed.blobs, policy=LONGER)
    (orders,) = steps.plan(killed, round_id="r0", dataset=dataset)
    assert steps.plan(undisturbed, round_id="r0", dataset=dataset) == [orders]

    process = subprocess.Popen(
        [sys.executable, "-m", "retrain", "step", "train", f"orders={orders}"],
        env={
            **os.environ,
            **environment_of(killed.settings),
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        },
        stdout=subprocess.DEVNULL,
    )
    until((killed.settings.work_dir / "r0" / "m0.pt").exists)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    resumed, straight = (
        steps.train_members(context, orders=orders) for context in (killed, undisturbed)
    )
    assert checkpoint_of(resumed) == checkpoint_of(straight)


def checkpoint_of(trained_members: str) -> str:
    (one,) = TRAINED.validate_json(trained_members)
    assert one.member is not None
    return one.member.checkpoint.sha256

"""Runs: given facts and what the runner says, then rows and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import retrain.handlers
import rollout.handlers
import rollout.steps
from retrain.steps import Context, run_all
from rollout.settings import RolloutSettings
from tests.unit.training.scripted_runner import ScriptedRunner
from tests.unit.training.toy_world import put_dataset
from winnow.adapters.inline_runner import InlineRunner
from winnow.contracts.mapping import from_message
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import IntegrityError, NotFound
from winnow.domain.events import (
    AllowedUse,
    CommitteeRolled,
    DatasetPromoted,
    Event,
    RoundHalted,
    RoundTrained,
    Stage,
)
from winnow.domain.ids import RoundId
from winnow.domain.rows import RunRow
from winnow.domain.tables import COMMITTEES, RETRAIN_RUNS
from winnow.ports.ledger import Ledger
from winnow.ports.pipeline_runner import RunState


def promoted(snapshot: BlobRef) -> DatasetPromoted:
    return DatasetPromoted(RoundId("r0"), 1, 30, AllowedUse.PRODUCTION_TRAINING, "schema", snapshot)


def tick(ledger: Ledger, runner: object) -> Sequence[Event]:
    with ledger.transaction() as tx:
        return retrain.handlers.on_runs_tick(
            tx=tx,
            ledger=ledger,
            runner=runner,  # type: ignore[arg-type]
            attempts_max=3,
        )


def run_row(ledger: Ledger) -> RunRow:
    with ledger.snapshot() as view:
        row = view.records.get(RETRAIN_RUNS, "r0")
    assert row is not None
    return row


def request(context: Context) -> BlobRef:
    snapshot = put_dataset(context.blobs)
    for _ in range(2):  # the message comes twice
        with context.ledger.transaction() as tx:
            assert retrain.handlers.on_dataset_promoted(promoted(snapshot), tx=tx) == []
    return snapshot


def test_a_requested_run_is_started_once_the_runner_knows_nothing_of_it(context: Context) -> None:
    request(context)
    runner = ScriptedRunner((RunState.UNKNOWN, ""), (RunState.RUNNING, ""))
    assert tick(context.ledger, runner) == []
    assert tick(context.ledger, runner) == []
    assert [(name, run) for name, run, _ in runner.started] == [("retrain", "r0")]
    assert set(runner.started[0][2]) == {"dataset", "round_id"}
    assert run_row(context.ledger).state == "requested"


def test_a_service_that_was_killed_has_not_failed(context: Context) -> None:
    request(context)
    runner = ScriptedRunner(*[(RunState.UNKNOWN, "")] * 5)
    for _ in range(5):
        assert tick(context.ledger, runner) == []
    assert run_row(context.ledger).attempts == 0
    assert len(runner.started) == 5


def test_a_run_that_fails_for_good_halts_its_round(context: Context) -> None:
    request(context)
    runner = ScriptedRunner(*[(RunState.FAILED, "disk full")] * 3)
    assert tick(context.ledger, runner) == []
    assert tick(context.ledger, runner) == []
    (fact,) = tick(context.ledger, runner)
    assert isinstance(fact, RoundHalted)
    assert (fact.round_id, fact.stage) == ("r0", Stage.RETRAIN)
    assert fact.reason == "retrain failed 3 times: disk full"
    assert len(runner.started) == 2
    row = run_row(context.ledger)
    assert (row.state, row.attempts, row.error) == ("failed", 3, "disk full")
    assert tick(context.ledger, runner) == [], "the round is halted once"


def test_a_registered_committee_ends_the_run_whatever_the_runner_remembers(
    context: Context,
) -> None:
    snapshot = request(context)
    arguments = dict(run_row(context.ledger).arguments)
    run_all(context, arguments)
    runner = ScriptedRunner()
    assert tick(context.ledger, runner) == []
    assert run_row(context.ledger).state == "succeeded"
    assert runner.started == []
    assert snapshot.sha256


def drain(runner: InlineRunner, pipeline: str) -> tuple[RunState, str]:
    runner._thread.shutdown(wait=True)
    return runner.state(pipeline, "r0")


def test_the_inline_runner_tells_how_a_run_ended() -> None:
    def broken(arguments: Mapping[str, str]) -> None:
        raise IntegrityError(arguments["why"])

    runner = InlineRunner({"broken": broken, "fine": lambda arguments: None})
    assert runner.state("broken", "r0") == (RunState.UNKNOWN, "")
    runner.start("broken", "r0", {"why": "spoiled"})
    runner.start("fine", "r0", {})
    assert drain(runner, "fine") == (RunState.SUCCEEDED, "")
    assert runner.state("broken", "r0") == (RunState.FAILED, "IntegrityError: spoiled")
    runner.start("fine", "r0", {})  # it succeeded: nothing is started again
    with pytest.raises(NotFound, match="expected one of broken, fine"):
        runner.start("other", "r0", {})


def test_from_promotion_to_the_active_committee(context: Context, tmp_path: Path) -> None:
    request(context)
    run_all(context, dict(run_row(context.ledger).arguments))
    with context.ledger.snapshot() as view:
        trained = from_message(view.boxes.unsent("retrain", 1)[0].message).data
    assert isinstance(trained, RoundTrained)
    settings = RolloutSettings.embedded(tmp_path, runner="inline")
    outside = rollout.steps.context_of(settings, blobs=context.blobs, ledger=context.ledger)
    with context.ledger.transaction() as tx:
        assert rollout.handlers.on_round_trained(trained, tx=tx) == []
    runner = InlineRunner({"rollout": lambda arguments: rollout.steps.run_all(outside, arguments)})
    for _ in range(2):
        with context.ledger.transaction() as tx:
            facts = rollout.handlers.on_runs_tick(
                tx=tx, ledger=context.ledger, runner=runner, attempts_max=3
            )
            assert facts == []
    assert drain(runner, "rollout") == (RunState.SUCCEEDED, "")
    with context.ledger.snapshot() as view:
        rows = view.records.find(COMMITTEES)
        sent = view.boxes.unsent("rollout", 5)
    assert [(row.key, row.state, row.generation) for row in rows] == [("c0", "active", 1)]
    fact = from_message(sent[0].message).data
    assert isinstance(fact, CommitteeRolled)
    assert (fact.committee_version, fact.endpoints, fact.members) == (
        "c0",
        ("local:c0",),
        trained.members,
    )
    assert len(sent) == 1

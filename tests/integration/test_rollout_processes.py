"""A rollout to servers on this machine, through kfp.local: processes of their own, so slow."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from rollout.app import build, make_runner
from rollout.handlers import on_round_trained
from rollout.settings import RolloutSettings
from rollout.steps import context_of
from tests.integration.committee_servers import train
from tests.unit.committee.manifests import put_members
from tests.unit.training.toy_world import CLASSES, frame
from winnow.adapters.deployed_committee import DeployedCommittee, endpoints_in
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.process_deployments import ProcessDeployments
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.references import read_reference
from winnow.domain.events import RoundTrained
from winnow.domain.ids import CommitteeVersion, RoundId
from winnow.domain.tables import COMMITTEES, ROLLOUT_RUNS
from winnow.ports.ledger import Ledger
from winnow.ports.pipeline_runner import RunState
from winnow.tasks.committee import CommitteeModel

pytestmark = pytest.mark.slow
VERSION = CommitteeVersion("c0")
FRAMES = [frame(label, number) for number in range(3) for label in CLASSES]


def test_scoring_asks_the_servers_that_a_rollout_started(tmp_path: Path) -> None:
    members = train(tmp_path)
    blobs, ledger = FileBlobs(tmp_path / "blobs"), SqliteLedger(tmp_path / "ledger.db")
    settings = RolloutSettings.embedded(
        tmp_path, deployments="process", members_per_endpoint=1, ready_poll_seconds=0.2
    )
    context = context_of(settings, blobs=blobs, ledger=ledger)
    deployments = context.deployments
    assert isinstance(deployments, ProcessDeployments)
    runner = make_runner(settings, context)
    committee = DeployedCommittee(blobs, endpoints_in(ledger))
    try:
        runner.start("rollout", "r0", {"round_id": "r0", "members": members})
        ends_at = time.monotonic() + 180
        while runner.state("rollout", "r0")[0] is RunState.RUNNING:
            assert time.monotonic() < ends_at, "waited too long"
            time.sleep(0.1)
        assert runner.state("rollout", "r0") == (RunState.SUCCEEDED, "")
        with ledger.snapshot() as view:
            row = view.records.get(COMMITTEES, VERSION)
        assert row is not None
        assert [url.rpartition("/")[2] for url in row.endpoints] == [
            "committee-r0-c0-m0",
            "committee-r0-c0-m1",
        ]
        (decision,) = (settings.work_dir / "kfp").rglob("decision")
        assert "**c0 takes over.**" in decision.read_text()

        reference = read_reference(members)
        assert tuple(committee.load(VERSION, reference)) == ("m0", "m1")
        expected = CommitteeModel.load(blobs, reference).score(FRAMES).class_probs()
        answer = committee.score(VERSION, FRAMES)
        np.testing.assert_array_equal(answer.class_probs(), expected)
    finally:
        committee.close()
        runner.close()
        deployments.remove(VERSION)
        ledger.close()
    assert deployments.versions() == []


def test_servers_of_a_rollout_that_is_given_up_are_ended(tmp_path: Path) -> None:
    settings = RolloutSettings.embedded(
        tmp_path, deployments="process", runner="inline", run_attempts_max=1, ready_poll_seconds=0.2
    )
    without_weights = put_members(FileBlobs(tmp_path / "blobs"), ("m0",), CLASSES, version=VERSION)
    service = build(settings)
    servers = ProcessDeployments(settings.work_dir / "servers", blobs_url="")
    started = False
    try:
        with service.ledger.transaction() as tx:
            on_round_trained(RoundTrained(RoundId("r0"), VERSION, "", (), without_weights), tx=tx)
        ends_at = time.monotonic() + 180
        while not (started and _given_up(service.ledger) and servers.versions() == []):
            assert time.monotonic() < ends_at, "waited too long"
            for tick in service.on_tick:
                with service.ledger.transaction() as tx:
                    tick.handler(tx=tx)
            started = started or servers.versions() == [VERSION]
            time.sleep(0.05)
    finally:
        service.close()


def _given_up(ledger: Ledger) -> bool:
    with ledger.snapshot() as view:
        return [row.state for row in view.records.find(ROLLOUT_RUNS)] == ["failed"]

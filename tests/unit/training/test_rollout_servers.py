"""What a rollout starts and opens: given how it went, then what is ended and closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout import handlers, steps
from rollout.settings import RolloutSettings
from tests.unit.committee.manifests import put_members
from tests.unit.training.rollout_world import CLASSES, ScriptedCommittee, World
from tests.unit.training.scripted_runner import ScriptedRunner
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.references import read_reference
from winnow.contracts.serving import served_version
from winnow.domain.errors import IntegrityError, NotFound
from winnow.domain.events import RoundHalted, RoundTrained
from winnow.domain.ids import CommitteeVersion, RoundId
from winnow.ports.pipeline_runner import RunState
from winnow.testing.inference_server import InferenceServer, ScriptedModel


def asked_for(world: World, number: int) -> str:
    """Ask for the rollout of a trained committee; give its members."""
    members = world.trained(number)
    fact = RoundTrained(
        RoundId(f"r{number}"),
        CommitteeVersion(f"c{number}"),
        dataset_sha256="",
        metrics=(),
        members=read_reference(members),
    )
    with world.context.ledger.transaction() as tx:
        handlers.on_round_trained(fact, tx=tx)
    return members


def failed(world: World, why: str, *, attempts_max: int) -> list[object]:
    """Let the service see that a run failed; give the facts that follow."""
    with world.context.ledger.transaction() as tx:
        facts = handlers.on_runs_tick(
            tx=tx,
            ledger=world.context.ledger,
            runner=ScriptedRunner((RunState.FAILED, why)),
            attempts_max=attempts_max,
        )
    return list(facts)


def tick(world: World) -> None:
    with world.context.ledger.transaction() as tx:
        facts = handlers.on_servers_tick(
            tx=tx, ledger=world.context.ledger, deployments=world.deployments
        )
    assert facts == []


def test_a_dark_launch_that_never_serves_is_ended_once_it_is_given_up(world: World) -> None:
    world.roll(0, world.trained(0))
    world.deployments.looks_until_ready = 99
    members = asked_for(world, 1)
    with pytest.raises(IntegrityError, match="expected it to serve within 10 s"):
        world.roll(1, members)

    assert failed(world, "not ready", attempts_max=2) == []
    tick(world)
    assert sorted(world.deployments.versions()) == ["c0", "c1"], "it is tried again"

    (fact,) = failed(world, "not ready", attempts_max=2)
    assert isinstance(fact, RoundHalted)
    for _ in range(2):
        tick(world)
    assert world.deployments.removed == ["c1"]
    assert world.deployments.versions() == ("c0",)
    assert world.rows() == {"c0": "active"}


def test_a_committee_that_nobody_has_decided_about_is_left_alone(world: World) -> None:
    members = asked_for(world, 0)
    steps.deploy(world.context, members=members)
    tick(world)
    assert world.deployments.versions() == ("c0",)


def test_what_a_killed_last_step_left_is_ended(world: World) -> None:
    for number in range(3):
        world.roll(number, world.trained(number))
    steps.deploy(world.context, members=world.trained(0))
    world.deployments.removed.clear()
    tick(world)
    assert world.deployments.removed == ["c0"]


def test_connections_end_with_the_probe(world: World) -> None:
    world.roll(0, world.trained(0))
    world.committees["grpc://committee-r0-c0"].gone = "connection refused"
    world.serves(1, ScriptedCommittee(members=("m0",)))
    with pytest.raises(IntegrityError, match="found m0"):
        world.roll(1, world.trained(1))
    world.roll(2, world.trained(2))
    assert [one.n_open for one in world.committees.values()] == [0, 0, 0]


def test_a_committee_behind_endpoints_is_closed_and_the_local_one_kept(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    ledger = SqliteLedger(tmp_path / "ledger.db")
    context = steps.context_of(RolloutSettings.embedded(tmp_path), blobs=blobs, ledger=ledger)
    members = put_members(blobs, ("m0",), CLASSES, version="c3")
    version = CommitteeVersion("c3")
    model = ScriptedModel(served_version(version, members), ("m0",), len(CLASSES))
    with InferenceServer({"c": model}) as server:
        with context.committee_at([server.url("c")]) as served:
            served.load(version, members)
            assert served.score(version, [b"x"]).members_answered == ("m0",)
        with pytest.raises(NotFound, match="expected it to be loaded first"):
            served.score(version, [b"x"])
    with context.committee_at(["local:c3"]) as one, context.committee_at(["local:c4"]) as other:
        assert one is other
    ledger.close()

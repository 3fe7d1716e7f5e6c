"""A dead letter is found, read and handed out again."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

from typer.testing import CliRunner

from winnow.adapters.sqlite_bus import SqliteBus
from winnow.cli.dlq import app
from winnow.domain.errors import BadInput
from winnow.domain.events import FramesIngested
from winnow.domain.tables import AUDIT
from winnow.runtime.relay import Relay
from winnow.runtime.worker import Worker
from winnow.testing.harness import settle
from winnow.testing.worlds import World, frames_ingested, world_in


def _world_with_a_dead_letter(folder: Path) -> World:
    world = world_in(folder, bus=lambda: SqliteBus(folder / "bus.db"))
    world.state_facts(frames_ingested("s0"))

    def refuse(event: FramesIngested, /, *, tx: object) -> list[FramesIngested]:
        raise BadInput("manifest s0: expected Parquet, found text")

    _work(world, refuse)
    return world


def _work(world: World, handler: object) -> None:
    worker = Worker(world.service(on_event={FramesIngested: handler}))  # type: ignore[dict-item]
    settle([worker])
    worker.close()


def _dlq(world: World, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--state", str(world.state)])
    assert result.exit_code == 0, result.output
    return result.output


def test_list_show_replay(tmp_path: Path) -> None:
    world = _world_with_a_dead_letter(tmp_path)
    [listed] = json.loads(_dlq(world, "list", "--json"))
    assert listed["error"] == "BadInput"
    assert listed["consumer"] == "embedding"
    assert "expected Parquet" in _dlq(world, "list")
    [shown] = json.loads(_dlq(world, "show", listed["id"][:8], "--json"))
    assert "shard_id='s0'" in shown["fact"]
    assert shown["headers"]["ce_type"] == "frames.ingested.v1"
    assert "replayed 1" in _dlq(world, "replay", listed["id"])
    Relay(world.ledger, world.bus, ["console"]).step()
    _work(world, lambda event, *, tx: [])
    assert json.loads(_dlq(world, "list", "--json")) == []
    assert json.loads(_dlq(world, "list", "--all", "--json"))[0]["state"] == "handled"
    assert "replayed 0" in _dlq(world, "replay", "--all")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    world = _world_with_a_dead_letter(tmp_path)
    runner = CliRunner()
    result = runner.invoke(app, ["show", "nope", "--state", str(world.state)])
    assert result.exit_code == 1
    assert "dead letter nope: expected one" in result.output
    result = runner.invoke(app, ["list", "--state", str(tmp_path / "elsewhere")])
    assert result.exit_code == 2
    assert not (tmp_path / "elsewhere").exists()
    result = runner.invoke(app, ["replay", "--state", str(world.state)])
    assert result.exit_code == 2


def test_who_replayed_and_who_tried_stands_in_the_audit_log(tmp_path: Path) -> None:
    world = _world_with_a_dead_letter(tmp_path)
    _dlq(world, "replay", "--all", "--key", "once")
    _dlq(world, "replay", "--all", "--key", "once")
    CliRunner().invoke(app, ["replay", "nope", "--state", str(world.state)])
    with world.ledger.snapshot() as view:
        rows = view.records.find(AUDIT, group="dlq")
        assert view.boxes.backlog("console") == 1
    assert [(row.act, row.state) for row in rows] == [
        ("dlq.replay", "allowed"),
        ("dlq.replay", "repeated"),
        ("dlq.replay", "refused"),
    ]
    assert {row.actor for row in rows} == {getpass.getuser()}

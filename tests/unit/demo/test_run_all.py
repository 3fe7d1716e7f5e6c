"""Worlds side by side: who fails ends the rest."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from winnow.cli.demo import command
from winnow.cli.demo.plan import World
from winnow.domain.errors import WinnowError

PATIENCE_SECONDS = 5.0


def fail_or_stay(world: World) -> None:
    if world.name == "fails":
        msg = "no such policy"
        raise WinnowError(msg)
    threading.Event().wait(PATIENCE_SECONDS)
    world.state_dir.mkdir()


def test_the_first_failure_ends_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run_world", fail_or_stay)
    worlds = [
        SimpleNamespace(name=name, rounds=1, state_dir=tmp_path / name)
        for name in ("fails", "stays", "waits", "comes last")
    ]
    with pytest.raises(WinnowError, match="no such policy"):
        command.run_all(cast(list[World], worlds), Console(quiet=True))
    for process in multiprocessing.active_children():
        process.join()
    assert list(tmp_path.iterdir()) == []

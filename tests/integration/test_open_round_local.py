"""Opening a round through kfp.local: processes of their own, so slow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.rounds.world import Frame, RoundsWorld
from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.adapters.kfp_local_runner import KfpLocalRunner
from winnow.domain.tables import COMMANDS
from winnow.ports.pipeline_runner import RunState

pytestmark = pytest.mark.slow
RUN = """
import sys
from kfp import components, local
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2])
components.load_component_from_file(sys.argv[1])(frames_min=5, policy="balanced")
"""
FRAMES = [Frame(name, look=pos) for pos, name in enumerate("abcd")]


def test_the_graph_asks_for_a_round_or_says_why_not(tmp_path: Path) -> None:
    world = RoundsWorld(tmp_path)
    world.ready(FRAMES)
    world.ledger.close()
    runner = KfpLocalRunner(
        {"open_round": "open_round.pipeline:open_round"},
        environment={"WINNOW_OPEN_ROUND_STATE_DIR": str(tmp_path)},
        folder=tmp_path / "kfp",
    )
    for name, frames_min, n_asked in (("small", 5, 0), ("enough", 4, 1)):
        wanted = {"frames_min": frames_min, "policy": "balanced", "wait_seconds": 0}
        runner.start("open_round", name, wanted)  # type: ignore[arg-type]
        deadline = time.monotonic() + 120.0
        while runner.state("open_round", name)[0] is RunState.RUNNING:
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.05)
        assert runner.state("open_round", name) == (RunState.SUCCEEDED, "")
        with RoundsWorld(tmp_path).ledger.snapshot() as view:
            assert len(view.records.find(COMMANDS, group="rounds", state="pending")) == n_asked
        found = (tmp_path / "kfp" / "open_round" / name).rglob("note")
        said = [note.read_text() for note in found]
        assert ["pool too small" in text for text in said] == [n_asked == 0] * 2
    runner.close()


def test_what_is_uploaded_to_a_cluster_runs_without_one(tmp_path: Path) -> None:
    world = RoundsWorld(tmp_path)
    world.ready(FRAMES)
    world.ledger.close()
    graph = tmp_path / "open_round.yaml"
    compile_pipeline("open_round", graph)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(graph), str(tmp_path / "kfp")],
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "WINNOW_OPEN_ROUND_STATE_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ["pool too small" in note.read_text() for note in tmp_path.rglob("note")] == [True] * 2

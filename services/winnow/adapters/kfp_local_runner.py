"""Pipelines through `kfp.local`, each run in a process of its own: ring 1's Kubeflow.

The process keeps the service's loop alive, kfp's imports and output out of the service, and ends
with it: whoever is killed leaves no training behind that races with its successor.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winnow.domain.errors import NotFound
from winnow.ports.pipeline_runner import RunState

ERROR_CHARACTERS_MAX = 600
"""Enough for the last line of a traceback; the whole log lies in the run's folder."""


@dataclass(frozen=True, slots=True)
class _Run:
    process: subprocess.Popen[bytes]
    log: Path


class KfpLocalRunner:
    """Starts each run as `python -m winnow.adapters.kfp_local_runner`.

    Parameters
    ----------
    pipelines
        Name -> `module:function` of its graph.
    environment
        Added to the steps' environment: the settings that they read.
    folder
        Where kfp's files and the logs of runs go; made for the process unless given.
    """

    def __init__(
        self,
        pipelines: Mapping[str, str],
        *,
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        self._pipelines = pipelines
        self._environment = dict(environment)
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="winnow-kfp-")
        self._folder = folder or Path(self._temporary.name if self._temporary else "")
        self._runs: dict[tuple[str, str], _Run] = {}

    def start(self, pipeline: str, run_name: str, arguments: Mapping[str, str]) -> None:
        """Start a run, or do nothing if one of this name runs or succeeded.

        Raises
        ------
        NotFound
            No pipeline of this name.
        """
        if pipeline not in self._pipelines:
            msg = f"pipeline: expected one of {', '.join(self._pipelines)}, found {pipeline!r}"
            raise NotFound(msg)
        if self.state(pipeline, run_name)[0] in (RunState.RUNNING, RunState.SUCCEEDED):
            return
        folder = self._folder / pipeline / run_name
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "run.log"
        command = [sys.executable, "-m", __name__, self._pipelines[pipeline], str(folder)]
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [*command, json.dumps(dict(arguments))],
                env=self._environment_of_run(),
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._runs[pipeline, run_name] = _Run(process, log)

    def state(self, pipeline: str, run_name: str) -> tuple[RunState, str]:
        """Give the state and, if it failed, the end of its log."""
        run = self._runs.get((pipeline, run_name))
        if run is None:
            return RunState.UNKNOWN, ""
        code = run.process.poll()
        if code is None:
            return RunState.RUNNING, ""
        return (RunState.SUCCEEDED, "") if code == 0 else (RunState.FAILED, _reason(run.log, code))

    def close(self) -> None:
        """End what still runs: closing its input is the signal."""
        for run in self._runs.values():
            if run.process.stdin:
                run.process.stdin.close()
            run.process.wait()
        if self._temporary:
            self._temporary.cleanup()

    def _environment_of_run(self) -> dict[str, str]:
        # kfp.local starts `python3` from PATH, which must be this environment's.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        modules = os.pathsep.join(entry for entry in sys.path if entry)
        return {**os.environ, **self._environment, "PATH": path, "PYTHONPATH": modules}


def _reason(log: Path, code: int) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    said = [line for line in lines if "Error" in line or line.startswith("winnow.")]
    last = (said or lines or [""])[0 if said else -1]
    return f"exit code {code}: {last[:ERROR_CHARACTERS_MAX]}"


def _run(graph: str, folder: Path, arguments: dict[str, Any]) -> None:
    """Run a graph to its end in this process; raises if a step fails."""
    from kfp import local

    module, function = graph.split(":")
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder))
    getattr(importlib.import_module(module), function)(**arguments)


def _end_with(parent: int) -> None:
    """End this process and its children once the parent's end of the pipe is gone."""
    # Not sys.stdin: its lock, held by a thread, would abort the interpreter at its end.
    while os.read(parent, 1):
        pass
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    _run(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))

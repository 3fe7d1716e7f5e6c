"""A runner of pipelines that runs none."""

from __future__ import annotations

from collections.abc import Mapping

from winnow.ports.pipeline_runner import RunState


class ScriptedRunner:
    """Says what it is told to say, and remembers what was started."""

    def __init__(self, *says: tuple[RunState, str]) -> None:
        self.says = list(says)
        self.started: list[tuple[str, str, dict[str, str]]] = []

    def start(self, pipeline: str, run_name: str, arguments: Mapping[str, str]) -> None:
        self.started.append((pipeline, run_name, dict(arguments)))

    def state(self, pipeline: str, run_name: str) -> tuple[RunState, str]:
        return self.says.pop(0)

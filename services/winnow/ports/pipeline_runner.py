"""Where pipelines run: KFP on a cluster, `kfp.local` or this process in ring 1."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol


class RunState(StrEnum):
    """How far a run is."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class PipelineRunner(Protocol):
    """Starts named runs; a name starts at most one run that succeeds."""

    def start(self, pipeline: str, run_name: str, arguments: Mapping[str, str]) -> None:
        """Start a run, or do nothing if one of this name runs or succeeded."""
        ...

    def state(self, pipeline: str, run_name: str) -> tuple[RunState, str]:
        """Give the state and, if it failed, why. `unknown` after a restart of this process."""
        ...

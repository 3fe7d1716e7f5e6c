"""Pipelines in this process: for simulations of many worlds, where a process each is too slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from winnow.domain.errors import NotFound
from winnow.ports.pipeline_runner import RunState


class InlineRunner:
    """Runs one pipeline after the other in a thread beside the service's loop.

    Parameters
    ----------
    pipelines
        Name -> what runs all its steps with the run's arguments.
    """

    def __init__(self, pipelines: Mapping[str, Callable[[Mapping[str, str]], None]]) -> None:
        self._pipelines = pipelines
        self._runs: dict[tuple[str, str], Future[None]] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipeline")

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
        run = self._thread.submit(self._pipelines[pipeline], dict(arguments))
        self._runs[pipeline, run_name] = run

    def state(self, pipeline: str, run_name: str) -> tuple[RunState, str]:
        """Give the state and, if it failed, the error with its type."""
        run = self._runs.get((pipeline, run_name))
        if run is None or run.cancelled():
            return RunState.UNKNOWN, ""
        if not run.done():
            return RunState.RUNNING, ""
        error = run.exception()
        if error is None:
            return RunState.SUCCEEDED, ""
        return RunState.FAILED, f"{type(error).__name__}: {error}"

    def close(self) -> None:
        """Drop what has not begun and let end what runs: it still needs what is closed next."""
        self._thread.shutdown(wait=True, cancel_futures=True)

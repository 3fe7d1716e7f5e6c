"""Services at work on one folder: a thread each, or a process each."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr, ValidationError

from winnow.cli import service_process
from winnow.domain.errors import BadInput
from winnow.runtime.failures import policy_of
from winnow.runtime.run import serve, settings_mistakes, tell_failure
from winnow.runtime.service import App
from winnow.runtime.settings import ServiceSettings
from winnow.telemetry import logs

LOOK_SECONDS = 0.2
log = logs.get_logger()


class ThreadWorld:
    """All services in this process. When one fails, all stop: half a loop helps nobody."""

    def __init__(self, apps: Sequence[App[Any]], folder: Path, stop: threading.Event) -> None:
        self.exit_code = 0
        self._stop = stop
        settings = embedded_settings(apps, folder)
        self._drain_seconds = max(one.drain_timeout_seconds for one in settings)
        self._threads = [
            threading.Thread(target=self._run, args=(app, one), name=app.name, daemon=True)
            for app, one in zip(apps, settings, strict=True)
        ]

    def __enter__(self) -> Self:
        """Start."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop all, and wait as long as their drain time allows."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=self._drain_seconds + 5)

    def _run(self, app: App[Any], settings: ServiceSettings) -> None:
        try:
            serve(app.build(settings), self._stop)
        except Exception as error:  # noqa: BLE001 - the end of the thread: it stops all
            tell_failure(app.name, error)
            self.exit_code = self.exit_code or policy_of(error).exit_code
            self._stop.set()


class ProcessWorld:
    """Each service in its own process, as in a cluster. When one ends, all are stopped."""

    def __init__(self, apps: Sequence[App[Any]], folder: Path, stop: threading.Event) -> None:
        self.exit_code = 0
        self._stop = stop
        self._environments = {
            app.name: _environment(settings)
            for app, settings in zip(apps, embedded_settings(apps, folder), strict=True)
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._watch = threading.Thread(target=self._watch_all, daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        for name, environment in self._environments.items():
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", service_process.__name__, name],
                stdin=subprocess.PIPE,  # its end tells them that this process is gone
                env={**os.environ, **environment},
            )
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ask all to stop, and wait: each has its own drain time."""
        self._stop.set()
        self._watch.join()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            # Before its input is closed: at the end of that it kills itself, drained or not.
            process.wait()
            process.communicate()

    def _watch_all(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for name, process in self._processes.items():
                code = process.poll()
                if code is not None:
                    log.error("service.ended", service=name, exit_code=code)
                    self.exit_code = self.exit_code or code or 1
                    self._stop.set()


def embedded_settings(apps: Sequence[App[Any]], folder: Path) -> list[ServiceSettings]:
    """Give each service's settings on this folder.

    Raises
    ------
    BadInput
        An environment variable of some service is wrong; all mistakes of all services are named.
    """
    found: list[ServiceSettings] = []
    mistakes: list[str] = []
    for app in apps:
        try:
            found.append(app.settings.embedded(folder))
        except ValidationError as error:
            mistakes += settings_mistakes(app.settings, error)
    if mistakes:
        raise BadInput("\n".join([f"{len(mistakes)} mistakes in the settings:", *mistakes]))
    return found


def _environment(settings: ServiceSettings) -> dict[str, str]:
    prefix = str(settings.model_config.get("env_prefix", ""))
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        f"{prefix}{name}".upper(): _text(value)
        for name, value in values.items()
        if value is not None
    }


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

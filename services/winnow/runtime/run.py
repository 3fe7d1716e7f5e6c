"""From an `App` to a running process: settings, signals, loop, exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from winnow.domain.errors import BadInput, WinnowError
from winnow.domain.mistakes import expected
from winnow.runtime.failures import policy_of
from winnow.runtime.http import api_server, health_server
from winnow.runtime.service import App, Service
from winnow.runtime.settings import ServiceSettings, variable_of
from winnow.runtime.usage import tell_usage
from winnow.runtime.worker import Worker
from winnow.telemetry import logs

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T", bound=BaseSettings)
log = logs.get_logger()


def main(app: App[S]) -> None:
    """Run a service until SIGTERM or SIGINT; end the process with the code of what happened.

    Behind `python -m SERVICE` only `--help` is understood.
    """
    if words := sys.argv[1:]:
        sys.exit(tell_usage(words, app.settings))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    sys.exit(run_app(app, stop))


def run_app(app: App[S], stop: threading.Event) -> int:
    """Read settings, build, serve; give the exit code."""
    try:
        settings = read_settings(app.settings)
    except BadInput as error:
        sys.stderr.write(f"{app.name}: {error}\n")
        return policy_of(error).exit_code
    logs.configure(settings.log_format)
    try:
        serve(app.build(settings), stop)
    except Exception as error:  # noqa: BLE001 - the end of the process: its exit code tells
        tell_failure(app.name, error)
        return policy_of(error).exit_code
    log.info("service.stopped", service=app.name)
    return 0


def serve(service: Service, stop: threading.Event) -> None:
    """Run a built service until `stop` is set, health and API beside it; then close it."""
    with ExitStack() as stack:
        stack.callback(service.close)
        worker = Worker(service)
        if service.settings.http_port:
            stack.enter_context(health_server(service.settings.http_port, worker.health))
        stack.enter_context(api_server(service))
        log.info("service.started", service=service.name)
        worker.run(stop)


def tell_failure(service: str, error: Exception) -> None:
    """Log why a service ends; where the code is to blame and not its world, with the traceback."""
    is_bug = not isinstance(error, WinnowError)
    log.error(
        "service.failed",
        service=service,
        error=type(error).__name__,
        reason=str(error),
        exc_info=error if is_bug else None,
    )


def read_settings(settings: type[T]) -> T:
    """Read settings from the environment.

    Raises
    ------
    BadInput
        Names every variable that is missing or wrong, not only the first.
    """
    try:
        return settings()
    except ValidationError as error:
        mistakes = settings_mistakes(settings, error)
        text = "\n".join([f"{len(mistakes)} mistakes in the settings:", *mistakes])
        raise BadInput(text) from None


def settings_mistakes(settings: type[BaseSettings], error: ValidationError) -> list[str]:
    """Give one line for each mistake, with the variable's name; values may be secrets."""
    return [f"  {_variable(settings, one['loc'])}: {expected(one)}" for one in error.errors()]


def _variable(settings: type[BaseSettings], location: Sequence[int | str]) -> str:
    return variable_of(settings, "__".join(str(part) for part in location))

"""`winnow up`: the embedded world, all services on one folder."""

from __future__ import annotations

import importlib.util
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Literal

import typer

from winnow.cli.idle import wait_until_idle
from winnow.cli.state_folder import owned
from winnow.cli.world import ProcessWorld, ThreadWorld
from winnow.domain.errors import BadInput
from winnow.telemetry import logs


def up(
    state: Annotated[
        Path, typer.Option(envvar="WINNOW_STATE", help="State folder; made if there is none.")
    ] = Path(".winnow"),
    processes: Annotated[
        bool, typer.Option("--processes", help="One process for each service, not one for all.")
    ] = False,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Stop when all that is left waits for a person.")
    ] = False,
    timeout_seconds: Annotated[
        float, typer.Option("--timeout", min=0, help="With --until-idle: give up after; 0 never.")
    ] = 0.0,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Least that is logged.")
    ] = "info",
) -> None:
    """Run all services on one state folder until Ctrl-C.

    Everything lives in that folder: kill it at any moment and start again, and it goes on.
    """
    logs.configure("console", level=log_level)
    with owned(state) as folder, stopped_by_signals() as stop:
        apps = [entry_point.load() for entry_point in installed()]
        if not apps:
            msg = "services: expected at least one in this environment, found none"
            raise BadInput(msg)
        world = (ProcessWorld if processes else ThreadWorld)(apps, folder, stop)
        with world:
            if until_idle:
                names = [one.name for one in apps]
                waits = wait_until_idle(folder, names, stop, timeout_seconds=timeout_seconds)
                for wait in waits:
                    typer.echo(f"waits  {wait}")
            else:
                stop.wait()
    if world.exit_code:
        raise typer.Exit(world.exit_code)


def installed() -> list[EntryPoint]:
    """Give the services whose code is in this environment, by name."""
    found = entry_points(group="winnow.services")
    return sorted((one for one in found if _has_module(one.module)), key=lambda one: one.name)


def _has_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set; a second signal does nothing more."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {
        number: signal.signal(number, lambda _number, _frame: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

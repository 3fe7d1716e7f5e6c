"""Progress for whoever waits at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

Show = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@contextmanager
def bars() -> Iterator[Show]:
    """Give a function that moves one bar for each thing that is being done.

    The display is on standard error, and stays empty where nobody looks.
    """
    screen = Console(stderr=True)
    display = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
    with display:
        yield _Bars(display).show


class _Bars:
    """One bar for each thing that is being done."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._bar_of: dict[str, TaskID] = {}

    def show(self, what: str, done: int, total: int) -> None:
        """Move the bar of `what`; a total of 0 is one that nobody knows."""
        if what not in self._bar_of:
            self._bar_of[what] = self._display.add_task(what, total=total or None)
        self._display.update(self._bar_of[what], completed=done)

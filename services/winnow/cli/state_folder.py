"""State folders: made where there is none, and had by one `winnow up` at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from winnow.adapters.disk_errors import told
from winnow.domain.errors import BadInput, StateFolderBusy

LOCK = "up.lock"


def made(state: Path) -> Path:
    """Make a state folder unless it is there; give its absolute path.

    Raises
    ------
    BadInput
        It cannot be made.
    """
    with _writable(state):
        state.mkdir(parents=True, exist_ok=True)
    return state.resolve()


@contextmanager
def owned(state: Path) -> Iterator[Path]:
    """Hold a state folder alone; give its absolute path.

    The lock is the kernel's: a killed process leaves none behind. Short commands do not take it,
    as ledger and message log can be shared.

    Raises
    ------
    StateFolderBusy
        Another process has it; the text names its pid.
    BadInput
        The folder cannot be made or written.
    """
    folder = made(state)
    with _writable(state):
        # Unbuffered, so that a full disk is met where it can be told.
        handle = (folder / LOCK).open("ab+", buffering=0)
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            pid = handle.read().decode(errors="replace").strip() or "unknown"
            msg = (
                f"state folder {folder}: expected to have it alone, found another "
                f"`winnow up` (pid {pid}) at work on it; stop it, "
                "or name another folder with --state DIR"
            )
            raise StateFolderBusy(msg) from error
        with _writable(state):
            handle.truncate(0)
            handle.write(f"{os.getpid()}\n".encode())
        yield folder


@contextmanager
def _writable(state: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"state folder {state}: expected a folder to write to, found: {told(error)}"
        raise BadInput(msg) from error

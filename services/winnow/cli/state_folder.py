"""One `winnow up` at a time on a state folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from winnow.domain.errors import BadInput, StateFolderBusy

LOCK = "up.lock"


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
    try:
        state.mkdir(parents=True, exist_ok=True)
        handle = (state / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        msg = f"state folder {state}: expected a folder to write to, found: {error.strerror}"
        raise BadInput(msg) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            msg = (
                f"state folder {state.resolve()}: expected to have it alone, found another "
                f"`winnow up` (pid {handle.read().strip() or 'unknown'}) at work on it; stop it, "
                "or name another folder with --state DIR"
            )
            raise StateFolderBusy(msg) from error
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield state.resolve()

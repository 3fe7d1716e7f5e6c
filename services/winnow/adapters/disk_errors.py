"""What a disk that is full or gone says, with what helps."""

from __future__ import annotations

import errno
import sqlite3

HELP = "is the disk full? Make room and do the same again: nothing is half written"
FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No room, no quota, or the limit of `ulimit -f`."""
FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""SQLite says the second where it cannot extend its shared memory."""
BROKEN_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def told(error: Exception) -> str:
    """Give the words for people."""
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return f"{text}; {HELP}" if is_full(error) else text


def is_broken(error: BaseException | None) -> bool:
    """Tell whether a file is no SQLite database, or a damaged one."""
    return isinstance(error, sqlite3.Error) and _code(error) in BROKEN_CODES


def is_full(error: BaseException | None) -> bool:
    """Tell whether there was no room, as far as the error shows."""
    if isinstance(error, OSError):
        return error.errno in FULL_ERRNOS
    return isinstance(error, sqlite3.Error) and _code(error) in FULL_CODES


def _code(error: sqlite3.Error) -> int:
    # The low byte is the kind; the others say where inside SQLite it happened.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF

"""Files that are there whole or not at all: states, results and caches of long work."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write aside, to the disk, and rename; makes the folder.

    Whoever reads finds the old bytes or the new ones, also after a kill or a power cut, and two
    processes that write the same file do not mix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())
    aside.replace(path)

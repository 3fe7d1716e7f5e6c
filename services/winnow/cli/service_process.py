"""One service as its own process on one machine: `python -m winnow.cli.service_process NAME`.

What `python -m NAME` does, and besides: it ends with whoever started it. A `winnow up` that is
killed leaves no services behind that go on unseen, beside those of its successor.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def end_with(parent: int) -> None:
    """Kill this process once the other end of the pipe is gone; nobody is left to wait for it."""
    # Not sys.stdin: its lock, held by a thread, would abort the interpreter at its end.
    while os.read(parent, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    # A service takes words after its name for a question about its usage.
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)

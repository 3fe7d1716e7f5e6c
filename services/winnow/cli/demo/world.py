"""Runs one world with the commands that a user types."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from winnow.cli.demo.plan import World
from winnow.domain.errors import WinnowError

BUDGETS = (
    ("upload", "2GB"),
    ("auto_label_inference", "3600000ms"),
    ("human_annotation", "40.00"),
    ("label_qa", "5.00"),
    ("expert_review", "2.00"),
)


def run_world(world: World) -> None:
    """Allocate money, ingest, open the first round and run all services until the loop stops.

    Raises
    ------
    WinnowError
        A command failed; the text holds what it printed.
    """
    os.environ["WINNOW_RETRAIN_RUNNER"] = world.runner
    os.environ["WINNOW_ROLLOUT_RUNNER"] = world.runner
    # Two worlds share two cores: more threads each would only take turns.
    os.environ["OMP_NUM_THREADS"] = "1"
    state = ["--state", str(world.state_dir)]
    for kind, amount in BUDGETS:
        command(["budget", "allocate", kind, amount, *state], log=_log(world))
    command(["ingest", world.data, *world.ingest, *state], log=_log(world))
    command(["round", "open", "--policy", str(world.policy_file), *state], log=_log(world))
    command(["up", "--until-idle", *state], log=_log(world))


def _log(world: World) -> Path:
    return world.state_dir.parent / f"{world.name}.log"


def command(arguments: Sequence[str], *, log: Path) -> str:
    """Run one `winnow` command in this process; what it prints goes to the log and comes back."""
    from winnow.cli import app

    log.parent.mkdir(parents=True, exist_ok=True)
    sink = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        try:
            code = app(list(arguments), standalone_mode=False) or 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ winnow {' '.join(arguments)}\n{sink.getvalue()}")
    if code:
        tail = "\n".join(sink.getvalue().strip().splitlines()[-20:])
        msg = f"`winnow {' '.join(arguments)}` ended with code {code}:\n{tail}\nLog: {log}"
        raise WinnowError(msg)
    return sink.getvalue()

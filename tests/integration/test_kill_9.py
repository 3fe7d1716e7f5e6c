"""`winnow up` killed again and again at random moments: the loop still ends as it must.

`WINNOW_TEST_KILLS` raises the number of kills for a long run; `WINNOW_TEST_SEED` shifts the seeds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.integration.invariants import check_end
from tests.integration.simulation import POLICY, ROUNDS, ask_for_rounds, loop_ended
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.domain.errors import Retryable

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("WINNOW_TEST_KILLS", "4"))
SEED = int(os.environ.get("WINNOW_TEST_SEED", "0"))
STARTED = b"service.started"
START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 60.0
END_SECONDS_MAX = 240.0
LOOK_SECONDS = 0.1
EARLY = 0.15
"""Share of lives that end while they start."""


@dataclass(frozen=True)
class Mode:
    """How `winnow up` runs, and whom a kill meets."""

    arguments: tuple[str, ...]
    runner: str
    whole_group: bool
    """Else only the process that the user started is killed: its children must follow it."""


MODES = {
    "threads-inline": Mode((), "inline", whole_group=True),
    "threads-kfp": Mode((), "kfp_local", whole_group=True),
    "processes-inline": Mode(("--processes",), "inline", whole_group=True),
    "processes-kfp-parent": Mode(("--processes",), "kfp_local", whole_group=False),
}


def start(state: Path, mode: Mode, log: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "WINNOW_RETRAIN_RUNNER": mode.runner,
        "WINNOW_ROLLOUT_RUNNER": mode.runner,
        "WINNOW_RETRAIN_CHECKPOINT_SECONDS": "0",
    }
    code = "from winnow.cli import main; main()"
    with log.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-c", code, "up", "--state", str(state), *mode.arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )


def ended(state: Path) -> bool:
    ledger = SqliteLedger(state / "ledger.db")
    try:
        return loop_ended(ledger, rounds=ROUNDS)
    except Retryable:
        return False
    finally:
        ledger.close()


def started(process: subprocess.Popen[bytes], log: Path, *, offset: int) -> None:
    """Wait until a service has started."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while STARTED not in log.read_bytes()[offset:]:
        assert process.poll() is None, log.read_text()[-4000:]
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(LOOK_SECONDS)


def lives(process: subprocess.Popen[bytes], state: Path, seconds: float) -> bool:
    """Let a process live for a while; tell whether the loop ended meanwhile."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "it ended by itself"
        if ended(state):
            return True
        time.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
    return False


def kill(process: subprocess.Popen[bytes], mode: Mode) -> None:
    if mode.whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    assert nobody_is_left(process.pid), "services go on without the one who started them"


def nobody_is_left(group: int) -> bool:
    """Wait until a process group is empty; tell whether it is."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(LOOK_SECONDS)
    return False


def stop(process: subprocess.Popen[bytes], log: Path, *, offset: int) -> None:
    """Ask it to end; before its own code runs, the interpreter obeys in its own way."""
    process.terminate()
    code = process.wait(STOP_SECONDS_MAX)
    said = log.read_bytes()[offset:]
    assert code == 0 or (code == -signal.SIGTERM and STARTED not in said), (code, said[-4000:])


def suffer(folder: Path, mode: Mode, *, seed: int, by: signal.Signals) -> None:
    """Kill (or stop) the world at random moments, then let it come to its end and check it."""
    rng = np.random.default_rng(seed)
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    ask_for_rounds(folder, policy)
    state, log = folder / "state", folder / "up.log"
    for _ in range(KILLS):
        offset = log.stat().st_size if log.exists() else 0
        process = start(state, mode, log)
        if rng.random() < EARLY:
            time.sleep(float(rng.uniform(0, 3)))
        else:
            started(process, log, offset=offset)
        # Some milliseconds as likely as some seconds: the writes of a loop come in clusters.
        done = lives(process, state, 10 ** float(rng.uniform(-2, 1)))
        kill(process, mode) if by is signal.SIGKILL else stop(process, log, offset=offset)
        if done:
            break
    offset = log.stat().st_size
    process = start(state, mode, log)
    assert lives(process, state, END_SECONDS_MAX), log.read_text()[-4000:]
    started(process, log, offset=offset)
    stop(process, log, offset=offset)
    check_end(state)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("name", MODES)
def test_killed_at_random_moments_it_goes_on(tmp_path: Path, name: str) -> None:
    seed = SEED + list(MODES).index(name)
    suffer(tmp_path, MODES[name], seed=seed, by=signal.SIGKILL)


@pytest.mark.parametrize("name", ["threads-inline", "processes-kfp-parent"])
def test_stopped_at_random_moments_it_ends_in_peace_and_goes_on(tmp_path: Path, name: str) -> None:
    suffer(tmp_path, MODES[name], seed=SEED + 100, by=signal.SIGTERM)

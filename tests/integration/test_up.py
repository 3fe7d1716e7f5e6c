"""`winnow up` as a process: stopped, killed, started again, refused."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from winnow.adapters.sqlite_bus import SqliteBus
from winnow.cli.up import installed

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 60.0


def _up(state: Path, *arguments: str) -> subprocess.Popen[str]:
    command = "from winnow.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", command, "up", "--state", str(state), *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )


def _read_until_all_started(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    waiting = len(installed())
    deadline = time.monotonic() + PATIENCE_SECONDS
    while waiting and time.monotonic() < deadline:
        waiting -= "service.started" in process.stderr.readline()
    assert waiting == 0


@pytest.mark.parametrize("mode", [[], ["--processes"]])
def test_sigterm_ends_it_cleanly_and_twice_is_no_different(tmp_path: Path, mode: list[str]) -> None:
    process = _up(tmp_path, *mode)
    _read_until_all_started(process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_second_one_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    first = _up(tmp_path)
    _read_until_all_started(first)
    second = _up(tmp_path)
    _, errors = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert f"pid {first.pid}" in errors
    first.kill()
    first.communicate()
    third = _up(tmp_path, "--until-idle", "--timeout", "60")
    assert third.wait(PATIENCE_SECONDS) == 0


def test_a_service_process_that_dies_stops_the_others(tmp_path: Path) -> None:
    process = _up(tmp_path, "--processes")
    _read_until_all_started(process)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    subprocess.run(["kill", "-9", children[0]], check=True)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode != 0
    assert "service.ended" in errors


def test_topics_are_there_after_a_start(tmp_path: Path) -> None:
    process = _up(tmp_path, "--until-idle", "--timeout", "60")
    process.communicate(timeout=PATIENCE_SECONDS)
    topics = SqliteBus(tmp_path / "bus.db").topics()
    assert "winnow.frames.ingested.v1" in topics
    assert any(topic.endswith(".dlq") for topic in topics)

"""Services in processes of their own: stopped, each ends what it has in hand."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from winnow.cli.world import ProcessWorld
from winnow.runtime.service import App, Service
from winnow.runtime.settings import ServiceSettings

SLOW_TO_STOP = """
import os, signal, sys, threading
assert sys.argv[1:] == []  # words would be a question about its usage
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
open(os.environ["STARTED"], "w").close()
stop.wait()
sum(range(20_000_000))  # what it has in hand
open(os.environ["ENDED"], "w").close()
"""


def never_built(settings: ServiceSettings) -> Service:
    raise AssertionError(settings)


def test_a_process_that_is_asked_to_stop_may_end_what_it_has_in_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_stop.py").write_text(SLOW_TO_STOP)
    started, ended = tmp_path / "started", tmp_path / "ended"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("STARTED", str(started))
    monkeypatch.setenv("ENDED", str(ended))
    stop = threading.Event()
    world = ProcessWorld([App("slow_to_stop", ServiceSettings, never_built)], tmp_path, stop)
    with world:
        while not started.exists() and not stop.wait(0.01):
            pass
    assert started.exists()
    assert ended.exists()

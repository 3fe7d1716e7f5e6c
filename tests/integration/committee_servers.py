"""A trained toy committee and its servers: `python -m committee` on loopback, each a process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from retrain import steps
from retrain.settings import RetrainSettings
from tests.unit.training.toy_world import put_dataset
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.references import reference_text
from winnow.testing.manual_clock import ManualClock


@dataclass(frozen=True)
class Server:
    """Where one listens."""

    model: str
    http_port: int
    grpc_port: int

    @property
    def endpoint(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc_port}/{self.model}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/v2/models/{self.model}"


def train(folder: Path) -> str:
    """Train a toy committee; give the reference of its members manifest."""
    ledger = SqliteLedger(folder / "ledger.db")
    context = steps.Context(
        FileBlobs(folder / "blobs"), ledger, ManualClock(), RetrainSettings.embedded(folder)
    )
    dataset = reference_text(put_dataset(context.blobs))
    tasks = steps.plan(context, round_id="r0", dataset=dataset)
    members = [steps.train_members(context, orders=orders) for orders in tasks]
    reference = steps.evaluate(context, round_id="r0", dataset=dataset, members=members)
    ledger.close()
    return reference


@contextmanager
def serving(folder: Path, members: str, *, names: Sequence[str] = ()) -> Iterator[Server]:
    """Start a server of these members (none: all) and wait until it is ready."""
    server = Server("-".join(["committee-r0-c0", *names]), free_port(), free_port())
    environment = {
        "WINNOW_COMMITTEE_BLOBS_URL": f"file://{folder / 'blobs'}",
        "WINNOW_COMMITTEE_MEMBERS": members,
        "WINNOW_COMMITTEE_MEMBER_NAMES": json.dumps(list(names)),
        "WINNOW_COMMITTEE_HTTP_PORT": str(server.http_port),
        "WINNOW_COMMITTEE_GRPC_PORT": str(server.grpc_port),
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "committee"], env={**os.environ, **environment}
    )
    try:
        _wait_until_ready(f"{server.url}/ready", process)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready: {url}")

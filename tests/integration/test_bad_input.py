"""What people and the world do wrong, met through the command line: told, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tests.unit.ingest.images import class_folder, coco_folder, image_bytes, write_folder
from winnow.adapters.sqlite_bus import SqliteBus
from winnow.cli import app
from winnow.cli.up import installed
from winnow.contracts.generated.winnow.events.v1 import events_pb2
from winnow.domain.events import TaskClosed
from winnow.ports.bus import Message, received

PATIENCE_SECONDS = 60.0
ID = UUID(int=7)
MAIN = "from winnow.cli import main; main()"


def winnow(state: Path, *arguments: object) -> Result:
    command = [str(one) for one in arguments]
    at = len(command) if "--" not in command else command.index("--")
    return CliRunner().invoke(app, [*command[:at], "--state", str(state), *command[at:]])


def told(state: Path, *arguments: object, code: int) -> str:
    """Give what a command says that must end with this code, in words and not as a traceback."""
    result = winnow(state, *arguments)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return str(result.stderr)


def asked(state: Path, *arguments: object) -> Any:
    result = winnow(state, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def available(state: Path, budget: str) -> int:
    (found,) = [one for one in asked(state, "budget", "show") if one["id"] == budget]
    return int(found["periods"][0]["balances"]["available"])


def bomb() -> bytes:
    """Give a PNG of a few bytes that claims 900 million pixels."""
    whole = image_bytes(1)
    claim = b"IHDR" + struct.pack(">II", 30_000, 30_000) + whole[24:29]
    return whole[:12] + claim + struct.pack(">I", zlib.crc32(claim)) + whole[33:]


def dirty_folder(root: Path) -> Path:
    whole = image_bytes(9, side=60, kind="JPEG")
    class_folder(root)
    return write_folder(
        root,
        {
            "cat/cut in half.jpg": whole[: len(whole) // 2],
            "cat/бомба.png": bomb(),
            "dog/text.png": b"no image at all",
            "dog/empty.png": b"",
            "dog/notes.txt": b"",
        },
    )


@contextmanager
def no_room() -> Iterator[None]:
    """Let this process write no byte to any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def funded(tmp_path: Path) -> Path:
    assert winnow(tmp_path / "state", "budget", "allocate", "upload", "1MB").exit_code == 0
    return tmp_path / "state"


def _no_images(root: Path) -> Path:
    return write_folder(root, {"a.txt": b"", "b/c.csv": b""})


def _coco_without_files(root: Path) -> Path:
    path = coco_folder(root, archive=False, images=[{}, {}, {}])
    (root / "1.png").unlink()
    return path


def _labels_out_of_range(root: Path) -> Path:
    root.mkdir()
    images = np.zeros((3, 8, 8), dtype=np.uint8)
    np.savez(root / "set.npz", x=images, y=[0, 1, 2], class_names=["a", "b"])
    return root / "set.npz"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_no_images, "expected images (.bmp"),
        (_coco_without_files, "1 of 3 images are missing"),
        (_labels_out_of_range, "found 1 other(s), the first 2 at 2"),
        (lambda root: root / "absent", "nothing is there"),
    ],
)
def test_what_cannot_be_ingested_is_named_and_costs_nothing(
    funded: Path, tmp_path: Path, make: Callable[[Path], Path], expected: str
) -> None:
    source = make(tmp_path / "some dir")
    text = told(funded, "ingest", source, code=2)
    assert text.startswith(f"BadInput: {source.parent}")
    assert expected in text
    assert available(funded, "upload") == 10**6
    assert asked(funded, "status")["shards"]["ingested"] == 0


def test_a_full_disk_stops_an_ingest_that_goes_on_later(
    funded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets = class_folder(tmp_path / "pets", n_per_class=20)
    writes = iter(range(1000))

    def full(_handle: int) -> None:
        if next(writes) > 50:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("winnow.adapters.file_blobs.os.fsync", full)
        text = told(funded, "ingest", pets, code=1)
    assert "No space left on device" in text
    assert "Make room and do the same again" in text
    assert available(funded, "upload") == 10**6
    paid = sum(path.stat().st_size for path in pets.rglob("*.png"))
    for _ in range(2):
        assert winnow(funded, "ingest", pets).exit_code == 0
        assert available(funded, "upload") == 10**6 - paid


def test_a_policy_with_three_mistakes_asks_for_nothing(funded: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("batch_size: 4\nqa: {sample_share: 2}\ntraining: {members: many}")
    text = told(funded, "round", "open", "--policy", policy, code=2)
    assert f"{policy}: 3 mistake(s)" in text
    assert "batch_size: expected one of name, description, seed" in text
    assert "did you mean selection.batch_size or training.batch_size? (found 4)" in text
    assert asked(funded, "status")["commands"] == {"done": 1}


@pytest.mark.parametrize("amount", ["-1GB", "0.5B", "NaNGB", "1e3GB", "1"])
def test_an_amount_that_is_none_moves_nothing(funded: Path, amount: str) -> None:
    assert f"amount {amount!r}" in told(funded, "budget", "allocate", "upload", amount, code=2)
    assert available(funded, "upload") == 10**6


def test_a_folder_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    pets = class_folder(tmp_path / "pets")
    (tmp_path / "file").write_text("")
    for command in (["budget", "allocate", "upload", "1GB"], ["ingest", pets], ["up"]):
        assert f"state folder {tmp_path / 'file'}" in told(tmp_path / "file", *command, code=2)
    with no_room():
        assert "Make room" in told(tmp_path / "full", "up", code=2)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "ledger.db").write_bytes(b"not a database" * 100)
    for command in (["status"], ["ingest", pets]):
        text = told(tmp_path / "foreign", *command, code=1)
        assert "foreign/ledger.db: expected a database that Winnow wrote" in text


def test_a_page_that_cannot_be_written_is_named(funded: Path) -> None:
    assert "/proc/no.html" in told(funded, "report", "--out", "/proc/no.html", code=1)


@dataclass(frozen=True)
class Running:
    """A state folder with `winnow up` at work on it."""

    state: Path
    process: subprocess.Popen[str]

    def read_until(self, *words: str) -> str:
        """Give the first line of its log with all these words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if all(word in line for word in words):
                return line
        raise AssertionError(f"expected a line with {words}, found the end of the log")

    def wait(self, is_so: Callable[[Any], bool]) -> Any:
        """Give the status as soon as this holds of it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            status = asked(self.state, "status")
            if is_so(status):
                return status
        raise AssertionError(status)

    def limit_files(self, size_bytes: int) -> None:
        """Let no file of the process grow beyond this size: to it the disk is full."""
        limits = (size_bytes, resource.RLIM_INFINITY)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, limits)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("bad input")
    state = folder / "state"
    winnow(state, "budget", "allocate", "upload", "1MB")
    assert winnow(state, "ingest", dirty_folder(folder / "dirty")).exit_code == 0
    command = [sys.executable, "-c", MAIN, "up", "--state", str(state)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        world = Running(state, process)
        for _ in installed():
            world.read_until("service.started")
        yield world
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors


def test_damaged_frames_are_counted_and_keep_nobody_out(running: Running) -> None:
    status = running.wait(lambda status: status["shards"]["in_pool"] >= 1)
    assert status["frames"]["blocked"] == {"unreadable": 4}
    assert status["frames"]["in_pool"] >= 12
    assert "blocked    4 unreadable" in winnow(running.state, "status").stdout
    assert status["dead_letters"].get("winnow.frames.ingested.v1.dlq") is None


def test_a_second_world_on_the_folder_is_refused(running: Running) -> None:
    command = [sys.executable, "-c", MAIN, "up", "--state", str(running.state)]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith(f"StateFolderBusy: state folder {running.state}: expected to")
    assert f"pid {running.process.pid}" in second.stderr


def test_messages_that_nobody_can_read_wait_with_their_reason(running: Running) -> None:
    topic = f"winnow.{TaskClosed.type}"
    fact = events_pb2.TaskClosed(
        task_id="t1", round_id="r0", batch_id="r0-batch", frame_id="f" * 32, modality="image",
        annotator="a", schema_version=1, slot=0, attempt=1, effort_ms=1,
    )  # fmt: skip
    fact.outcome = 99  # type: ignore[assignment]
    headers = {
        "ce_id": str(ID).encode(), "ce_source": b"labeling_gateway", "ce_specversion": b"1.0",
        "ce_type": TaskClosed.type.encode(), "ce_time": b"2026-01-01T00:00:00Z",
        "ce_subject": b"t1", "content-type": b"application/protobuf",
    }  # fmt: skip
    bus = SqliteBus(running.state / "bus.db")
    bus.publish([Message(topic, "t1", headers, fact.SerializeToString())])
    bus.publish([received(topic, "t1", {**headers, "ce_id": b"large"}, b"x" * 17 * 1024)])
    bus.close()
    running.wait(lambda status: status["dead_letters"].get(f"{topic}.dlq") == 2)
    unknown, large = asked(running.state, "dlq", "list")
    assert unknown["error"] == "SchemaMismatch"
    assert "outcome" in unknown["reason"]
    assert "99" in unknown["reason"]
    assert large["error"] == "MessageTooLarge"
    assert "at most 16384 bytes of value, found 17408" in large["reason"]
    assert asked(running.state, "dlq", "replay", ID) == {"replayed": [str(ID)]}
    assert "lies in" in told(running.state, "dlq", "replay", "large", code=2)


def test_a_refused_round_says_why_to_whoever_looks_later(running: Running, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("seed: 3")
    text = told(running.state, "round", "open", "--policy", policy, "--wait", code=1)
    assert "winnow budget allocate human_annotation" in text
    assert "refused    round.open: expected a budget" in winnow(running.state, "status").stdout


def test_a_full_disk_is_waited_for(running: Running, tmp_path: Path) -> None:
    before = running.wait(lambda status: status["shards"]["in_pool"] >= 1)["shards"]["in_pool"]
    running.limit_files(1)
    pets = class_folder(tmp_path / "more pets")
    assert winnow(running.state, "ingest", pets).exit_code == 0
    assert "Make room" in running.read_until("part.failed", "error=Retryable")
    assert asked(running.state, "status")["shards"]["embedded"] == before
    running.limit_files(resource.RLIM_INFINITY)
    running.wait(lambda status: status["shards"]["in_pool"] == before + 1)

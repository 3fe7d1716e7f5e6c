"""Committee servers as processes of this machine: `python -m committee` on loopback.

For tests and for people without a cluster. A folder remembers the servers, so that the process
which ends them need not be the one that started them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from winnow.contracts.references import reference_text
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound
from winnow.domain.ids import CommitteeVersion
from winnow.ports.deployments import Part

STATE = "server.json"
END_SECONDS = 30.0
"""Time to answer what is in hand; after it the process is killed."""
LOG_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class _Server:
    """One process, as its folder tells it."""

    version: str
    model_name: str
    environment: dict[str, str]
    grpc_port: int
    http_port: int
    pid: int
    born: str
    """When the process was started, so that another one with its number is not taken for it."""


class ProcessDeployments:
    """Starts and ends servers on this machine.

    Parameters
    ----------
    folder
        Remembers the servers and holds their logs.
    blobs_url
        The object store that they read members from.
    torch_threads
        Cores of each server.
    """

    def __init__(self, folder: Path, *, blobs_url: str, torch_threads: int = 1) -> None:
        self._folder = folder
        self._blobs_url = blobs_url
        self._torch_threads = torch_threads

    def apply(
        self, version: CommitteeVersion, members: BlobRef, parts: Sequence[Part]
    ) -> Sequence[str]:
        """Start what does not run yet; on the ports that it had, if it ever ran."""
        return tuple(self._started(version, members, part) for part in parts)

    def lacks(self, version: CommitteeVersion) -> str:
        """Say which servers do not listen yet."""
        servers = [server for server in self._servers() if server.version == version]
        if not servers:
            msg = f"committee {version}: expected servers, found none"
            raise NotFound(msg)
        for server in servers:
            if not _runs(server):
                raise NotFound(self._ended(server))
        waiting = [server.model_name for server in servers if not _listens(server.grpc_port)]
        return f"{', '.join(waiting)}: nobody listens yet" if waiting else ""

    def remove(self, version: CommitteeVersion) -> None:
        """End a version's processes and forget them."""
        for server in [server for server in self._servers() if server.version == version]:
            _end(server)
            (self._folder / server.model_name / STATE).unlink(missing_ok=True)

    def versions(self) -> Sequence[CommitteeVersion]:
        """Give what is applied."""
        return sorted({CommitteeVersion(server.version) for server in self._servers()})

    def resume(self) -> None:
        """Start what is applied and does not run: after a restart of the machine."""
        for server in self._servers():
            if not _runs(server):
                self._start(server)

    def stop(self) -> None:
        """End all processes; `resume` starts them again."""
        for server in self._servers():
            _end(server)

    def _started(self, version: CommitteeVersion, members: BlobRef, part: Part) -> str:
        server = self._known(part.model_name)
        if server is None:
            grpc_port, http_port = _free_ports(2)
            environment = {
                "WINNOW_COMMITTEE_BLOBS_URL": self._blobs_url,
                "WINNOW_COMMITTEE_MEMBERS": reference_text(members),
                "WINNOW_COMMITTEE_MEMBER_NAMES": json.dumps(part.member_names),
                "WINNOW_COMMITTEE_GRPC_PORT": str(grpc_port),
                "WINNOW_COMMITTEE_HTTP_PORT": str(http_port),
                "WINNOW_COMMITTEE_TORCH_THREADS": str(self._torch_threads),
            }
            server = _Server(
                version, part.model_name, environment, grpc_port, http_port, pid=0, born=""
            )
        if not _runs(server):
            self._start(server)
        return f"grpc://127.0.0.1:{server.grpc_port}/{server.model_name}"

    def _start(self, server: _Server) -> None:
        folder = self._folder / server.model_name
        folder.mkdir(parents=True, exist_ok=True)
        modules = os.pathsep.join(entry for entry in sys.path if entry)
        with (folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "committee"],
                env={**os.environ, **server.environment, "PYTHONPATH": modules},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # It outlives the step of a run that starts it.
                start_new_session=True,
            )
        state = {**asdict(server), "pid": process.pid, "born": _born(process.pid)}
        aside = folder / f"{STATE}.new"
        # Only for its owner: the object store's address may hold a password.
        aside.touch(mode=0o600)
        aside.write_text(json.dumps(state))
        aside.rename(folder / STATE)

    def _servers(self) -> Iterator[_Server]:
        for path in sorted(self._folder.glob(f"*/{STATE}")):
            # A run's step and the service both end servers: one may have just been forgotten.
            with suppress(FileNotFoundError):
                yield _Server(**json.loads(path.read_text()))

    def _known(self, model_name: str) -> _Server | None:
        return next((one for one in self._servers() if one.model_name == model_name), None)

    def _ended(self, server: _Server) -> str:
        log = self._folder / server.model_name / "server.log"
        lines = log.read_text(errors="replace").strip().splitlines() or [""]
        said = f"expected process {server.pid} to serve, found it ended: {lines[-1]}"
        return f"{server.model_name}: {said[:LOG_CHARACTERS]}"


def _born(pid: int) -> str:
    """Give when a process was started, or nothing if it is gone or only waits to be reaped."""
    found = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return found[1].strip() if len(found) == 2 and not found[0].startswith("Z") else ""


def _runs(server: _Server) -> bool:
    return server.born != "" and _born(server.pid) == server.born


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def _end(server: _Server) -> None:
    if not _runs(server):
        return
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGTERM)
    kill_at = time.monotonic() + END_SECONDS
    while _runs(server):
        if time.monotonic() > kill_at:
            with suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGKILL)
        time.sleep(0.05)


def _free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(n)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]

"""A console on an empty ledger, and how people call it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.application import create_application
from console.api.desk import Desk
from console.api.identity import Gate, token_digest
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_bus import SqliteBus
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.domain.tables import AUDIT, AuditRow
from winnow.evidence.artifact import Producer
from winnow.ports.ledger import Ledger
from winnow.testing.manual_clock import ManualClock

PRODUCER = Producer(service="console", version="0", commit="")
BOOTSTRAP = "bootstrap-token-of-thirty-two-characters"


@dataclass
class House:
    """A console, its ledger and its callers."""

    ledger: Ledger
    clock: ManualClock
    blobs: FileBlobs
    bus: SqliteBus
    client: httpx.AsyncClient
    runner: asyncio.Runner
    keys: Iterator[int] = field(default_factory=count)

    def ask(
        self, method: str, path: str, body: object = None, *, token: str = "", key: str = ""
    ) -> httpx.Response:
        self.clock.advance(seconds=1)
        headers = {"Idempotency-Key": key or f"key-{next(self.keys)}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = self.client.request(method, path, json=body, headers=headers)
        return self.runner.run(request)

    def do(self, path: str, body: object, **how: str) -> Any:
        response = self.ask("POST", path, body, **how)
        assert response.is_success, response.text
        return response.json()

    def get(self, path: str, **how: str) -> Any:
        response = self.ask("GET", path, **how)
        assert response.is_success, response.text
        return response.json()

    def refused(self, path: str, body: object, **how: str) -> tuple[int, str, str]:
        response = self.ask("POST", path, body, **how)
        error = response.json()["error"]
        return response.status_code, error["kind"], error["message"]

    def person(self, name: str, *roles: str) -> str:
        """Let somebody in; give their token."""
        document = self.do("/v1/people", {"name": name, "roles": roles}, token=BOOTSTRAP)
        return str(document["token"])

    def audit(self) -> list[AuditRow]:
        with self.ledger.snapshot() as view:
            return list(view.records.find(AUDIT))


def house_of(folder: Path, *, local_person: str) -> Iterator[House]:
    ledger, bus = SqliteLedger(folder / "ledger.db"), SqliteBus(folder / "bus.db")
    clock = ManualClock()
    blobs = FileBlobs(folder / "blobs")
    gate = Gate(ledger, local_person, token_digest(BOOTSTRAP))
    application = create_application(Desk(gate, ledger, blobs, bus, clock, "winnow.", PRODUCER))
    transport = httpx.ASGITransport(app=application)
    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(transport=transport, base_url="http://console")
        yield House(ledger, clock, blobs, bus, client, runner)
        runner.run(client.aclose())
    bus.close()
    ledger.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Ring 1: whoever calls in-process is the user of this machine."""
    yield from house_of(tmp_path, local_person="me")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[House]:
    """A fleet: nobody without a token."""
    yield from house_of(tmp_path, local_person="")

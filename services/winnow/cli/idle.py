"""Whether anything is left to do in a state folder, and by whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_bus import SqliteBus
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.round_waits import Wait, looked_at, rounds_under_way, waits_for_people
from winnow.contracts.topics import consumed_by
from winnow.domain.errors import Retryable
from winnow.domain.tables import COMMANDS
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Ledger
from winnow.runtime.letter_box import LetterBox
from winnow.runtime.settings import ServiceSettings

LOOK_SECONDS = 0.5
LOOKS = 3
"""So many looks in a row must find nothing: a message may be between outbox and log."""


PREFIX = str(ServiceSettings.model_fields["topic_prefix"].default)


def wait_until_idle(
    folder: Path, services: Sequence[str], stop: threading.Event, *, timeout_seconds: float = 0.0
) -> list[Wait]:
    """Wait until these services have nothing left that they can do, or until `stop` is set.

    Returns
    -------
    list of Wait
        Rounds that only a person or more money can move.

    Raises
    ------
    Retryable
        Something still was to do after `timeout_seconds` (0: wait for ever); the text says what.
    """
    with (
        closing(SqliteLedger(folder / "ledger.db")) as ledger,
        closing(SqliteBus(folder / "bus.db")) as bus,
    ):
        watch = Watch(ledger, bus, FileBlobs(folder / "blobs"), services)
        began, n_quiet, waits = time.monotonic(), 0, list[Wait]()
        while n_quiet < LOOKS and not stop.wait(LOOK_SECONDS):
            waiting, waits = watch.look()
            n_quiet = 0 if waiting else n_quiet + 1
            if waiting and 0 < timeout_seconds < time.monotonic() - began:
                msg = f"expected rest within {timeout_seconds:g} s, found {waiting}"
                raise Retryable(msg)
        return waits


@dataclass
class Watch:
    """Looks at a state folder again and again, while services work on it."""

    ledger: Ledger
    bus: SqliteBus
    blobs: Blobs
    services: Sequence[str]
    _began: float = field(default_factory=time.time)
    _before: dict[str, datetime | None] = field(init=False)

    def __post_init__(self) -> None:
        """Remember what stood here before the services said anything."""
        with self.ledger.snapshot() as view:
            self._before = looked_at(view.records)

    def look(self) -> tuple[dict[str, int], list[Wait]]:
        """Give how much waits by kind (nothing if none does), and what waits for people."""
        # The log first: what leaves it for the ledger meanwhile is then counted there.
        unread = self._unread()
        all_joined = all(self._has_joined(name) for name in self.services)
        dead = self._dead_rounds()
        with self.ledger.snapshot() as view:
            rounds = rounds_under_way(view.records)
            waits = waits_for_people(
                view,
                self.blobs,
                now=datetime.now(UTC),
                before=self._before,
                dead_rounds=dead,
            )
            found = {
                "unread messages": unread,
                "unsent facts": view.boxes.backlog(),
                "commands": view.records.count(COMMANDS).get("pending", 0),
                # A service that is not up yet may know better, e.g. that the money has come.
                "rounds": len(rounds) - (len(waits) if all_joined else 0),
            }
        return {name: number for name, number in found.items() if number}, waits

    def _unread(self) -> int:
        return sum(
            self.bus.unread(f"{PREFIX}{service}", f"{PREFIX}{topic.name}")
            for service in self.services
            for topic in consumed_by(service)
        )

    def _has_joined(self, service: str) -> bool:
        group = f"{PREFIX}{service}"
        return not consumed_by(service) or self.bus.has_member(group, since=self._began)

    def _dead_rounds(self) -> frozenset[str]:
        letters = LetterBox(self.bus, self.ledger, PREFIX).all()
        headers = (one.message.headers for one, now in letters if now == "open")
        return frozenset(one.get("correlationid", b"").decode(errors="replace") for one in headers)

"""Whether anything is left to do in a state folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from winnow.adapters.sqlite_bus import SqliteBus
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.topics import consumed_by
from winnow.domain.errors import Retryable
from winnow.domain.tables import COMMANDS, ROUNDS
from winnow.ports.ledger import Ledger
from winnow.runtime.settings import ServiceSettings

LOOK_SECONDS = 0.5
LOOKS = 3
"""So many looks in a row must find nothing: a message may be between outbox and log."""
ROUND_STATES = ("requested", "open", "training")


PREFIX = str(ServiceSettings.model_fields["topic_prefix"].default)


def wait_until_idle(
    folder: Path, services: Sequence[str], stop: threading.Event, *, timeout_seconds: float = 0.0
) -> None:
    """Wait until nothing is pending for these services, or until `stop` is set.

    Raises
    ------
    Retryable
        Something still was after `timeout_seconds` (0: wait for ever); the text says what.
    """
    ledger = SqliteLedger(folder / "ledger.db")
    bus = SqliteBus(folder / "bus.db")
    began = time.monotonic()
    n_quiet = 0
    try:
        while n_quiet < LOOKS and not stop.wait(LOOK_SECONDS):
            waiting = pending(ledger, bus, services)
            n_quiet = 0 if waiting else n_quiet + 1
            if waiting and 0 < timeout_seconds < time.monotonic() - began:
                msg = f"expected rest within {timeout_seconds:g} s, found {waiting}"
                raise Retryable(msg)
    finally:
        bus.close()
        ledger.close()


def pending(ledger: Ledger, bus: SqliteBus, services: Sequence[str]) -> dict[str, int]:
    """Give how many facts, messages, commands and rounds wait, by kind; nothing if none do."""
    # The log first: what leaves it for the ledger meanwhile is then counted there.
    unread = sum(
        bus.unread(f"{PREFIX}{service}", f"{PREFIX}{topic.name}")
        for service in services
        for topic in consumed_by(service)
    )
    with ledger.snapshot() as view:
        rounds = view.records.count(ROUNDS)
        found = {
            "unread messages": unread,
            "unsent facts": view.boxes.backlog(),
            "commands": view.records.count(COMMANDS).get("pending", 0),
            "rounds": sum(rounds.get(state, 0) for state in ROUND_STATES),
        }
    return {name: number for name, number in found.items() if number}

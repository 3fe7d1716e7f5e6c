"""What a composition root hands to the runtime: handlers bound to their ports, and nothing run yet.

A handler computes first and touches `tx` last: the database transaction begins at its first use,
and on SQLite everybody else waits while it is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from winnow.domain.events import Event
from winnow.domain.tables import CommandRow
from winnow.ports.bus import Bus
from winnow.ports.clock import Clock
from winnow.ports.ledger import Ledger, Transaction
from winnow.runtime.settings import ServiceSettings


class EventHandler(Protocol):
    """Handles one fact; gives the facts that follow, which the runtime puts into the outbox."""

    def __call__(self, event: Any, /, *, tx: Transaction) -> Sequence[Event]:  # noqa: ANN401 - each handler takes its own event
        """Handle it inside `tx`."""
        ...


class TickHandler(Protocol):
    """Does what is due: deadlines live here."""

    def __call__(self, *, tx: Transaction) -> Sequence[Event]:
        """Do it inside `tx`."""
        ...


class CommandHandler(Protocol):
    """Carries out what a person asked for; a `DomainError` is the refusal they will read."""

    def __call__(
        self, command: CommandRow, *, tx: Transaction
    ) -> tuple[Sequence[Event], Mapping[str, object]]:
        """Do it inside `tx`; give the facts and the answer for the person."""
        ...


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick and how often it comes."""

    name: str
    every_seconds: float
    handler: TickHandler


@dataclass(frozen=True)
class Service:
    """A composed service, ready to run."""

    name: str
    settings: ServiceSettings
    ledger: Ledger
    bus: Bus
    clock: Clock
    on_event: Mapping[type[Event], EventHandler] = field(default_factory=dict)
    on_tick: Sequence[Tick] = ()
    on_command: Mapping[str, CommandHandler] = field(default_factory=dict)
    relays: Sequence[str] = ()
    """Further producers whose outbox rows this service relays (console: ingest)."""
    http: Callable[[], object] | None = None
    """Makes an ASGI application to serve beside health and metrics (console, webhooks)."""
    close: Callable[[], None] = lambda: None


S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class App(Generic[S]):
    """What the entry point group `winnow.services` names: settings class and builder."""

    name: str
    settings: type[S]
    build: Callable[[S], Service]

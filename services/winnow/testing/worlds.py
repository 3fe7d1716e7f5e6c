"""A small world for tests of one service: its ledger, its log, its clock, and what it handled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.mapping import from_message
from winnow.domain.blob_ref import BlobRef
from winnow.domain.events import Envelope, Event, FramesIngested
from winnow.domain.ids import ShardId
from winnow.ports.bus import Bus
from winnow.ports.ledger import Ledger
from winnow.runtime.dead_letters import DeadLetter, read_dead_letter
from winnow.runtime.service import CommandHandler, EventHandler, Service, Tick
from winnow.runtime.settings import ServiceSettings
from winnow.runtime.stating import messages_of
from winnow.testing.manual_clock import ManualClock
from winnow.testing.memory_bus import MemoryBus

PREFIX = "winnow."


@dataclass
class World:
    """What outlives a process: give it to one worker after the other."""

    state: Path
    ledger: Ledger
    bus: Bus = field(default_factory=MemoryBus)
    clock: ManualClock = field(default_factory=ManualClock)

    def service(
        self,
        *,
        name: str = "embedding",
        on_event: Mapping[type[Event], EventHandler] | None = None,
        on_tick: Sequence[Tick] = (),
        on_command: Mapping[str, CommandHandler] | None = None,
        ledger: Ledger | None = None,
        bus: Bus | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Service:
        """Compose a service in this world; ledger and bus may be wrapped ones."""
        return Service(
            name=name,
            settings=ServiceSettings.embedded(self.state, **(settings or {})),
            ledger=ledger or self.ledger,
            bus=bus or self.bus,
            clock=self.clock,
            on_event=on_event or {},
            on_tick=on_tick,
            on_command=on_command or {},
        )

    def state_facts(self, *events: Event, producer: str = "ingest") -> None:
        """Put facts on the bus, as their producer's relay would."""
        messages = messages_of(events, service=producer, at=self.clock.now(), topic_prefix=PREFIX)
        self.bus.ensure_topics(sorted({message.topic for message in messages}))
        self.bus.publish(messages)

    def published(self, event: type[Event]) -> list[Envelope]:
        """Give what lies in an event's topic, duplicates included."""
        return [from_message(one.message) for one in self.bus.read(f"{PREFIX}{event.type}")]

    def dead_letters(self, event: type[Event]) -> list[DeadLetter]:
        """Give the dead letters of an event's topic."""
        return [read_dead_letter(one) for one in self.bus.read(f"{PREFIX}{event.type}.dlq")]


def world_in(folder: Path, *, bus: Callable[[], Bus] = MemoryBus) -> World:
    """Give a fresh world with a SQLite ledger in this folder."""
    return World(state=folder, ledger=SqliteLedger(folder / "ledger.db"), bus=bus())


def blob(content: str = "0") -> BlobRef:
    """Give a reference to nothing: for tests that never follow it."""
    return BlobRef(
        bucket="test",
        key=f"test/{content}",
        sha256=content.encode().hex().ljust(64, "0")[:64],
        size_bytes=1,
        media_type="application/octet-stream",
        schema_version=1,
    )


def frames_ingested(shard: str = "s0") -> FramesIngested:
    """Give a shard's first fact."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return FramesIngested(
        shard_id=ShardId(shard),
        source="digits",
        vehicle="v1",
        captured_from=moment,
        captured_to=moment,
        n_frames=1,
        manifest=blob(shard),
    )

"""Selection around a stored pool: a ledger with money, and what people do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selection import handlers
from tests.unit.selection.pools import ROUND, StoredPool
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import read_manifest, read_table
from winnow.contracts.manifests import Batch
from winnow.contracts.tables import BATCH
from winnow.domain.events import Event, RoundHalted
from winnow.domain.ids import batch_id_of
from winnow.domain.labels import LabelState
from winnow.domain.money import Balances
from winnow.domain.tables import BATCHES, BatchRow, CommandRow
from winnow.evidence.artifact import Producer
from winnow.testing.ledgers import ANNOTATION, QUARTER, a_budget, an_allocation
from winnow.testing.manual_clock import ManualClock

PRICE = 80_000
POLICY = "selection: {batch_size: 10}\nrandom_arm: {share: 0.2}\n"
PERSON = POLICY + "approval: {mode: person}\n"


@dataclass
class World:
    ports: handlers.Ports
    clock: ManualClock
    ledger: SqliteLedger
    blobs: FileBlobs

    def fund(self, micros: int) -> None:
        with self.ledger.transaction() as tx:
            tx.money.put_budget(a_budget())
            tx.money.allocate(an_allocation(micros))

    def hears(self, pool: StoredPool) -> Sequence[Event]:
        with self.ledger.transaction() as tx:
            return handlers.on_pool_scored(pool.event, tx=tx, ports=self.ports)

    def told(self, name: str, **arguments: object) -> Sequence[Event]:
        document = {"batch_id": batch_id_of(ROUND), **arguments}
        command = CommandRow(
            "k", "selection", f"batch.{name}", json.dumps(document), "rita", "reviewer", "pending"
        )
        handler = getattr(handlers, f"on_{name}")
        with self.ledger.transaction() as tx:
            events: Sequence[Event] = handler(command, tx=tx, ports=self.ports)[0]
            return events

    def ticks(self) -> None:
        with self.ledger.transaction() as tx:
            assert handlers.on_expiry_tick(tx=tx, ports=self.ports) == []

    @property
    def money(self) -> Balances:
        with self.ledger.snapshot() as view:
            return view.money.balances(ANNOTATION, QUARTER)

    @property
    def row(self) -> BatchRow:
        with self.ledger.snapshot() as view:
            row = view.records.get(BATCHES, batch_id_of(ROUND))
        assert row is not None
        return row

    @property
    def batch(self) -> Batch:
        return read_manifest(self.blobs, self.row.manifest, Batch)

    @property
    def frames(self) -> list[str]:
        ids: list[str] = read_table(self.blobs, self.batch.table, BATCH)["frame_id"].to_pylist()
        return ids

    def candidates(self) -> dict[str, LabelState]:
        with self.ledger.snapshot() as view:
            return {label.key.frame_id: label.state for label in view.labels.find()}


@contextmanager
def world_in(folder: Path) -> Iterator[World]:
    """Give selection at work in a state folder; others may look into it meanwhile."""
    ledger, blobs = SqliteLedger(folder / "ledger.db"), FileBlobs(folder / "blobs")
    clock = ManualClock()
    producer = Producer(service="selection", version="0", commit="")
    yield World(handlers.Ports(ledger, blobs, clock, producer), clock, ledger, blobs)
    ledger.close()


def halted(events: Sequence[Event]) -> str:
    (event,) = events
    assert isinstance(event, RoundHalted)
    return event.reason

"""A pool of drawn frames, money, and the handlers of rounds bound to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from rounds import handlers
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import read_manifest, read_table, write_manifest, write_table
from winnow.contracts.manifests import Member, Members, Snapshot
from winnow.contracts.tables import EMBEDDED, SNAPSHOT_PART
from winnow.domain.blob_ref import BlobRef
from winnow.domain.events import CommitteeRolled, Event, FramesEmbedded, RoundHalted, Stage
from winnow.domain.ids import (
    BudgetId,
    CommitteeVersion,
    FrameId,
    Micros,
    Period,
    RoundId,
    ShardId,
    derived_uuid,
)
from winnow.domain.labels import CLASSIFICATION, Actor, LabelState, Role, Transition
from winnow.domain.money import Allocate, Balances, Budget, BudgetKind, Unit
from winnow.domain.tables import (
    COMMITTEES,
    ROUNDS,
    SHARDS,
    SOURCES,
    CommandRow,
    CommitteeRow,
    RoundRow,
    ShardRow,
    SourceRow,
)
from winnow.policy.model import Policy
from winnow.runtime.ingest_rows import UNKNOWN_TIME
from winnow.testing.manual_clock import ManualClock

PERIOD = Period("2026-Q1")
UNITS = {BudgetKind.AUTO_LABEL_INFERENCE: "gpu_ms", BudgetKind.HUMAN_ANNOTATION: "currency:USD"}
TASK = "classification"


@dataclass(frozen=True)
class Frame:
    """A frame of the pool: same `look` is a near-duplicate, same `content` an exact one."""

    name: str
    look: int
    content: str = ""
    gate: str = ""
    vector: tuple[float, ...] = ()


@dataclass
class RoundsWorld:
    """Ledger, blobs, clock and what has been put into them."""

    folder: Path
    open_max: int = 2
    n_shards: int = 0
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.ledger = SqliteLedger(self.folder / "ledger.db")
        self.blobs = FileBlobs(self.folder / "blobs")
        self.ports = handlers.Ports(
            ledger=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            open_max=self.open_max,
            stuck_after=timedelta(hours=48),
        )

    def ready(self, frames: Sequence[Frame], *, holdout: BlobRef | None = None) -> None:
        """Fund, register a source with classes a and b, and put one embedded shard in."""
        self.fund(BudgetKind.HUMAN_ANNOTATION, 1_000_000)
        with self.ledger.transaction() as tx:
            tx.records.insert(SOURCES, SourceRow("set", ("b", "a"), holdout, None))
        self.embed(self.ingest(frames))

    def fund(self, kind: BudgetKind, amount: int) -> None:
        with self.ledger.transaction() as tx:
            budget_id = BudgetId(str(kind))
            tx.money.put_budget(Budget(budget_id, kind, "owner", Unit(UNITS[kind])))
            transfer_id = derived_uuid("fund", kind, amount)
            now = self.clock.now()
            tx.money.allocate(
                Allocate(transfer_id, budget_id, PERIOD, Micros(amount), "owner", "ok", now)
            )

    def balances(self, kind: BudgetKind) -> Balances:
        with self.ledger.snapshot() as view:
            return view.money.balances(BudgetId(str(kind)), PERIOD)

    def ingest(self, frames: Sequence[Frame], *, encoder: str = "pixel/1") -> FramesEmbedded:
        """Register a shard and give the fact that embedding would state of it."""
        key = f"s{self.n_shards}"
        self.n_shards += 1
        ref = write_table(self.blobs, embedded_table(frames), EMBEDDED, prefix="embedded")
        with self.ledger.transaction() as tx:
            tx.records.insert(SHARDS, ShardRow(key, "set", len(frames), ref))
        return FramesEmbedded(ShardId(key), encoder, len(frames), (), ref)

    def embed(self, event: FramesEmbedded) -> None:
        with self.ledger.transaction() as tx:
            handlers.on_frames_embedded(event, tx=tx)

    def open(self, policy: Policy, *, by: str = "mia", **more: object) -> dict[str, object]:
        ref = self.blobs.put(policy.canonical(), prefix="policies", media_type="application/json")
        return self.command({"policy": asdict(ref), "opened_by": by, **more})

    def command(self, arguments: dict[str, object]) -> dict[str, object]:
        text = json.dumps(arguments)
        row = CommandRow("k", "rounds", "round.open", text, "mia", "ml_engineer", "pending")
        with self.ledger.transaction() as tx:
            events, answer = handlers.on_round_open(row, tx=tx, ports=self.ports)
        assert not events
        return dict(answer)

    def tick(self) -> list[Event]:
        with self.ledger.transaction() as tx:
            return list(handlers.on_open_tick(tx=tx, ports=self.ports))

    def stuck_tick(self) -> None:
        with self.ledger.transaction() as tx:
            assert not handlers.on_stuck_tick(tx=tx, ports=self.ports)

    def roll(
        self,
        round_id: str,
        accuracy: float | None,
        *,
        classes: tuple[str, ...] = ("a", "b"),
        label_kind: str = CLASSIFICATION,
    ) -> None:
        """Let a trained committee of two become active, and tell rounds."""
        metrics = {} if accuracy is None else {"accuracy": accuracy}
        members = members_of(round_id, classes, metrics)
        members = members.model_copy(update={"label_kind": label_kind})
        ref = write_manifest(self.blobs, members, prefix="members")
        version = CommitteeVersion(f"c{round_id[1:]}")
        with self.ledger.transaction() as tx:
            tx.records.insert(COMMITTEES, CommitteeRow(version, round_id, "active", ref, "0" * 64))
        event = CommitteeRolled(RoundId(round_id), version, (), 1, ref)
        with self.ledger.transaction() as tx:
            assert not handlers.on_committee_rolled(event, tx=tx, ports=self.ports)

    def halt(self, round_id: str, reason: str = "too little") -> None:
        event = RoundHalted(RoundId(round_id), Stage.SELECTION, reason, "nothing")
        with self.ledger.transaction() as tx:
            assert not handlers.on_round_halted(event, tx=tx, ports=self.ports)

    def hold(self, name: str, round_id: str = "r0") -> None:
        """Make a frame a candidate."""
        with self.ledger.transaction() as tx:
            tx.labels.begin(
                [FrameId(name)], TASK, round_id=round_id, batch_id=f"{round_id}-batch",
                actor=Actor("selection", Role.SELECTOR), evidence="{}", at=self.clock.now(),
            )  # fmt: skip

    def step(self, name: str, to: LabelState, role: Role, version: int, value: str = "") -> None:
        with self.ledger.transaction() as tx:
            before = tx.labels.latest(FrameId(name), TASK)
            assert before is not None
            step = Transition(
                before.key, version, before.state, to, Actor(f"{role}-1", role), "{}", "x",
                self.clock.now(),
            )  # fmt: skip
            tx.labels.step(step, value=value, annotator="p1" if value else "")

    def round(self, round_id: str) -> RoundRow:
        with self.ledger.snapshot() as view:
            row = view.records.get(ROUNDS, round_id)
        assert row is not None
        return row

    def snapshot(self, round_id: str) -> tuple[Snapshot, dict[str, dict[str, object]]]:
        """Give the manifest and the rows of all parts by frame."""
        ref = self.round(round_id).snapshot
        assert ref is not None
        snapshot = read_manifest(self.blobs, ref, Snapshot)
        tables = [read_table(self.blobs, part.part, SNAPSHOT_PART) for part in snapshot.parts]
        rows = [row for table in tables for row in table.to_pylist()]
        return snapshot, {row["frame_id"]: row for row in rows}


def members_of(round_id: str, classes: tuple[str, ...], metrics: dict[str, float]) -> Members:
    """Give a committee of two members."""
    checkpoint = BlobRef("files", f"checkpoints/{round_id}", "0" * 64, 1, "x")
    return Members(
        committee_version=f"c{round_id[1:]}",
        round_id=round_id,
        task=TASK,
        class_names=classes,
        config={},
        dataset_sha256="0" * 64,
        members=tuple(
            Member(
                name=f"m{number}", seed=number, checkpoint=checkpoint, temperatures=(1.0,), step=1,
                metrics={}, compute_ms=1,
            )
            for number in range(2)
        ),
        metrics=metrics,
    )  # fmt: skip


def embedded_table(frames: Sequence[Frame]) -> pa.Table:
    """Give the table that embedding would write."""
    return pa.Table.from_pylist([_row(pos, frame) for pos, frame in enumerate(frames)], EMBEDDED)


def _row(pos: int, frame: Frame) -> dict[str, object]:
    rng = np.random.default_rng(frame.look)
    readable = frame.gate not in ("unreadable", "privacy")
    vector = frame.vector or tuple(rng.normal(size=4).tolist())
    return {
        "frame_id": frame.name,
        "bucket": "files",
        "key": f"frames/{frame.name}",
        "sha256": frame.content or frame.name,
        "size_bytes": 1,
        "media_type": "image/png",
        "captured_at": UNKNOWN_TIME + timedelta(seconds=pos),
        "session": "",
        "sensor": "camera",
        "vehicle": "",
        "site": "",
        "tags": "{}",
        "privacy_blocked": frame.gate == "privacy",
        "calibrated": True,
        "width": 8 if readable else None,
        "height": 8 if readable else None,
        "phash": int(rng.integers(0, 2**64, dtype=np.uint64)) if readable else None,
        "gate": frame.gate,
        "gate_detail": f"because {frame.gate}" if frame.gate else "",
        "embedding": list(vector) if readable else None,
    }

"""Frames on their way into the store: bytes, rows, shards, and what is known already."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa

from winnow.contracts.artifacts import write_table
from winnow.contracts.tables import FRAMES
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import FrameId, ShardId
from winnow.domain.tables import SourceRow
from winnow.ports.blobs import Blobs
from winnow.ports.frame_source import SourceFrame
from winnow.runtime.ingest_holdout import HoldoutPlan
from winnow.runtime.ingest_register import NewHoldout, NewShard
from winnow.runtime.ingest_rows import Row, bytes_of, frames_table, identity_of, row_of

PUTS_AT_ONCE = 16
"""Each put waits for the disk or the network; waiting together takes hardly longer than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """How a source is registered."""

    source_name: str = ""
    """Empty: what the source calls itself."""
    holdout_share: float = 0.0
    holdout_by: str = ""
    """`session`, `cluster`, or empty: sessions if there are several."""
    limit: int | None = None
    """Take so many frames, evenly spaced over the source."""
    vehicle: str = ""
    topic_prefix: str = "winnow."
    frames_per_shard: int = 512


@dataclass(frozen=True, slots=True)
class Known:
    """What is registered under this source's name."""

    row: SourceRow | None
    pool: frozenset[str]
    holdout: pa.Table | None

    @property
    def held(self) -> frozenset[str]:
        """Give the frames of the holdout."""
        return frozenset() if self.holdout is None else ids_of(self.holdout)


@dataclass
class Gathering:
    """Writes frames as they come; keeps one shard's rows and what the transaction needs."""

    blobs: Blobs
    threads: ThreadPoolExecutor
    source: str
    known: Known
    plan: HoldoutPlan
    options: IngestOptions
    n_known: int = 0
    shards: list[NewShard] = field(default_factory=list)
    holdout: list[Row] = field(default_factory=list)
    labels: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._open: list[Row] = []
        self._waiting: list[tuple[int, SourceFrame, FrameId]] = []
        self._done = set(self.known.pool | self.known.held)
        self._first_with: dict[bytes, str] = {}
        self._contradictions: list[str] = []

    def add(self, pos: int, frame: SourceFrame) -> None:
        """Take a frame in, unless it is registered; its bytes are stored with its neighbours'."""
        digest = hashlib.sha256(frame.data)
        self._hear(digest.digest(), frame)
        frame_id = identity_of(frame, source=self.source, sha256=digest.hexdigest())
        if frame_id in self._done:
            self.n_known += 1
            return
        self._done.add(frame_id)
        self._waiting.append((pos, frame, frame_id))
        if len(self._waiting) == PUTS_AT_ONCE:
            self._store_waiting()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of these frames: the same bytes under two labels."""
        found = self._contradictions
        if not found:
            return ()
        text = f"{len(found)} frame(s) repeat another one under a different label, first {found[0]}"
        return (f"{text}: one of the two labels is wrong",)

    def _hear(self, digest: bytes, frame: SourceFrame) -> None:
        if frame.label is None:
            return
        before = self._first_with.setdefault(digest, frame.label)
        if before != frame.label:
            self._contradictions.append(f"{frame.name} ({before} before)")

    def finish(self) -> None:
        """Store what is left."""
        self._store_waiting()
        self.close_shard()

    def _store_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        refs = list(self.threads.map(self._put, waiting))
        for (pos, frame, frame_id), ref in zip(waiting, refs, strict=True):
            vehicle = self.options.vehicle
            row = row_of(frame, frame_id=frame_id, ref=ref, pos=pos, vehicle=vehicle)
            self._keep(row, frame.label, held=pos in self.plan.positions)

    def _put(self, waiting: tuple[int, SourceFrame, FrameId]) -> BlobRef:
        pos, frame, _ = waiting
        prefix = "holdout/frames" if pos in self.plan.positions else "frames"
        return self.blobs.put(frame.data, prefix=prefix, media_type=frame.media_type)

    def _keep(self, row: Row, label: str | None, *, held: bool) -> None:
        if held:
            self.holdout.append(row)
            return
        self._open.append(row)
        if label is not None:
            self.labels.append((str(row["frame_id"]), label))
        if len(self._open) == self.options.frames_per_shard:
            self.close_shard()

    def close_shard(self) -> None:
        """Write the manifest of the frames gathered since the last one."""
        rows, self._open = self._open, []
        if not rows:
            return
        manifest = write_table(self.blobs, frames_table(rows), FRAMES, prefix="shards")
        times = [row["captured_at"] for row in rows]
        self.shards.append(
            NewShard(
                shard_id=ShardId(f"{self.source}-{manifest.sha256[:16]}"),
                n_frames=len(rows),
                size_bytes=bytes_of(rows),
                manifest=manifest,
                captured_from=min(times),  # type: ignore[type-var, arg-type]
                captured_to=max(times),  # type: ignore[type-var, arg-type]
            )
        )

    def new_holdout(self) -> NewHoldout | None:
        """Give what the holdout grew by, if it did."""
        if not self.holdout:
            return None
        ids = sorted(str(row["frame_id"]) for row in self.holdout)
        digest = hashlib.sha256("".join(ids).encode()).hexdigest()
        return NewHoldout(f"{self.source}-holdout-{digest[:16]}", bytes_of(self.holdout))


def ids_of(table: pa.Table) -> frozenset[str]:
    """Give a table's frames."""
    return frozenset(table.column("frame_id").to_pylist())

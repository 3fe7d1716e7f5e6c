"""From a source of frames to registered shards: what `winnow ingest` does.

Bytes first, then one transaction. Interrupted at any moment and started again it goes on where it
stopped; run twice it registers and pays once; run after the source grew it adds what is new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from winnow.contracts.artifacts import FRAMES, HOLDOUT, ORACLE, read_table, write_table
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.domain.ids import ShardId
from winnow.domain.tables import SHARDS, SOURCES, SourceRow
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.encoder import Encoder
from winnow.ports.frame_source import FrameSource, SourceFrame
from winnow.ports.ledger import Ledger
from winnow.runtime.ingest_holdout import NO_HOLDOUT, WAYS, HoldoutPlan, look, plan_holdout
from winnow.runtime.ingest_register import NewHoldout, NewShard, register
from winnow.runtime.ingest_rows import (
    Row,
    bytes_of,
    frames_table,
    holdout_table,
    identity_of,
    row_of,
)

OnProgress = Callable[[str, int, int], None]
"""Called with (what is being done, frames done, frames in all)."""


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
class IngestReport:
    """What an ingest did."""

    source: str
    class_names: tuple[str, ...]
    n_frames: int
    n_known: int
    """Frames that were registered before."""
    n_pool: int
    """Frames that are new in the pool."""
    n_holdout: int
    """Frames that are new in the holdout."""
    n_shards: int
    bytes_paid: int
    holdout: HoldoutPlan
    notes: tuple[str, ...]


def ingest_frames(
    source: FrameSource,
    *,
    ledger: Ledger,
    blobs: Blobs,
    clock: Clock,
    options: IngestOptions = IngestOptions(),
    encoder: Encoder | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> IngestReport:
    """Register the frames of a source that are not registered yet.

    Parameters
    ----------
    encoder
        Judges, beside the hash, which frames are near-duplicates when a holdout is drawn; None
        compares hashes alone.

    Raises
    ------
    BadInput
        The options make no sense for this source; nothing was registered.
    BudgetExceeded
        The upload budget does not cover the new frames; nothing was registered.
    """
    _check(options, source)
    name = options.source_name or source.name
    positions = _positions(source.n_frames, options.limit)
    known = _known(ledger, blobs, name)
    plan = _plan(source, positions, name, known, options, encoder, on_progress)
    gathered = _Gathering(blobs, name, known, plan, options)
    for done, (pos, frame) in enumerate(
        zip(positions, source.frames(positions), strict=True), start=1
    ):
        gathered.add(pos, frame)
        on_progress("storing frames", done, len(positions))
    gathered.close_shard()
    row = _source_row(blobs, name, source.class_names, known, gathered)
    paid = register(
        ledger,
        row,
        gathered.shards,
        gathered.new_holdout(),
        vehicle=options.vehicle,
        topic_prefix=options.topic_prefix,
        at=clock.now(),
    )
    return IngestReport(
        source=name,
        class_names=row.class_names,
        n_frames=len(positions),
        n_known=gathered.n_known,
        n_pool=sum(shard.n_frames for shard in gathered.shards),
        n_holdout=len(gathered.holdout),
        n_shards=len(gathered.shards),
        bytes_paid=paid,
        holdout=plan,
        notes=source.notes,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is registered under this source's name."""

    row: SourceRow | None
    pool: frozenset[str]
    holdout: pa.Table | None

    @property
    def held(self) -> frozenset[str]:
        return frozenset() if self.holdout is None else _ids(self.holdout)


@dataclass
class _Gathering:
    """Writes frames as they come; keeps one shard's rows and what the transaction needs."""

    blobs: Blobs
    source: str
    known: _Known
    plan: HoldoutPlan
    options: IngestOptions
    n_known: int = 0
    shards: list[NewShard] = field(default_factory=list)
    holdout: list[Row] = field(default_factory=list)
    labels: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._open: list[Row] = []
        self._done = set(self.known.pool | self.known.held)

    def add(self, pos: int, frame: SourceFrame) -> None:
        """Store a frame's bytes and row, unless it is registered."""
        sha256 = hashlib.sha256(frame.data).hexdigest()
        frame_id = identity_of(frame, source=self.source, sha256=sha256)
        if frame_id in self._done:
            self.n_known += 1
            return
        self._done.add(frame_id)
        held = pos in self.plan.positions
        prefix = "holdout/frames" if held else "frames"
        ref = self.blobs.put(frame.data, prefix=prefix, media_type=frame.media_type)
        row = row_of(frame, frame_id=frame_id, ref=ref, pos=pos, vehicle=self.options.vehicle)
        if held:
            self.holdout.append(row)
            return
        self._open.append(row)
        if frame.label is not None:
            self.labels.append((frame_id, frame.label))
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


def _check(options: IngestOptions, source: FrameSource) -> None:
    if options.holdout_by not in ("", *WAYS):
        msg = f"--by: expected {' or '.join(WAYS)}, found {options.holdout_by!r}"
        raise BadInput(msg)
    if not 0.0 <= options.holdout_share < 1.0:
        msg = f"--holdout: expected 0 or more and less than 1, found {options.holdout_share:g}"
        raise BadInput(msg)
    if options.limit is not None and options.limit < 1:
        msg = f"--limit: expected at least 1, found {options.limit}"
        raise BadInput(msg)
    if options.holdout_share and not source.class_names:
        msg = (
            f"--holdout: expected known labels to measure against, found none in {source.name} "
            f"({'; '.join(source.notes)}). Leave --holdout away, or put the images into one "
            "sub-folder per class."
        )
        raise BadInput(msg)


def _positions(n_frames: int, limit: int | None) -> list[int]:
    if limit is None or limit >= n_frames:
        return list(range(n_frames))
    # Evenly spaced and not the first ones: sources are often sorted by class or time.
    spaced: list[int] = (np.arange(limit) * n_frames // limit).tolist()
    return spaced


def _known(ledger: Ledger, blobs: Blobs, name: str) -> _Known:
    with ledger.snapshot() as view:
        row = view.records.get(SOURCES, name)
        shards = view.records.find(SHARDS, group=name)
    tables = [read_table(blobs, s.manifest, FRAMES, columns=["frame_id"]) for s in shards]
    holdout = read_table(blobs, row.holdout, HOLDOUT) if row and row.holdout else None
    return _Known(row, frozenset().union(*map(_ids, tables)), holdout)


def _ids(table: pa.Table) -> frozenset[str]:
    return frozenset(table.column("frame_id").to_pylist())


def _plan(
    source: FrameSource,
    positions: Sequence[int],
    name: str,
    known: _Known,
    options: IngestOptions,
    encoder: Encoder | None,
    on_progress: OnProgress,
) -> HoldoutPlan:
    if not options.holdout_share:
        return NO_HOLDOUT
    done = 0

    def on_frame() -> None:
        nonlocal done
        done += 1
        on_progress("drawing the holdout", done, len(positions))

    seen = look(source, positions, source_name=name, encoder=encoder, on_frame=on_frame)
    return plan_holdout(
        seen,
        positions,
        share=options.holdout_share,
        by=options.holdout_by,
        salt=name,
        in_holdout=known.held,
        in_pool=known.pool,
    )


def _source_row(
    blobs: Blobs,
    name: str,
    class_names: tuple[str, ...],
    known: _Known,
    gathered: _Gathering,
) -> SourceRow:
    before = known.row.class_names if known.row else ()
    added = tuple(label for label in class_names if label not in before)
    return SourceRow(
        key=name,
        class_names=before + added,
        holdout=_holdout_ref(blobs, known, gathered.holdout),
        oracle=_oracle_ref(blobs, known, gathered.labels),
    )


def _holdout_ref(blobs: Blobs, known: _Known, rows: Sequence[Row]) -> BlobRef | None:
    before = known.row.holdout if known.row else None
    if not rows:
        return before
    old = [] if known.holdout is None else known.holdout.to_pylist()
    return write_table(blobs, holdout_table([*old, *rows]), HOLDOUT, prefix="holdout/tables")


def _oracle_ref(blobs: Blobs, known: _Known, labels: Sequence[tuple[str, str]]) -> BlobRef | None:
    before = known.row.oracle if known.row else None
    if not labels:
        return before
    old = read_table(blobs, before, ORACLE).to_pylist() if before else []
    new = [{"frame_id": frame_id, "label": label} for frame_id, label in labels]
    rows = sorted([*old, *new], key=lambda row: row["frame_id"])
    return write_table(blobs, pa.Table.from_pylist(rows, schema=ORACLE), ORACLE, prefix="oracle")

"""What embedding does with its one input."""

from __future__ import annotations

from collections.abc import Sequence

from embedding.metrics import BLOCKED, FRAMES, SHARDS
from winnow.constraints.gates import GateThresholds
from winnow.domain.events import Event, FramesEmbedded, FramesIngested
from winnow.domain.tables import EMBEDDED_SHARDS, EmbeddedShardRow
from winnow.ports.blobs import Blobs
from winnow.ports.encoder import Encoder
from winnow.ports.ledger import Transaction
from winnow.tasks.shard_embedding import embed_shard


def on_frames_ingested(
    event: FramesIngested,
    /,
    *,
    tx: Transaction,
    blobs: Blobs,
    encoder: Encoder,
    thresholds: GateThresholds,
    frames_per_call: int,
    pixels_max: int,
) -> Sequence[Event]:
    """Measure a shard's frames, register the result, pass it on."""
    embedded = embed_shard(
        blobs,
        encoder,
        event.manifest,
        thresholds=thresholds,
        frames_per_call=frames_per_call,
        pixels_max=pixels_max,
    )
    row = EmbeddedShardRow(
        key=event.shard_id,
        encoder_version=encoder.version,
        n_frames=embedded.n_frames,
        n_blocked_by_gate=embedded.n_blocked_by_gate,
        embedded=embedded.table,
    )
    if not tx.records.insert(EMBEDDED_SHARDS, row):
        # Ingested again after a change of encoder or thresholds: the newest result counts.
        tx.records.update(EMBEDDED_SHARDS, row.key, lambda _: row)
    _count(row)
    return [
        FramesEmbedded(
            shard_id=event.shard_id,
            encoder_version=row.encoder_version,
            n_frames=row.n_frames,
            n_blocked_by_gate=row.n_blocked_by_gate,
            embedded=row.embedded,
        )
    ]


def _count(row: EmbeddedShardRow) -> None:
    SHARDS.inc()
    FRAMES.inc(row.n_frames)
    for gate, n_frames in row.n_blocked_by_gate:
        BLOCKED.labels(gate).inc(n_frames)

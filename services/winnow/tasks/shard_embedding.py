"""A shard's frames to gates, hashes and embeddings: what the embedding service computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from winnow.constraints.gates import (
    PASSED,
    Finding,
    Gate,
    GateThresholds,
    flag_gate,
    quality_gate,
)
from winnow.constraints.perceptual_hash import SIDE, perceptual_hash
from winnow.constraints.pixels import luma, shrink
from winnow.contracts.artifacts import read_table, write_table
from winnow.contracts.references import frame_refs
from winnow.contracts.tables import EMBEDDED, FRAMES
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, IntegrityError, NotFound, SchemaMismatch
from winnow.ports.blobs import Blobs
from winnow.ports.encoder import Encoder
from winnow.tasks.decode import PIXELS_MAX, decode_rgb

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class EmbeddedShard:
    """A shard's table and what its gates found."""

    table: BlobRef
    n_frames: int
    n_blocked_by_gate: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Measured:
    """What is known of one frame; all but the finding is absent if it was not decoded."""

    finding: Finding
    width: int | None = None
    height: int | None = None
    phash: int | None = None
    embedding: npt.NDArray[np.float32] | None = None


def embed_shard(
    blobs: Blobs,
    encoder: Encoder,
    manifest: BlobRef,
    *,
    thresholds: GateThresholds,
    frames_per_call: int = 16,
    pixels_max: int = PIXELS_MAX,
) -> EmbeddedShard:
    """Measure every frame of a shard and store the result, one row for each, in its order.

    At most `frames_per_call` decoded frames are in memory at once. A frame that cannot be decoded
    keeps its row with gate `unreadable`; one that is blocked for privacy is not even read.

    Raises
    ------
    SchemaMismatch
        The manifest is no shard manifest, or the encoder gave vectors that are not what it says.
    """
    frames = read_table(blobs, manifest, FRAMES)
    measured: list[_Measured] = []
    for start in range(0, len(frames), frames_per_call):
        portion = frames.slice(start, frames_per_call)
        measured += _measure(portion, blobs, encoder, thresholds, pixels_max)
    ref = write_table(blobs, _table(frames, measured), EMBEDDED, prefix="embedded")
    gates = Counter(m.finding.gate for m in measured if m.finding.gate)
    return EmbeddedShard(ref, len(frames), tuple(sorted((str(g), n) for g, n in gates.items())))


def _measure(
    portion: pa.Table, blobs: Blobs, encoder: Encoder, thresholds: GateThresholds, pixels_max: int
) -> list[_Measured]:
    refs = frame_refs(portion)
    private = portion.column("privacy_blocked").to_pylist()
    calibrated = portion.column("calibrated").to_pylist()
    decoded = [
        _decode(blobs, ref, privacy_blocked=bool(blocked), pixels_max=pixels_max)
        for ref, blocked in zip(refs, private, strict=True)
    ]
    measured = [
        _look(pixels, calibrated=bool(known), thresholds=thresholds)
        if isinstance(pixels, np.ndarray)
        else _Measured(pixels)
        for pixels, known in zip(decoded, calibrated, strict=True)
    ]
    readable = [pos for pos, pixels in enumerate(decoded) if isinstance(pixels, np.ndarray)]
    vectors = encoded(encoder, [p for p in decoded if isinstance(p, np.ndarray)])
    for pos, vector in zip(readable, vectors, strict=True):
        measured[pos] = replace(measured[pos], embedding=vector)
    return measured


def _decode(
    blobs: Blobs, ref: BlobRef, *, privacy_blocked: bool, pixels_max: int
) -> Pixels | Finding:
    finding = flag_gate(privacy_blocked=privacy_blocked)
    if finding is not PASSED:
        return finding
    try:
        return decode_rgb(blobs.get(ref), pixels_max=pixels_max)
    except (BadInput, IntegrityError, NotFound) as error:
        # One damaged frame must not keep the other 511 of its shard out of the pool.
        return Finding(Gate.UNREADABLE, str(error))


def _look(pixels: Pixels, *, calibrated: bool, thresholds: GateThresholds) -> _Measured:
    height, width = pixels.shape[:2]
    return _Measured(
        finding=quality_gate(pixels, calibrated=calibrated, thresholds=thresholds),
        width=width,
        height=height,
        phash=perceptual_hash(luma(shrink(pixels, side=SIDE))),
    )


def encoded(encoder: Encoder, frames: Sequence[Pixels]) -> npt.NDArray[np.float32]:
    """Give an encoder's vectors, float32 [N, D].

    Raises
    ------
    SchemaMismatch
        They are not as many, not as long as it says, or not finite.
    """
    if not frames:
        return np.empty((0, encoder.dimension), dtype=np.float32)
    embeddings_ND = encoder.encode(frames)
    expected = (len(frames), encoder.dimension)
    if embeddings_ND.shape != expected or not np.isfinite(embeddings_ND).all():
        found = "numbers that are not finite" if embeddings_ND.shape == expected else "shape "
        shape = "" if embeddings_ND.shape == expected else str(embeddings_ND.shape)
        msg = f"encoder {encoder.version}: expected {expected} finite numbers, found {found}{shape}"
        raise SchemaMismatch(msg)
    return embeddings_ND


def _table(frames: pa.Table, measured: Sequence[_Measured]) -> pa.Table:
    columns = {
        "width": [m.width for m in measured],
        "height": [m.height for m in measured],
        "phash": [m.phash for m in measured],
        "gate": [str(m.finding.gate) for m in measured],
        "gate_detail": [m.finding.detail for m in measured],
        "embedding": [m.embedding for m in measured],
    }
    table = frames.select(FRAMES.names)
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, EMBEDDED.field(name).type))
    return table

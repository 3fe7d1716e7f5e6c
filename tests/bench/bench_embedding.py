"""Duplicates over a pool beside a blocked comparison of all pairs; a shard beside its decoding."""

from __future__ import annotations

import io
import os
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.constraints.duplicates import duplicate_clusters
from winnow.constraints.gates import GateThresholds
from winnow.contracts.artifacts import write_table
from winnow.contracts.tables import FRAMES
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import FrameId
from winnow.ports.frame_source import SourceFrame
from winnow.runtime.ingest_rows import UNKNOWN_TIME, frames_table, row_of
from winnow.tasks.decode import decode_rgb
from winnow.tasks.shard_embedding import embed_shard

N_HASHES = 100_000
BITS = 4
BLOCK = 512
N_FRAMES = 128
DUPLICATES_RATIO_GOAL = 10.0
DECODE_RATIO_GOAL = 0.1

Hashes = npt.NDArray[np.uint64]
T = TypeVar("T")


def run() -> list[dict[str, object]]:
    """Measure both."""
    return [_duplicates(), _shard()]


def _duplicates() -> dict[str, object]:
    hashes = _pool_hashes()
    digests = [f"{number:08x}" for number in range(N_HASHES)]
    hashed = np.ones(N_HASHES, dtype=np.bool_)
    ours, clusters = _timed(
        lambda: duplicate_clusters(
            digests,
            hashes,
            hashed_N=hashed,
            embeddings_ND=None,
            hash_bits_max=BITS,
            cosine_min=0.0,
        )
    )
    peer, n_components = _timed(lambda: _all_pairs(hashes))
    same = len(np.unique(clusters)) == n_components
    return _row(
        f"duplicate clusters of {N_HASHES} hashes within {BITS} bits",
        ours,
        "blocked NumPy, all pairs",
        peer,
        goal=f"≥ {DUPLICATES_RATIO_GOAL:g}x, same clusters",
        holds=same and peer / ours >= DUPLICATES_RATIO_GOAL,
    )


def _pool_hashes() -> Hashes:
    """Give four frames in five that look like no other, and one that is near another."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, N_HASHES, dtype=np.uint64)
    n_copies = N_HASHES // 5
    flips = np.uint64(1) << rng.integers(0, 64, (3, n_copies), dtype=np.uint64)
    hashes[-n_copies:] = hashes[:n_copies] ^ flips[0] ^ flips[1] ^ flips[2]
    return hashes


def _all_pairs(hashes: Hashes) -> int:
    left, right = [], []
    for start in range(0, len(hashes), BLOCK):
        near = np.bitwise_count(hashes[start : start + BLOCK, None] ^ hashes[None, start:]) <= BITS
        rows, columns = np.nonzero(near)
        left.append(rows + start)
        right.append(columns + start)
    pairs = (np.concatenate(left), np.concatenate(right))
    ones = np.ones(len(pairs[0]), dtype=np.bool_)
    graph = coo_array((ones, pairs), shape=(len(hashes), len(hashes)))
    n_components: int = connected_components(graph, directed=False)[0]
    return n_components


def _shard() -> dict[str, object]:
    frames = [_jpeg(seed) for seed in range(N_FRAMES)]
    with tempfile.TemporaryDirectory() as folder:
        blobs = FileBlobs(Path(folder))
        manifest = _manifest(blobs, frames)
        ours, shard = _timed(
            lambda: embed_shard(blobs, PixelEncoder(), manifest, thresholds=GateThresholds())
        )
    peer, _ = _timed(lambda: [decode_rgb(frame) for frame in frames])
    return _row(
        f"embed {N_FRAMES} frames of 640x380: gates, hash, vector",
        ours,
        "decoding them alone",
        peer,
        goal=f"≥ {DECODE_RATIO_GOAL:g}x",
        holds=shard.n_frames == N_FRAMES and peer / ours >= DECODE_RATIO_GOAL,
    )


def _jpeg(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (38, 64, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(coarse).resize((640, 380)).save(sink, format="JPEG", quality=90)
    return sink.getvalue()


def _manifest(blobs: FileBlobs, frames: list[bytes]) -> BlobRef:
    rows = []
    for pos, data in enumerate(frames):
        ref = blobs.put(data, prefix="frames", media_type="image/jpeg")
        at = UNKNOWN_TIME + timedelta(seconds=pos)
        frame = SourceFrame(data, f"{pos}", "image/jpeg", captured_at=at)
        row = row_of(frame, frame_id=FrameId(f"{pos:032x}"), ref=ref, pos=pos, vehicle="")
        rows.append(row)
    return write_table(blobs, frames_table(rows), FRAMES, prefix="shards")


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _row(
    name: str, ours: float, peer_name: str, peer: float, *, goal: str, holds: bool
) -> dict[str, object]:
    return {
        "name": name,
        "ours_seconds": round(ours, 3),
        "peer": peer_name,
        "peer_seconds": round(peer, 3),
        "ratio": round(peer / ours, 2),
        "goal": goal,
        "holds": holds,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cores": os.cpu_count() or 1,
    }

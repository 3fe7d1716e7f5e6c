"""A small pool as embedding, rounds and scoring would have stored it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from winnow.contracts.artifacts import write_manifest, write_table
from winnow.contracts.manifests import Scores, Snapshot, SnapshotPart
from winnow.contracts.tables import (
    DETECTION_SCORES,
    EMBEDDED,
    HELD_FRAMES,
    LABELED,
    LABELED_FRAMES,
    SCORES,
    SNAPSHOT_PART,
)
from winnow.domain.blob_ref import BlobRef
from winnow.domain.events import PoolScored, ScoreKind
from winnow.domain.ids import RoundId
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.policy.model import parse_policy
from winnow.ports.blobs import Blobs

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
CLASSES = ("car", "person", "sign")
MEMBERS = ("m0", "m1", "m2")
DIMENSION = 5
ROUND = RoundId("r1")
SIDE = 8
"""Width and height of every frame, pixels."""
LABELS = {CLASSIFICATION: "car", DETECTION: '[{"box":[1,1,4,4],"class":"car"}]'}
"""What people said of the labeled frames."""


def frame_id(i: int) -> str:
    """Ids whose order is not that of the frames."""
    return f"{(i * 2654435761) % 2**32:08x}{i:024x}"


@dataclass(frozen=True, slots=True)
class StoredPool:
    """A pool of `n_frames` in shards of ten; every seventh frame is gated."""

    event: PoolScored
    eligible: tuple[str, ...]
    gated: tuple[str, ...]
    labeled: BlobRef


def store_pool(
    blobs: Blobs,
    policy: str = "",
    *,
    n_frames: int = 40,
    committee: bool = True,
    unscored: int = 0,
    seed: int = 11,
    tags: Callable[[int], str] = lambda _: "{}",
    labeled_at: tuple[int, ...] = (),
    held_at: tuple[int, ...] = (),
    held_looks: npt.NDArray[np.float32] | None = None,
) -> StoredPool:
    """Store all of it, scored by a committee of the policy's kind.

    `labeled_at` names frames beside which the three labeled ones were taken, `held_at` such
    beside which other rounds hold some, `held_looks` their embeddings; without those as snapshots
    of earlier versions did.
    """
    rng = np.random.default_rng(seed)
    parts = [
        _part(blobs, rng, start, min(10, n_frames - start), tags)
        for start in range(0, n_frames, 10)
    ]
    ids = [frame_id(i) for i in range(n_frames)]
    eligible = [f for i, f in enumerate(ids) if i % 7]
    policy_text = parse_policy(policy)
    kind = policy_text.label.kind
    labeled = _labeled(blobs, rng, labeled_at, tags, label=LABELS[kind])
    snapshot = Snapshot(
        round_id=ROUND,
        label_task=policy_text.label.task,
        class_names=CLASSES,
        encoder_version="mini-1",
        embedding_dimension=DIMENSION,
        parts=tuple(parts),
        n_frames=n_frames,
        n_eligible=len(eligible),
        labeled=labeled,
        committee_version="c0" if committee else "",
        members=None,
        holdouts=(),
        budget_ids=(("human_annotation", "human_annotation"),),
        label_kind=kind,
        held=_held(blobs, held_at, tags, held_looks),
    )
    scored = eligible[: len(eligible) - unscored]
    event = PoolScored(
        round_id=ROUND,
        kind=ScoreKind.COMMITTEE if committee else ScoreKind.NONE,
        n_frames=len(eligible),
        n_scored=len(scored) if committee else 0,
        members_expected=MEMBERS if committee else (),
        members_answered=MEMBERS if committee else (),
        gpu_ms=0,
        scores=_scores(blobs, rng, scored, kind) if committee else None,
        snapshot=write_manifest(blobs, snapshot, prefix="snapshots"),
        policy=blobs.put(policy_text.canonical(), prefix="policies", media_type="application/json"),
        seed=5,
    )
    return StoredPool(event, tuple(eligible), tuple(f for f in ids if f not in eligible), labeled)


def _part(
    blobs: Blobs, rng: np.random.Generator, start: int, n: int, tags: Callable[[int], str]
) -> SnapshotPart:
    rows = range(start, start + n)
    frames = {
        "frame_id": [frame_id(i) for i in rows],
        "bucket": ["files"] * n,
        "key": [f"frames/{i}" for i in rows],
        "sha256": ["ab" * 32] * n,
        "size_bytes": [100 + i for i in rows],
        "media_type": ["image/png"] * n,
        "captured_at": [START + timedelta(seconds=i) for i in rows],
        "session": [f"s{i // 20}" for i in rows],
        "sensor": ["front"] * n,
        "vehicle": ["v1"] * n,
        "site": ["yard"] * n,
        "tags": [tags(i) for i in rows],
        "privacy_blocked": [False] * n,
        "calibrated": [True] * n,
    }
    embedded: dict[str, Any] = {
        **frames,
        "width": [SIDE] * n,
        "height": [SIDE] * n,
        "phash": np.zeros(n, dtype=np.uint64),
        "gate": [""] * n,
        "gate_detail": [""] * n,
        "embedding": list(rng.standard_normal((n, DIMENSION)).astype(np.float32)),
    }
    gates = ["" if i % 7 else ("duplicate" if i % 2 else "dark") for i in rows]
    part = {
        **frames,
        "row": np.arange(n, dtype=np.int32)[::-1],  # not the order of the embedded table
        "gate": gates,
        "gate_detail": ["" if not gate or gate == "duplicate" else "p99 3.0" for gate in gates],
        "cluster": [
            frame_id(i + 1 if gate == "duplicate" else i)
            for i, gate in zip(rows, gates, strict=True)
        ],
        "cluster_size": np.ones(n, dtype=np.int32),
    }
    backwards = {name: list(values)[::-1] for name, values in embedded.items()}
    return SnapshotPart(
        part=write_table(
            blobs, pa.table(part, schema=SNAPSHOT_PART), SNAPSHOT_PART, prefix="parts"
        ),
        embedded=write_table(
            blobs, pa.table(backwards, schema=EMBEDDED), EMBEDDED, prefix="embedded"
        ),
        n_frames=n,
    )


def _labeled(
    blobs: Blobs,
    rng: np.random.Generator,
    at: tuple[int, ...],
    tags: Callable[[int], str],
    *,
    label: str,
) -> BlobRef:
    """Store three labels; without places as snapshots of earlier versions did."""
    rows: dict[str, Any] = {
        "frame_id": [frame_id(1000 + i) for i in range(3)],
        "label": [label] * 3,
        "embedding": list(rng.standard_normal((3, DIMENSION)).astype(np.float32)),
    }
    if not at:
        return write_table(blobs, pa.table(rows, schema=LABELED), LABELED, prefix="labeled")
    rows |= _places(at, tags) | {"cluster": rows["frame_id"]}
    table = pa.table(rows, schema=LABELED_FRAMES)
    return write_table(blobs, table, LABELED_FRAMES, prefix="labeled")


def _held(
    blobs: Blobs,
    at: tuple[int, ...],
    tags: Callable[[int], str],
    looks: npt.NDArray[np.float32] | None,
) -> BlobRef | None:
    if not at:
        return None
    ids = [frame_id(2000 + i) for i in range(len(at))]
    rows: dict[str, Any] = {"frame_id": ids, "cluster": ids, **_places(at, tags)}
    schema = HELD_FRAMES
    if looks is None:
        schema = pa.schema(field for field in HELD_FRAMES if field.name != "embedding")
    else:
        rows["embedding"] = list(looks)
    return write_table(blobs, pa.table(rows, schema=schema), schema, prefix="held")


def _places(at: tuple[int, ...], tags: Callable[[int], str]) -> dict[str, Any]:
    return {
        "captured_at": [START + timedelta(seconds=i) for i in at],
        "session": [f"s{i // 20}" for i in at],
        "sensor": ["front"] * len(at),
        "vehicle": ["v1"] * len(at),
        "site": ["yard"] * len(at),
        "tags": [tags(i) for i in at],
    }


def _scores(blobs: Blobs, rng: np.random.Generator, frame_ids: list[str], kind: str) -> BlobRef:
    shuffled = [frame_ids[i] for i in rng.permutation(len(frame_ids))]
    schema, said = (
        (DETECTION_SCORES, _detected(rng, len(shuffled)))
        if kind == DETECTION
        else (SCORES, _classified(rng, len(shuffled)))
    )
    table = pa.table({"frame_id": shuffled, **said}, schema=schema)
    scores = Scores(
        round_id=ROUND,
        committee_version="c0",
        members=MEMBERS,
        class_names=CLASSES,
        parts=(write_table(blobs, table, schema, prefix="scores"),),
        n_scored=len(shuffled),
        member_digests=tuple((member, "cd" * 32) for member in MEMBERS),
        label_kind=kind,
    )
    return write_manifest(blobs, scores, prefix="scores")


def _classified(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    probs = rng.dirichlet(np.ones(len(CLASSES)), (n, len(MEMBERS)))
    return {"probs": list(probs.reshape(n, len(MEMBERS) * len(CLASSES)).astype(np.float32))}


def _detected(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    information = rng.uniform(0.0, 0.6, (n, len(CLASSES))).astype(np.float32)
    boxes = [[{"box": [1, 1, 4, 4], "class": "car", "score": one}] for one in rng.random(n)]
    return {"information": list(information), "boxes": [json.dumps(one) for one in boxes]}

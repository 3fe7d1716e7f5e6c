"""A tiny world of three kinds of frames, its dataset snapshot and holdout in a blob store."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from PIL import Image

from winnow.contracts.artifacts import write_manifest, write_table
from winnow.contracts.manifests import Dataset
from winnow.contracts.tables import DATASET, HOLDOUT
from winnow.domain.blob_ref import BlobRef
from winnow.policy.model import Policy
from winnow.policy.training_section import TrainingSection
from winnow.ports.blobs import Blobs

CLASSES = ("bar", "cross", "ring")
POLICY = Policy(
    name="toy",
    seed=7,
    training=TrainingSection(
        members=2,
        epochs=25,
        steps_min=0,
        batch_size=16,
        input_pixels=8,
        width=4,
        calibration_share=0.2,
    ),
)


def frame(label: str, number: int) -> bytes:
    """Give a noisy 8 x 8 PNG of a class."""
    rng = np.random.default_rng([CLASSES.index(label), number])
    grey = rng.integers(0, 60, size=(8, 8))
    if label == "bar":
        grey[:, 3:5] += 180
    elif label == "cross":
        grey[np.arange(8), np.arange(8)] += 180
        grey[np.arange(8), 7 - np.arange(8)] += 180
    else:
        grey[[1, 6], 1:7] += 180
        grey[1:7, [1, 6]] += 180
    sink = io.BytesIO()
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def frame_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def put_frames(blobs: Blobs, start: int, stop: int) -> tuple[list[str], list[BlobRef]]:
    """Store frames of alternating classes; give their labels and references."""
    labels = [CLASSES[n % 3] for n in range(start, stop)]
    refs = [
        blobs.put(frame(label, n), prefix="frames", media_type="image/png")
        for n, label in zip(range(start, stop), labels, strict=True)
    ]
    return labels, refs


def columns_of(refs: list[BlobRef]) -> dict[str, list[object]]:
    names = ("bucket", "key", "sha256", "size_bytes", "media_type")
    return {name: [getattr(ref, name) for ref in refs] for name in names}


def frame_columns(start: int, refs: list[BlobRef]) -> dict[str, list[object]]:
    """Give the columns of `FRAMES`."""
    n = len(refs)
    same: dict[str, object] = {
        "captured_at": datetime(2026, 1, 1, tzinfo=UTC),
        "session": "s",
        "sensor": "cam",
        "vehicle": "v",
        "site": "here",
        "tags": "{}",
        "privacy_blocked": False,
        "calibrated": True,
    }
    ids: list[object] = [frame_id(start + pos) for pos in range(n)]
    return {
        "frame_id": ids,
        **columns_of(refs),
        **{name: [value] * n for name, value in same.items()},
    }


def put_holdout(
    blobs: Blobs, *, start: int = 1000, n: int = 12, session: str | None = "s"
) -> BlobRef:
    labels, refs = put_frames(blobs, start, start + n)
    columns = {**frame_columns(start, refs), "label": labels, "session": [session] * n}
    return write_table(blobs, pa.table(columns, schema=HOLDOUT), HOLDOUT, prefix="holdout")


def put_dataset(
    blobs: Blobs,
    *,
    n: int = 30,
    policy: Policy = POLICY,
    holdouts: tuple[BlobRef, ...] | None = None,
    labels: Mapping[int, str] = MappingProxyType({}),
    class_names: tuple[str, ...] = CLASSES,
    sessions: Sequence[str] | None = None,
) -> BlobRef:
    """Store a dataset snapshot of n labels (some replaced by `labels`); give its reference."""
    texts, refs = put_frames(blobs, 0, n)
    columns = {
        "frame_id": [frame_id(pos) for pos in range(n)],
        **columns_of(refs),
        "label": [labels.get(pos, text) for pos, text in enumerate(texts)],
        "revision": [1] * n,
        "round_id": ["r0"] * n,
        "state": ["approved_for_training"] * n,
        "arm": ["policy"] * n,
        "inclusion_probability": [1.0] * n,
        "lure_weight": [None] * n,
        "session": [None] * n if sessions is None else sessions,
        "cluster": [None] * n,
    }
    table = write_table(blobs, pa.table(columns, schema=DATASET), DATASET, prefix="datasets")
    dataset = Dataset(
        round_id="r0",
        promotion_seq=1,
        label_task="classification",
        class_names=class_names,
        allowed_use="production_training",
        table=table,
        n_labels=n,
        holdouts=(put_holdout(blobs),) if holdouts is None else holdouts,
        policy=blobs.put(policy.canonical(), prefix="policies", media_type="application/json"),
        seed=7,
    )
    return write_manifest(blobs, dataset, prefix="datasets")

"""A tiny world of frames with boxes: its dataset snapshot and holdout in a blob store."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
from PIL import Image

from tests.unit.tasks.scenes import CLASSES, HEIGHT, WIDTH, scene
from tests.unit.training.toy_world import columns_of, frame_columns, frame_id
from winnow.contracts.artifacts import write_manifest, write_table
from winnow.contracts.manifests import Dataset
from winnow.contracts.tables import DATASET, HOLDOUT
from winnow.domain.blob_ref import BlobRef
from winnow.policy.model import Policy, parse_policy
from winnow.ports.blobs import Blobs

POLICY = f"""
name: toy roads
label: {{kind: detection}}
training:
  members: 2
  epochs: 20
  steps_min: 0
  learning_rate: 0.01
  mixed_precision: false
  width: 4
  input_height: {HEIGHT}
  input_width: {WIDTH}
  calibration_share: 0.2
"""


def policy(more: str = "") -> Policy:
    return parse_policy(POLICY + more)


def frame(number: int) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.moveaxis(scene(number)[0], 0, 2)).save(sink, "PNG")
    return sink.getvalue()


def put_roads(
    blobs: Blobs,
    *,
    n: int = 60,
    n_holdout: int = 24,
    policy: Policy,
    labels: dict[int, str] | None = None,
    holdout_start: int = 1000,
    class_names: tuple[str, ...] = CLASSES,
) -> BlobRef:
    """Store a snapshot of n labels (some replaced by `labels`), and a holdout of four sessions."""
    refs, texts = _frames(blobs, 0, n)
    texts = [(labels or {}).get(pos, text) for pos, text in enumerate(texts)]
    columns = {
        "frame_id": [frame_id(pos) for pos in range(n)],
        **columns_of(refs),
        "label": texts,
        "revision": [1] * n,
        "round_id": ["r0"] * n,
        "state": ["approved_for_training"] * n,
        "arm": ["policy"] * n,
        "inclusion_probability": [None if pos % 3 else 0.25 for pos in range(n)],
        "lure_weight": [None if pos % 3 else 0.25 * (pos % 12) for pos in range(n)],
        "session": [f"t{pos // 4}" for pos in range(n)],
        "cluster": [None] * n,
    }
    dataset = Dataset(
        round_id="r0",
        promotion_seq=1,
        label_task="objects",
        class_names=class_names,
        allowed_use="production_training",
        table=write_table(blobs, pa.table(columns, schema=DATASET), DATASET, prefix="datasets"),
        n_labels=n,
        holdouts=(_holdout(blobs, holdout_start, n_holdout),) if n_holdout else (),
        policy=blobs.put(policy.canonical(), prefix="policies", media_type="application/json"),
        seed=7,
        label_kind="detection",
    )
    return write_manifest(blobs, dataset, prefix="datasets")


def _frames(blobs: Blobs, start: int, stop: int) -> tuple[list[BlobRef], list[str]]:
    numbers = range(start, stop)
    refs = [blobs.put(frame(n), prefix="frames", media_type="image/png") for n in numbers]
    return refs, [scene(n)[1] for n in numbers]


def _holdout(blobs: Blobs, start: int, n: int) -> BlobRef:
    refs, texts = _frames(blobs, start, start + n)
    columns = {
        **frame_columns(start, refs),
        "session": [f"s{pos % 4}" for pos in range(n)],
        "tags": ['{"time":"night"}' if pos % 4 == 0 else '{"time":"day"}' for pos in range(n)],
        "label": texts,
    }
    return write_table(blobs, pa.table(columns, schema=HOLDOUT), HOLDOUT, prefix="holdout")

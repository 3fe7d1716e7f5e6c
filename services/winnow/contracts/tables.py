"""Schemas of the Parquet tables between services: rows are frames, or labels.

Whoever writes a table checks it against its schema here, and whoever reads it checks again.
"""

from __future__ import annotations

import pyarrow as pa

from winnow.domain.labels import DETECTION

LATER = {b"later": b"tables of earlier versions lack this column; read, it is null"}
"""Marks such columns in a schema; it is not written."""

_BLOB = [
    ("bucket", pa.string()),
    ("key", pa.string()),
    ("sha256", pa.string()),
    ("size_bytes", pa.int64()),
    ("media_type", pa.string()),
]

FRAMES = pa.schema(
    [
        ("frame_id", pa.string()),
        *_BLOB,
        ("captured_at", pa.timestamp("us", tz="UTC")),
        ("session", pa.string()),
        ("sensor", pa.string()),
        ("vehicle", pa.string()),
        ("site", pa.string()),
        ("tags", pa.string()),  # canonical JSON object
        ("privacy_blocked", pa.bool_()),
        ("calibrated", pa.bool_()),
    ]
)
"""Shard manifest. Column `key` and its neighbours are the reference of the frame's bytes."""

HOLDOUT = pa.schema([*FRAMES, pa.field("label", pa.string())])
"""Frames that are never queried, with their labels; lies under its own prefix."""

ORACLE = pa.schema([("frame_id", pa.string()), ("label", pa.string())])
"""What is known of frames, or what somebody says of them."""

EMBEDDED = pa.schema(
    [
        *FRAMES,
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("phash", pa.uint64()),
        pa.field("gate", pa.string()),  # first gate that blocks the frame, or empty
        pa.field("gate_detail", pa.string()),
        pa.field("embedding", pa.list_(pa.float32())),  # null where the frame is unreadable
    ]
)

SNAPSHOT_PART = pa.schema(
    [
        *FRAMES,
        pa.field("row", pa.int32()),  # row of the frame in the part's embedded table
        pa.field("gate", pa.string()),  # now also `duplicate` for all but a representative
        pa.field("gate_detail", pa.string()),
        pa.field("cluster", pa.string()),  # frame_id of the cluster's representative
        pa.field("cluster_size", pa.int32()),
    ]
)

LABELED = pa.schema(
    [("frame_id", pa.string()), ("label", pa.string()), ("embedding", pa.list_(pa.float32()))]
)
"""What every table of labels has."""

LABELED_FRAMES = pa.schema(
    [
        *LABELED,
        *(FRAMES.field(n) for n in ("captured_at", "session", "sensor", "vehicle", "site", "tags")),
        pa.field("cluster", pa.string()),  # frame_id of the cluster's representative
    ]
)
"""Labels as snapshots list them now: gaps, caps and coverage count where these frames are from."""

HELD_FRAMES = pa.schema(
    [
        *(field for field in LABELED_FRAMES if field.name not in ("label", "embedding")),
        LABELED.field("embedding").with_metadata(LATER),  # null where a frame has none
    ]
)
"""Frames that other rounds hold and nobody has answered yet: they count there, too."""

SCORES = pa.schema([("frame_id", pa.string()), ("probs", pa.list_(pa.float32()))])
"""`probs` is member-major: value of member m and class c at m * n_classes + c."""

DETECTION_SCORES = pa.schema(
    [
        ("frame_id", pa.string()),
        ("information", pa.list_(pa.float32())),  # of each class's map, nats
        ("boxes", pa.string()),  # of the mean map, with scores: see `ports.committee`
    ]
)
"""What a committee of detection networks says together."""

CANDIDATES = pa.schema(
    [
        ("frame_id", pa.string()),
        ("cluster", pa.string()),
        ("gate", pa.string()),
        ("score", pa.float64()),  # final acquisition score; null without one
        ("components", pa.string()),  # canonical JSON: name -> number
        ("selected", pa.bool_()),
        ("rank", pa.int32()),  # position in the batch, null unless selected
        ("arm", pa.string()),  # policy, random, both or empty
        ("utility", pa.float64()),
        ("reason", pa.string()),
        ("inclusion_probability", pa.float64()),
        ("draw_probability", pa.float64()),
        ("price_micros", pa.int64()),
    ]
)
"""Candidate score records: one row for each frame of the snapshot, chosen or not, and why."""

BATCH = pa.schema(
    [
        ("rank", pa.int32()),
        ("frame_id", pa.string()),
        *_BLOB,
        ("session", pa.string()),
        ("site", pa.string()),
        ("cluster", pa.string()),
        ("arm", pa.string()),
        ("score", pa.float64()),
        ("utility", pa.float64()),
        ("reason", pa.string()),
        ("inclusion_probability", pa.float64()),
        ("draw_probability", pa.float64()),
        ("price_micros", pa.int64()),
        ("pre_label", pa.string()),  # empty without a committee
        ("pre_label_score", pa.float64()),
        # See `winnow.estimation.united_weights`; null: undefined.
        pa.field("lure_weight", pa.float64(), metadata=LATER),
    ]
)

DETECTION_BATCH = pa.schema([*BATCH, pa.field("width", pa.int32()), pa.field("height", pa.int32())])
"""With the size of each upright frame, where it is known: answers are checked against it."""

DATASET = pa.schema(
    [
        ("frame_id", pa.string()),
        *_BLOB,
        ("label", pa.string()),
        ("revision", pa.int32()),
        ("round_id", pa.string()),
        ("state", pa.string()),
        ("arm", pa.string()),
        ("inclusion_probability", pa.float64()),
        pa.field("lure_weight", pa.float64(), metadata=LATER),
        pa.field("session", pa.string(), metadata=LATER),
        pa.field("cluster", pa.string(), metadata=LATER),
    ]
)


def batch_schema(label_kind: str) -> pa.Schema:
    """Give the schema of a batch for labels of a kind."""
    return DETECTION_BATCH if label_kind == DETECTION else BATCH

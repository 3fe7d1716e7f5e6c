"""The files that references point to: Parquet tables and JSON manifests between services.

A table's rows are frames (or labels); a manifest is a small JSON document that lists tables.
Writers check against the schema here, readers check again: a missing or differently typed column
is a `SchemaMismatch` that names it.
"""

from __future__ import annotations

import io
import json
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import SchemaMismatch
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.blobs import Blobs

PARQUET = "application/vnd.apache.parquet"
JSON = "application/json"

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
    ]
)


class Manifest(BaseModel):
    """Base of the JSON manifests."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: int = 1


class SnapshotPart(Manifest):
    """One shard's frames of a snapshot, and where their embeddings lie."""

    part: BlobRef
    embedded: BlobRef
    n_frames: int


class Snapshot(Manifest):
    """A pool snapshot: immutable, complete, and all that later stages need to know."""

    round_id: str
    label_task: str
    class_names: tuple[str, ...]
    encoder_version: str
    embedding_dimension: int
    parts: tuple[SnapshotPart, ...]
    n_frames: int
    n_eligible: int
    """Frames that no gate blocks: what is scored and may be chosen."""
    labeled: BlobRef | None
    committee_version: str
    members: BlobRef | None
    holdouts: tuple[BlobRef, ...]
    budget_ids: tuple[tuple[str, str], ...]
    """(budget kind, budget id), sorted by kind."""
    label_kind: str = CLASSIFICATION


class Scores(Manifest):
    """The committee's outputs, part by part like the snapshot; only eligible frames."""

    round_id: str
    committee_version: str
    members: tuple[str, ...]
    class_names: tuple[str, ...]
    parts: tuple[BlobRef, ...]
    n_scored: int
    member_digests: tuple[tuple[str, str], ...]
    """(member, SHA-256 of its outputs in snapshot order); of detection networks, whose outputs are
    reduced where they are computed, (all members joined by `+`, SHA-256 of what they say)."""
    label_kind: str = CLASSIFICATION


class Amendment(Manifest):
    """An approver's change of a proposed batch: an overlay, never a rewrite."""

    author: str
    at: str
    removed: tuple[str, ...]
    added: tuple[str, ...]
    reason: str


class Batch(Manifest):
    """An ordered batch, everything needed to replay it, and how its tasks are to be worked."""

    round_id: str
    batch_id: str
    label_task: str
    class_names: tuple[str, ...]
    instructions: str
    label_schema_sha256: str
    snapshot: BlobRef
    scores: BlobRef | None
    policy: BlobRef
    seed: int
    selector_version: str
    table: BlobRef
    """BATCH, in rank order."""
    candidates: BlobRef
    n_frames: int
    slots: int
    """Independent annotations of each frame."""
    price_micros: int
    pre_label_model: str
    holdouts: tuple[BlobRef, ...]
    budget_ids: tuple[tuple[str, str], ...]
    affordable_micros: int = 0
    """What the batch could have cost at most: the fifth thing that the choice depends on."""
    held: tuple[str, ...] = ()
    """Eligible frames of the snapshot that another round took meanwhile; the sixth. Sorted."""
    n_asked: int | None = None
    """Frames that an adaptive batch size came to; none: those of the policy."""
    strategy: str = ""
    """What chose; empty in batches of selector 1."""
    acquisitions: tuple[str, ...] = ("bald", "entropy", "least_confidence", "margin")
    """Functions whose scores are on the records: one that is added later changes no replay."""
    candidate_record: BlobRef | None = None
    """Evidence: the candidate score record of this choice."""
    amendments: tuple[Amendment, ...] = ()
    proposal: BlobRef | None = None
    """The Batch as it was proposed, if `amendments` changed it; `table` is what counts."""
    label_kind: str = CLASSIFICATION


class Dataset(Manifest):
    """A dataset snapshot: promoted labels, never "latest"."""

    round_id: str
    promotion_seq: int
    label_task: str
    class_names: tuple[str, ...]
    allowed_use: str
    table: BlobRef
    """DATASET, by frame_id."""
    n_labels: int
    holdouts: tuple[BlobRef, ...]
    policy: BlobRef
    seed: int
    label_kind: str = CLASSIFICATION
    """`classification` or `detection`: what the labels are."""


class Member(Manifest):
    """One trained member."""

    name: str
    seed: int
    checkpoint: BlobRef
    temperatures: tuple[float, ...]
    """One for all classes; of a detection network one for each class's map."""
    step: int
    metrics: dict[str, float]
    compute_ms: int

    @model_validator(mode="before")
    @classmethod
    def _one_temperature(cls, given: object) -> object:
        """Read what was written when there was but one temperature."""
        if isinstance(given, dict) and "temperature" in given:
            rest = {name: value for name, value in given.items() if name != "temperature"}
            return {**rest, "temperatures": (given["temperature"],)}
        return given


class Members(Manifest):
    """A trained committee version."""

    committee_version: str
    round_id: str
    task: str
    class_names: tuple[str, ...]
    config: dict[str, JsonValue]
    """How all members were trained: the policy's section."""
    dataset_sha256: str
    members: tuple[Member, ...]
    metrics: dict[str, float]
    """Of the committee's mean prediction on the holdout."""
    evaluation: BlobRef | None = None
    """Evaluation: the same by member and by class."""
    label_kind: str = CLASSIFICATION
    """`classification` or `detection`: what the members say of a frame."""


class StopSet(Manifest):
    """What a committee says about frames that every committee is asked about: the holdout's."""

    frames_sha256: str
    """Of the frame ids in their order: predictions of equal ones can be compared."""
    predictions: BlobRef
    """NumPy array, int32 [frames]: class that the committee's mean prediction prefers."""
    mean_entropy: float
    """Mean normalised entropy of the mean prediction, 0 to 1."""


class Evaluation(Manifest):
    """How a committee does on frames that were never queried."""

    committee_version: str
    round_id: str
    holdouts: tuple[BlobRef, ...]
    n_holdout: int
    n_left_out: int
    """Holdout frames that could not be read, or whose label is no class of the data set."""
    committee: dict[str, float]
    members: dict[str, dict[str, float]]
    classes: dict[str, dict[str, float]]
    """Of the committee: class -> `n`, and `recall`, `precision` or average precisions where they
    are defined; see `winnow.tasks.evaluation`."""
    stop_set: StopSet | None = None
    """None without a holdout, of detection, and in evaluations of earlier versions."""
    label_kind: str = CLASSIFICATION
    intervals: dict[str, tuple[float, float]] = {}
    """95 % of the committee's measures, by drawing whole sessions; none with fewer than two."""
    n_sessions: int = 0
    slices: dict[str, dict[str, float]] = {}
    """`column=value` -> the committee's measures there, and `n` frames."""
    reliability: tuple[tuple[float, float, int], ...] = ()
    """(mean confidence, share that was right, answers) of the bins that are not empty."""
    ece_estimator: str = ""
    """How `ece` was estimated, in words."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Frames (of detection: objects) of class i that were taken for class j; of detection the last
    row and column stand for nothing there."""
    curves: dict[str, tuple[float, ...]] = {}
    """Of detection: class -> precision at recalls 0, 0.01 … 1 at overlap 0.5."""
    rare_classes: tuple[str, ...] = ()
    """Classes with less than half of an equal share of the training labels."""
    n_training: dict[str, int] = {}
    """Class -> labels (of detection: objects) that the members trained on."""
    effective_sample_size: float = 0.0
    """Labels that equally weighted ones would be worth as many: (sum w)^2 / sum w^2."""
    notes: tuple[str, ...] = ()
    """What people should know: members that failed, classes without a label."""


M = TypeVar("M", bound=Manifest)


def scores_schema(label_kind: str) -> pa.Schema:
    """Give the schema of scores for labels of a kind."""
    return DETECTION_SCORES if label_kind == DETECTION else SCORES


def batch_schema(label_kind: str) -> pa.Schema:
    """Give the schema of a batch for labels of a kind."""
    return DETECTION_BATCH if label_kind == DETECTION else BATCH


def write_table(blobs: Blobs, table: pa.Table, schema: pa.Schema, *, prefix: str) -> BlobRef:
    """Store a table as Parquet after checking it against its schema; same rows, same bytes.

    Raises
    ------
    SchemaMismatch
        Columns differ from the schema.
    """
    data = table_bytes(table, schema, where=f"table for {prefix}")
    return blobs.put(data, prefix=prefix, media_type=PARQUET)


def table_bytes(table: pa.Table, schema: pa.Schema, *, where: str = "table") -> bytes:
    """Give the bytes that `write_table` stores."""
    _check(table.schema, schema, where=where)
    sink = io.BytesIO()
    pq.write_table(table.select(schema.names), sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def read_table(
    blobs: Blobs, ref: BlobRef, schema: pa.Schema, *, columns: list[str] | None = None
) -> pa.Table:
    """Load a table (or some of its columns) after checking digest and schema."""
    with blobs.open(ref) as source:
        file = pq.ParquetFile(source)
        _check(file.schema_arrow, schema, where=ref.key)
        return file.read(columns=columns)


def _check(found: pa.Schema, expected: pa.Schema, *, where: str) -> None:
    for field in expected:
        pos = found.get_field_index(field.name)
        if pos < 0:
            msg = f"{where}: expected column {field.name!r}, found {', '.join(found.names)}"
            raise SchemaMismatch(msg)
        kind = found.field(pos).type
        lists = pa.types.is_list(kind) and pa.types.is_list(field.type)
        same = kind.value_type == field.type.value_type if lists else kind == field.type
        if not same:
            msg = f"{where}: column {field.name!r}: expected {field.type}, found {kind}"
            raise SchemaMismatch(msg)


def write_manifest(blobs: Blobs, manifest: Manifest, *, prefix: str) -> BlobRef:
    """Store a manifest as JSON with sorted keys, so that equal content has one key."""
    return blobs.put(canonical_json(manifest), prefix=prefix, media_type=JSON)


def read_manifest(blobs: Blobs, ref: BlobRef, kind: type[M]) -> M:
    """Load a manifest.

    Raises
    ------
    SchemaMismatch
        It is no manifest of this kind; the text lists every difference.
    """
    try:
        return kind.model_validate_json(blobs.get(ref))
    except ValidationError as error:
        msg = f"{ref.key}: expected a {kind.__name__} manifest: {error}"
        raise SchemaMismatch(msg) from error


def canonical_json(model: BaseModel) -> bytes:
    """Give the bytes whose SHA-256 names this document."""
    document = model.model_dump(mode="json")
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

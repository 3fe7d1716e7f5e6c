"""The JSON manifests between services: small documents that list tables and say what they are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator

from winnow.domain.blob_ref import BlobRef
from winnow.domain.labels import CLASSIFICATION


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
    held: BlobRef | None = None
    """HELD_FRAMES of other rounds when it was taken; snapshots before did not say."""


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
    reduced where they are computed, (all members joined by `+`, SHA-256 of what they say): it tells
    committees apart, and not members."""
    committee: BlobRef | None = None
    """Manifest of the members, whose checkpoints' digests say which networks these were."""
    label_kind: str = CLASSIFICATION
    temperatures: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """(member, what its outputs were calibrated by: one for all classes, or one a class's map); of
    every member that answered."""


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
    """Frames of the snapshot that another round took meanwhile; the sixth. Sorted."""
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
    """NumPy array, int32 [frames]: class that the committee's mean prediction prefers; of detection
    ORACLE: its boxes that somebody would act on."""
    mean_entropy: float | None = None
    """Mean normalised entropy of the mean prediction, 0 to 1; none of detection."""


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
    """None without a holdout, and in evaluations of earlier versions."""
    label_kind: str = CLASSIFICATION
    intervals: dict[str, tuple[float, float]] = {}
    """95 % of the committee's measures, by drawing whole sessions; none with fewer than two."""
    n_sessions: int = 0
    """Of the holdout; a frame without a session counts as one."""
    slices: dict[str, dict[str, float]] = {}
    """`column=value` -> the committee's measures there, and `n` frames."""
    reliability: tuple[tuple[float, float, int], ...] = ()
    """(mean confidence, share that was right, answers) of the bins that are not empty."""
    ece_estimator: str = ""
    """How `ece` was estimated, in words."""
    calibration: dict[str, tuple[float, str]] = {}
    """Each calibration error of the committee, `ece` among them -> (error, how it was estimated, in
    words); see `winnow.tasks.evaluation`."""
    map_reliability: dict[str, tuple[tuple[float, float, int], ...]] = {}
    """Of detection: class -> as `reliability`, of the cells of its map."""
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

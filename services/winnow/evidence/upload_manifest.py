"""Upload selection manifest: what a vehicle sent, what it left behind, and why; signed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.evidence.artifact import Artifact

VEHICLE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""A vehicle's name is part of object keys and of a file's name."""
NOT_WHAT_WAS_CHOSEN = frozenset(
    {"id", "created_at", "expires_at", "producer", "supersedes", "digest", "signature"}
)
"""Fields in which two runs on the same recordings differ, or that follow from the others."""


def check_vehicle_name(vehicle: str) -> None:
    """Refuse a name that would do harm in a key or a path.

    Raises
    ------
    BadInput
        It is empty, long, or has other letters than names need.
    """
    if not re.fullmatch(VEHICLE_PATTERN, vehicle):
        msg = (
            "vehicle: expected a name of up to 64 letters, digits, '.', '_' and '-' that begins "
            f"with a letter or digit, found {vehicle!r}"
        )
        raise BadInput(msg)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class UploadBudget(_Part):
    """What the vehicle could send and keep."""

    budget_bytes: Annotated[int, Field(ge=0)]
    """Bandwidth of this upload window."""
    storage_bytes: int | None
    """What it keeps until the next window; null: everything."""
    retention_seconds: int | None
    """A segment is kept for so long after its last frame; null: for ever."""
    next_window_seconds: int | None
    """Until the vehicle can upload again; null: unknown."""
    last_chance: Literal["first", "alike"]


class CloudSet(_Part):
    """What the vehicle was told the cloud knows."""

    sha256: str
    """Of the file."""
    n_rows: int
    encoder_version: str
    """Empty if the file does not say."""


class UploadSegment(_Part):
    """A contiguous part of a session, chosen or passed over."""

    name: str
    session: str
    n_frames: int
    size_bytes: int
    captured_from: AwareDatetime | None
    captured_to: AwareDatetime | None
    """Null where the source has no times."""
    keep_until: AwareDatetime | None
    """Retention deadline; null: none."""
    rank: int | None
    """Place in the upload, from 0; null: passed over."""
    utility: float
    """What it added to the coverage when it was chosen, or would still add."""
    reason: str
    last_chance: bool
    kept: bool
    """The vehicle still has it at the next window."""


class UploadedFrame(_Part):
    """A frame that was sent: where its bytes lie, and all that the vehicle knows of it."""

    frame_id: str
    segment: str
    ref: BlobRef
    name: str
    captured_at: AwareDatetime | None
    session: str
    site: str
    sensor: str
    calibrated: bool
    tags: dict[str, str]
    stands_for: float
    """So many of the vehicle's observations are nearer to it than to all else that is sent or in
    the cloud; each counts its score where scores weigh."""
    score: float | None
    """Uncertainty of the vehicle's model, if it weighed."""
    known_label: str | None = None
    """For trying things out with scripted annotators; a vehicle on the road knows none."""


class LeftBehind(_Part):
    """Frames that were not sent."""

    n_passed_over: int
    """In segments that were passed over."""
    n_known: int
    """In the cloud already."""
    n_privacy_blocked: int
    """Neither looked at nor sent."""
    n_unreadable: int
    sha256: str
    """Of the sorted frame ids of all of them, one a line."""


class UploadSelectionManifest(Artifact):
    """Written once an upload, after its frames are in the object store.

    `signature` is the Ed25519 signature, by the vehicle's key, of `canonical`: every field but
    `digest` and itself. Coverage is the weighted sum over the vehicle's observations of the
    similarity 1 / (1 + 0.01·d) to the nearest frame that the cloud has.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={"$id": "urn:winnow:evidence:upload_selection:1"},
    )
    artifact: Literal["upload_selection"] = "upload_selection"
    schema_version: Literal[1] = 1
    vehicle: Annotated[str, Field(pattern=VEHICLE_PATTERN)]
    """Frames are registered under this name as their source."""
    key_fingerprint: str
    """SHA-256 of the public key that the signature is checked with."""
    expires_at: AwareDatetime
    """The cloud refuses it afterwards."""
    model_version: str
    """Of the model on the vehicle, whose uncertainty weighs; empty without one."""
    weighted: bool
    """Coverage counts observations by that uncertainty."""
    encoder_version: str
    selector_version: str
    seed: int
    limits: UploadBudget
    used_bytes: int
    cloud_set: CloudSet | None
    rules: tuple[str, ...]
    """Which greedy rule won in each pass: last chances first, then the others."""
    n_observations: int
    """Frames that coverage was measured on."""
    coverage_before: float
    coverage_after: float
    """The objective's value."""
    coverage_ceiling: float
    """No upload within the limits reaches more."""
    segments: tuple[UploadSegment, ...]
    """By name; those with a rank were sent."""
    frames: tuple[UploadedFrame, ...]
    """By rank of their segment, then by time."""
    left_behind: LeftBehind
    signature: str = ""
    """Base64 of 64 bytes."""

    def canonical(self) -> bytes:
        """Give the bytes that digest and signature cover."""
        document = self.model_dump(mode="json", exclude={"digest", "signature"})
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()

    def signed(self, sign: Callable[[bytes], bytes]) -> Self:
        """Give a copy with digest and signature."""
        signature = base64.b64encode(sign(self.canonical())).decode()
        return self.sealed().model_copy(update={"signature": signature})

    @property
    def choice_sha256(self) -> str:
        """Give the digest of what was chosen from what: the same for a run that is repeated."""
        document = self.model_dump(mode="json", exclude=set(NOT_WHAT_WAS_CHOSEN))
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def has_expired(self, now: datetime) -> bool:
        """Tell whether the cloud must refuse it."""
        return now > self.expires_at

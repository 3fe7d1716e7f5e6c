"""What a client asked a serving committee about: its frames, and what it said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from winnow.adapters.frame_sources.payload_record import PayloadRecord
from winnow.adapters.frame_sources.times import time_of
from winnow.adapters.inference_json import inputs_in
from winnow.contracts import serving
from winnow.domain.errors import BadInput

HEADER = "x-winnow-"
FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the frames of a request come from, by headers that KServe was told to keep.

    `X-Winnow-Session`, `-Vehicle`, `-Site`, `-Sensor`, `-Captured-At`, `-Calibrated`,
    `-Privacy-Blocked` and `-Tags` (`weather=fog,road=motorway`).
    """

    session: str
    vehicle: str
    site: str
    sensor: str
    captured_at: datetime | None
    """Without a header when the request was logged, if the log says so."""
    calibrated: bool
    privacy_blocked: bool
    tags: Mapping[str, str]
    says_privacy: bool


def frames_of(record: PayloadRecord) -> list[bytes]:
    """Give the encoded images of a request.

    Raises
    ------
    SchemaMismatch
        Its body is no request.
    BadInput
        It holds no encoded images: pixels are decoded already and cannot be stored as frames.
    """
    tensors = inputs_in(record.body, where="request")
    if set(tensors) != {serving.FRAMES}:
        found = ", ".join(sorted(tensors)) or "none"
        msg = f"request: expected the input {serving.FRAMES} with encoded images, found {found}"
        raise BadInput(msg)
    items = tensors[serving.FRAMES].ravel().tolist()
    if not all(isinstance(item, str) for item in items):
        msg = f"request: expected {serving.FRAMES} as BYTES, found numbers"
        raise BadInput(msg)
    return [serving.frame_bytes(item, pos) for pos, item in enumerate(items)]


def origin_of(record: PayloadRecord) -> Origin:
    """Read a request's headers.

    Raises
    ------
    BadInput
        A time, a flag or tags that are none: what they say of privacy or time is never guessed.
    """

    def said(name: str) -> str:
        return record.headers.get(f"{HEADER}{name}", "")

    captured_at = said("captured-at")
    return Origin(
        session=said("session"),
        vehicle=said("vehicle"),
        site=said("site"),
        sensor=said("sensor") or "camera",
        captured_at=time_of(captured_at) if captured_at else record.logged_at,
        calibrated=_flag("calibrated", said("calibrated"), default=True),
        privacy_blocked=_flag("privacy-blocked", said("privacy-blocked"), default=False),
        tags=_tags(said("tags")),
        says_privacy=bool(said("privacy-blocked")),
    )


def _flag(name: str, text: str, *, default: bool) -> bool:
    found = FLAGS.get(text.strip().lower()) if text else default
    if found is None:
        msg = f"header {HEADER}{name}: expected true or false, found {text!r}"
        raise BadInput(msg)
    return found


def _tags(text: str) -> Mapping[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not name.strip() or not sign for name, sign, _ in pairs):
        msg = f"header {HEADER}tags: expected name=value,name=value, found {text!r}"
        raise BadInput(msg)
    return {name.strip(): value.strip() for name, _, value in pairs}

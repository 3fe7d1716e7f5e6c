"""Identifiers. A `NewType` each, so that a frame is never passed for a task."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import NewType

FrameId = NewType("FrameId", str)
"""32 hexadecimal digits: a 128-bit hash of source, session, sensor, capture time and content."""
ShardId = NewType("ShardId", str)
RoundId = NewType("RoundId", str)
"""`r` and the round's number without padding: `r0`, `r1`, …"""
BatchId = NewType("BatchId", str)
TaskId = NewType("TaskId", str)
"""UUID (text) derived from batch, frame, slot and attempt."""
CommitteeVersion = NewType("CommitteeVersion", str)
"""`c` and the number of the round whose labels trained it; empty before the first."""
BudgetId = NewType("BudgetId", str)
Period = NewType("Period", str)
Micros = NewType("Micros", int)
"""Smallest unit of a budget: a millionth of a currency unit, a byte or a GPU-millisecond."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMESPACE = uuid.UUID("5b1c1a52-7a3c-5e0e-9d5b-0d1f6c7e2a11")


def derived_uuid(*parts: object) -> uuid.UUID:
    """Give the same UUIDv5 for the same parts, for ever: what makes retries harmless.

    Parts are joined with a unit separator, which no identifier contains.
    """
    return uuid.uuid5(NAMESPACE, "\x1f".join(str(part) for part in parts))


def frame_id_of(
    *, source: str, session: str, sensor: str, captured_at: datetime, sha256: str
) -> FrameId:
    """Give the frame's identity for ever: 128 bits of SHA-256 over where, when and what.

    Parameters
    ----------
    captured_at
        Aware datetime; compared as UTC microseconds.
    sha256
        Hexadecimal digest of the frame's bytes.

    Examples
    --------
    >>> at = datetime(2026, 11, 21, 12, 0, 0, 3, tzinfo=UTC)
    >>> frame_id_of(source="s", session="a", sensor="front", captured_at=at, sha256="00" * 32)
    'd6fd1c48be451ef6766424719e7f9c76'
    """
    # Whole numbers, and a refusal of times without zone: no machine's settings change an identity.
    micros = (captured_at - EPOCH) // timedelta(microseconds=1)
    text = "\x1f".join((source, session, sensor, str(micros), sha256))
    return FrameId(hashlib.sha256(text.encode()).hexdigest()[:32])


def round_id_of(number: int) -> RoundId:
    """Give the id of the round with this number (0 is the cold start)."""
    return RoundId(f"r{number}")


def round_number_of(round_id: RoundId) -> int:
    """Give back the number that `round_id_of` took."""
    return int(round_id.removeprefix("r"))


def committee_version_of(round_id: RoundId) -> CommitteeVersion:
    """Give the version of the committee that a round's labels train."""
    return CommitteeVersion(f"c{round_number_of(round_id)}")


def task_id_of(batch_id: BatchId, frame_id: FrameId, slot: int, attempt: int) -> TaskId:
    """Give the id of one order for one annotation."""
    return TaskId(str(derived_uuid("task", batch_id, frame_id, slot, attempt)))


def reservation_id_of(
    batch_id: str, frame_id: str, slot: int, attempt: int, purpose: str
) -> uuid.UUID:
    """Give the id of the reservation that pays for it; derived on both sides, never sent."""
    return derived_uuid("reservation", batch_id, frame_id, slot, attempt, purpose)


def inference_reservation_id(round_id: RoundId) -> uuid.UUID:
    """Give the id of the reservation that pays for scoring a round's pool."""
    return derived_uuid("reservation", round_id, "auto_label_inference")


def batch_id_of(round_id: RoundId) -> BatchId:
    """Give the id of a round's one batch."""
    return BatchId(f"{round_id}-batch")

"""From a source's frames to rows of a shard manifest: identity, time, reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from winnow.contracts.tables import FRAMES, HOLDOUT
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import FrameId, frame_id_of
from winnow.ports.frame_source import SourceFrame

Row = dict[str, object]

UNKNOWN_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Frames without a capture time lie a second apart from here on, in the order of their source."""


def identity_of(frame: SourceFrame, *, source: str, sha256: str) -> FrameId:
    """Give the frame's identity.

    Without a capture time its name stands in for it, so that files added before it later on
    change nothing.
    """
    known = frame.captured_at is not None
    return frame_id_of(
        source=source,
        session=frame.session if known else f"{frame.session}/{frame.name}",
        sensor=frame.sensor,
        captured_at=frame.captured_at or UNKNOWN_TIME,
        sha256=sha256,
    )


def row_of(frame: SourceFrame, *, frame_id: FrameId, ref: BlobRef, pos: int, vehicle: str) -> Row:
    """Give the row of `FRAMES` (and the label, for `HOLDOUT`).

    Parameters
    ----------
    vehicle
        Of frames that do not say theirs.
    """
    return {
        "frame_id": frame_id,
        "bucket": ref.bucket,
        "key": ref.key,
        "sha256": ref.sha256,
        "size_bytes": ref.size_bytes,
        "media_type": ref.media_type,
        "captured_at": frame.captured_at or UNKNOWN_TIME + timedelta(seconds=pos),
        "session": frame.session,
        "sensor": frame.sensor,
        "vehicle": frame.vehicle or vehicle,
        "site": frame.site,
        "tags": json.dumps(dict(frame.tags), sort_keys=True, separators=(",", ":")),
        "privacy_blocked": frame.privacy_blocked,
        "calibrated": frame.calibrated,
        "label": frame.label,
    }


def frames_table(rows: Sequence[Row]) -> pa.Table:
    """Give the rows as a shard manifest."""
    return pa.Table.from_pylist(list(rows), schema=FRAMES)


def holdout_table(rows: Sequence[Row]) -> pa.Table:
    """Give the rows with their labels, by frame."""
    ordered = sorted(rows, key=lambda row: str(row["frame_id"]))
    return pa.Table.from_pylist(ordered, schema=HOLDOUT)


def bytes_of(rows: Sequence[Row]) -> int:
    """Give what the rows' frames weigh."""
    return sum(size for row in rows if isinstance(size := row["size_bytes"], int))

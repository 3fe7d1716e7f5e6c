"""A vehicle's look at its own recordings: what may be sent, and how it looks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.domain.ids import EPOCH, FrameId
from winnow.ports.encoder import Encoder
from winnow.ports.frame_source import FrameSource, SourceFrame
from winnow.runtime.ingest_rows import UNKNOWN_TIME, identity_of
from winnow.tasks.decode import decode_rgb

Rows = npt.NDArray[np.float32]
OnProgress = Callable[[str, int, int], None]
"""Called with (what is being done, frames done, frames in all)."""
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A frame as the vehicle keeps it in mind: everything but its bytes."""

    pos: int
    """In its source."""
    frame_id: FrameId
    sha256: str
    size_bytes: int
    name: str
    session: str
    captured_at: datetime | None

    @property
    def captured_us(self) -> int:
        """Microseconds since 1970; without a time, frames follow each other in source order."""
        moment = self.captured_at or UNKNOWN_TIME + self.pos * MICROSECOND
        return (moment - EPOCH) // MICROSECOND


@dataclass(frozen=True, slots=True)
class Look:
    """All frames of a source, sorted out."""

    usable: tuple[Recorded, ...]
    """Readable, not blocked for privacy, each identity once."""
    embeddings: Rows
    """[N, D]; row i is `usable[i]`."""
    blocked: tuple[FrameId, ...]
    unreadable: tuple[FrameId, ...]
    encoder_version: str


def look_at(
    source: FrameSource,
    *,
    vehicle: str,
    encoder: Encoder,
    given: Rows | None,
    given_version: str = "",
    on_progress: OnProgress,
) -> Look:
    """Read every frame once: digest, identity, embedding.

    Parameters
    ----------
    given
        Embeddings of another encoder, row i for frame i of the source; frames are then not
        decoded, and whether they can be is the cloud's to find out.

    Raises
    ------
    BadInput
        As many embeddings were not given as there are frames, or some are not finite.
    """
    _check_given(given, source)
    usable, blocked, unreadable = list[Recorded](), list[FrameId](), list[FrameId]()
    rows, seen = list[Rows](), set[FrameId]()
    for pos, frame in enumerate(source.frames()):
        recorded = _recorded(pos, frame, vehicle)
        if recorded.frame_id not in seen:
            seen.add(recorded.frame_id)
            row = None if frame.privacy_blocked else _embedding(frame, pos, encoder, given)
            if row is not None:
                usable.append(recorded)
                rows.append(row)
            else:
                (blocked if frame.privacy_blocked else unreadable).append(recorded.frame_id)
        on_progress("looking at frames", pos + 1, source.n_frames)
    width = encoder.dimension if given is None else given.shape[1]
    return Look(
        usable=tuple(usable),
        embeddings=np.array(rows, dtype=np.float32).reshape(len(rows), width),
        blocked=tuple(blocked),
        unreadable=tuple(unreadable),
        encoder_version=encoder.version if given is None else given_version,
    )


def _check_given(given: Rows | None, source: FrameSource) -> None:
    if given is None:
        return
    if given.ndim != 2 or len(given) != source.n_frames:
        msg = (
            f"embeddings: expected a row for each of the {source.n_frames} frames of "
            f"{source.name}, found shape {given.shape}"
        )
        raise BadInput(msg)


def _recorded(pos: int, frame: SourceFrame, vehicle: str) -> Recorded:
    sha256 = hashlib.sha256(frame.data).hexdigest()
    return Recorded(
        pos=pos,
        frame_id=identity_of(frame, source=vehicle, sha256=sha256),
        sha256=sha256,
        size_bytes=len(frame.data),
        name=frame.name,
        session=frame.session,
        captured_at=frame.captured_at,
    )


def _embedding(frame: SourceFrame, pos: int, encoder: Encoder, given: Rows | None) -> Rows | None:
    if given is not None:
        return np.asarray(given[pos], dtype=np.float32)
    try:
        row: Rows = encoder.encode([decode_rgb(frame.data)])[0]
    except BadInput:
        return None
    return row

"""Which of a vehicle's segments go up: from its recordings and limits to the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from winnow.domain.errors import BadInput
from winnow.domain.ids import EPOCH
from winnow.runtime.upload_looking import MICROSECOND, Look, Recorded, Rows
from winnow.strategies.fleet import stands_for
from winnow.strategies.protocol import Candidates, Flags, Floats
from winnow.strategies.segments import Segment, segments_of
from winnow.strategies.upload import OBSERVATIONS_MAX, UploadChoice, choose_uploads
from winnow.strategies.upload_limits import LastChance, UploadLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """What a vehicle may send and how it decides."""

    vehicle: str
    budget_bytes: int
    storage_bytes: int | None = None
    retention: timedelta | None = None
    next_window: timedelta | None = None
    last_chance: LastChance = "first"
    segment_frames: int = 64
    segment_gap: timedelta = timedelta(seconds=60)
    model_version: str = ""
    seed: int = 0
    observations_max: int = OBSERVATIONS_MAX
    valid: timedelta = timedelta(days=30)
    labels: bool = False
    """Known labels go along, for trying things out."""


@dataclass(frozen=True, slots=True)
class CloudKnowledge:
    """What the cloud has told the vehicle."""

    embeddings: Rows
    """[L, D]"""
    frame_ids: frozenset[str]
    """Empty if the file has none: then frames that were sent before are known by their looks."""
    encoder_version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """A choice among the segments of what was looked at."""

    options: UploadOptions
    look: Look
    known: CloudKnowledge | None
    scores: Floats | None
    """Of `look.usable`."""
    segments: tuple[Segment, ...]
    """By name; positions are those of `look.usable`."""
    choice: UploadChoice
    standing: Floats
    """For frames that are sent; 0 for all others."""

    @property
    def sent(self) -> list[Recorded]:
        """Give the frames to send, best segment first."""
        return [self.look.usable[pos] for group in self.choice.order for pos in self.of(group)]

    def of(self, group: int) -> list[int]:
        """Give the positions of a segment's frames."""
        return [int(pos) for pos in self.segments[group].positions]


def plan_upload(
    look: Look,
    options: UploadOptions,
    *,
    known: CloudKnowledge | None,
    scores: Floats | None,
    now: datetime,
) -> UploadPlan:
    """Choose what to send.

    Parameters
    ----------
    scores
        What covering each frame of the source is worth, e.g. the local model's uncertainty.
    now
        Decides which retention has ended.

    Raises
    ------
    BadInput
        The cloud's embeddings are of another encoder or width; scores are negative.
    """
    _check_known(look, known)
    usable = look.usable
    ids = np.array([one.frame_id for one in usable], dtype=np.str_)
    is_fresh = np.array([known is None or i not in known.frame_ids for i in ids], dtype=np.bool_)
    segments = _segments(usable, is_fresh, options)
    worth = None if scores is None else scores[[one.pos for one in usable]]
    candidates = Candidates(
        frame_ids=ids,
        scores_N=worth,
        embeddings_ND=look.embeddings,
        centers_LD=None if known is None else known.embeddings,
    )
    choice = choose_uploads(
        candidates,
        segments,
        _limits(options, now),
        seed=options.seed,
        observations_max=options.observations_max,
    )
    sent = [int(pos) for group in choice.order for pos in segments[group].positions]
    standing = np.zeros(len(usable))
    if sent:
        in_order = np.array(sorted(sent, key=lambda pos: usable[pos].frame_id), dtype=np.intp)
        uploads = look.embeddings[in_order]
        standing[in_order] = stands_for(candidates, uploads, candidates.centers_LD)
    return UploadPlan(options, look, known, worth, tuple(segments), choice, standing)


def _check_known(look: Look, known: CloudKnowledge | None) -> None:
    if known is None:
        return
    versions = {look.encoder_version, known.encoder_version} - {""}
    widths = {look.embeddings.shape[1], known.embeddings.shape[1]}
    if len(versions) > 1 or (len(widths) > 1 and len(known.embeddings)):
        msg = (
            f"cloud set: expected embeddings of the vehicle's encoder "
            f"{look.encoder_version or '(unnamed)'} with {look.embeddings.shape[1]} numbers, "
            f"found {known.encoder_version or '(unnamed)'} with {known.embeddings.shape[1]}"
        )
        raise BadInput(msg)


def _segments(usable: Sequence[Recorded], is_fresh: Flags, options: UploadOptions) -> list[Segment]:
    """Cut what was recorded into segments, less what the cloud has; their names stay as they are.

    Without times, nothing is ever too old.
    """
    size_bytes = np.array([one.size_bytes for one in usable], dtype=np.int64)
    cut = segments_of(
        np.array([one.session for one in usable], dtype=np.str_),
        np.array([one.captured_us for one in usable], dtype=np.int64),
        size_bytes,
        frames_max=options.segment_frames,
        gap_us=options.segment_gap // MICROSECOND,
        retention_us=None if options.retention is None else options.retention // MICROSECOND,
    )
    found = list[Segment]()
    for segment in cut:
        fresh = segment.positions[is_fresh[segment.positions]]
        if len(fresh):
            timed = all(usable[pos].captured_at is not None for pos in fresh)
            left = replace(
                segment,
                positions=fresh,
                size_bytes=int(size_bytes[fresh].sum()),
                deadline_us=segment.deadline_us if timed else None,
            )
            found.append(left)
    return sorted(found, key=lambda segment: segment.name)


def _limits(options: UploadOptions, now: datetime) -> UploadLimits:
    now_us = (now - EPOCH) // MICROSECOND
    window = options.next_window
    return UploadLimits(
        budget_bytes=options.budget_bytes,
        storage_bytes=options.storage_bytes,
        now_us=now_us,
        next_window_us=None if window is None else now_us + window // MICROSECOND,
        last_chance=options.last_chance,
    )

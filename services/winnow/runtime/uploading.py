"""From a plan to a signed upload: what `winnow upload` does.

Frames first, the manifest last. Killed at any moment and started again it sends what is missing;
done twice it sends nothing and gives the manifest that is there. A vehicle knows object stores and
never a ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from winnow.contracts.artifacts import JSON, canonical_json
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import DomainError, IntegrityError
from winnow.domain.ids import EPOCH, NAMESPACE, derived_uuid
from winnow.evidence.artifact import Producer
from winnow.evidence.upload_manifest import (
    CloudSet,
    LeftBehind,
    UploadBudget,
    UploadedFrame,
    UploadSegment,
    UploadSelectionManifest,
)
from winnow.ports.blobs import Blobs
from winnow.ports.frame_source import FrameSource, SourceFrame
from winnow.ports.signatures import Signer
from winnow.runtime.ingest_gathering import PUTS_AT_ONCE
from winnow.runtime.upload_intake import FRAMES, read_upload
from winnow.runtime.upload_looking import MICROSECOND, OnProgress, Recorded
from winnow.runtime.upload_planning import UploadPlan

SELECTOR_VERSION = "upload/1"
"""A change of what is chosen from the same recordings is a new number."""
PREFIX = "uploads"
"""Of manifests; vehicle and choice follow."""


@dataclass(frozen=True, slots=True)
class SentUpload:
    """An upload that has arrived."""

    manifest: UploadSelectionManifest
    ref: BlobRef
    sent_before: bool
    """The same upload was there already."""


def send_upload(
    plan: UploadPlan,
    source: FrameSource,
    *,
    blobs: Blobs,
    signer: Signer,
    producer: Producer,
    now: datetime,
    on_progress: OnProgress,
) -> SentUpload:
    """Put the chosen frames and then the signed manifest into the object store.

    Raises
    ------
    IntegrityError
        A recording changed after it was looked at; nothing refers to what was sent.
    Retryable
        The store cannot be reached or is full; what has arrived is not sent again.
    """
    frames = _send_frames(plan, source, blobs, on_progress)
    manifest = _manifest(plan, frames, signer.fingerprint, producer, now)
    prefix = f"{PREFIX}/{manifest.vehicle}/{manifest.choice_sha256[:16]}"
    earlier = _earlier(blobs, prefix)
    valid = [one for one in earlier if not one.manifest.has_expired(now)]
    if valid:
        return valid[-1]
    if earlier:
        manifest = manifest.model_copy(update={"supersedes": earlier[-1].manifest.id})
    manifest = manifest.signed(signer.sign)
    ref = blobs.put(canonical_json(manifest), prefix=prefix, media_type=JSON)
    return SentUpload(manifest, ref, sent_before=False)


def _earlier(blobs: Blobs, prefix: str) -> list[SentUpload]:
    """Give the uploads of this choice that are there, oldest first; damaged ones do not count."""
    found = list[SentUpload]()
    for key in blobs.keys(prefix):
        ref = blobs.ref_of(key, media_type=JSON)
        try:
            found.append(SentUpload(read_upload(blobs.get(ref), where=key), ref, sent_before=True))
        except DomainError:
            continue
    return sorted(found, key=lambda one: (one.manifest.created_at, one.ref.key))


def _send_frames(
    plan: UploadPlan, source: FrameSource, blobs: Blobs, on_progress: OnProgress
) -> dict[int, tuple[SourceFrame, BlobRef]]:
    """Put the chosen frames; give what the source says of each, by position in the source."""
    recorded = {one.pos: one for one in plan.sent}
    frames = zip(sorted(recorded), source.frames(sorted(recorded)), strict=True)

    def put(item: tuple[int, SourceFrame]) -> tuple[int, tuple[SourceFrame, BlobRef]]:
        pos, frame = item
        _check_unchanged(frame, recorded[pos])
        ref = blobs.put(frame.data, prefix=FRAMES, media_type=frame.media_type)
        return pos, (_without_bytes(frame), ref)

    sent = dict[int, tuple[SourceFrame, BlobRef]]()
    with ThreadPoolExecutor(PUTS_AT_ONCE) as threads:
        while some := list(islice(frames, PUTS_AT_ONCE)):
            sent.update(threads.map(put, some))
            on_progress("sending frames", len(sent), len(recorded))
    return sent


def _check_unchanged(frame: SourceFrame, recorded: Recorded) -> None:
    if hashlib.sha256(frame.data).hexdigest() != recorded.sha256:
        msg = (
            f"{recorded.name}: expected the bytes that were looked at, found others; "
            "is it still being recorded? Run it again"
        )
        raise IntegrityError(msg)


def _without_bytes(frame: SourceFrame) -> SourceFrame:
    return SourceFrame(
        data=b"",
        name=frame.name,
        media_type=frame.media_type,
        label=frame.label,
        session=frame.session,
        captured_at=frame.captured_at,
        site=frame.site,
        sensor=frame.sensor,
        calibrated=frame.calibrated,
        tags=frame.tags,
    )


def _manifest(
    plan: UploadPlan,
    frames: dict[int, tuple[SourceFrame, BlobRef]],
    fingerprint: str,
    producer: Producer,
    now: datetime,
) -> UploadSelectionManifest:
    options, choice, known = plan.options, plan.choice, plan.known
    made = UploadSelectionManifest(
        id=NAMESPACE,  # until the choice names it, below
        created_at=now,
        producer=producer,
        round_id="",
        vehicle=options.vehicle,
        key_fingerprint=fingerprint,
        expires_at=now + options.valid,
        model_version=options.model_version,
        weighted=plan.scores is not None,
        encoder_version=plan.look.encoder_version,
        selector_version=SELECTOR_VERSION,
        seed=options.seed,
        limits=UploadBudget(
            budget_bytes=options.budget_bytes,
            storage_bytes=options.storage_bytes,
            retention_seconds=_seconds(options.retention),
            next_window_seconds=_seconds(options.next_window),
            last_chance=options.last_chance,
        ),
        used_bytes=choice.used_bytes,
        cloud_set=known
        and CloudSet(
            sha256=known.sha256,
            n_rows=len(known.embeddings),
            encoder_version=known.encoder_version,
        ),
        rules=choice.rules,
        n_observations=choice.n_observations,
        coverage_before=choice.coverage_before,
        coverage_after=choice.coverage_after,
        coverage_ceiling=choice.coverage_ceiling,
        segments=tuple(_segment(plan, group) for group in range(len(plan.segments))),
        frames=tuple(_frames(plan, frames)),
        left_behind=_left_behind(plan),
    )
    named = derived_uuid("upload", options.vehicle, made.choice_sha256, now.isoformat())
    return made.model_copy(update={"id": named})


def _segment(plan: UploadPlan, group: int) -> UploadSegment:
    segment, verdict = plan.segments[group], plan.choice.verdicts[group]
    recorded = [plan.look.usable[pos] for pos in plan.of(group)]
    times = [one.captured_at for one in recorded if one.captured_at is not None]
    timed = len(times) == len(recorded)
    return UploadSegment(
        name=segment.name,
        session=recorded[0].session,
        n_frames=len(recorded),
        size_bytes=segment.size_bytes,
        captured_from=min(times) if timed else None,
        captured_to=max(times) if timed else None,
        keep_until=None
        if segment.deadline_us is None
        else EPOCH + segment.deadline_us * MICROSECOND,
        rank=verdict.rank,
        utility=verdict.utility,
        reason=verdict.reason,
        last_chance=verdict.last_chance,
        kept=verdict.kept,
    )


def _frames(
    plan: UploadPlan, frames: dict[int, tuple[SourceFrame, BlobRef]]
) -> Iterator[UploadedFrame]:
    for group in plan.choice.order:
        for pos in plan.of(group):
            recorded = plan.look.usable[pos]
            frame, ref = frames[recorded.pos]
            yield UploadedFrame(
                frame_id=recorded.frame_id,
                segment=plan.segments[group].name,
                ref=ref,
                name=frame.name,
                captured_at=frame.captured_at,
                session=frame.session,
                site=frame.site,
                sensor=frame.sensor,
                calibrated=frame.calibrated,
                tags=dict(frame.tags),
                stands_for=float(plan.standing[pos]),
                score=None if plan.scores is None else float(plan.scores[pos]),
                known_label=frame.label if plan.options.labels else None,
            )


def _left_behind(plan: UploadPlan) -> LeftBehind:
    sent = {one.frame_id for one in plan.sent}
    in_segments = {
        plan.look.usable[pos].frame_id
        for group in range(len(plan.segments))
        for pos in plan.of(group)
    }
    usable = [one.frame_id for one in plan.look.usable]
    known = [one for one in usable if one not in in_segments]
    passed = [one for one in usable if one in in_segments and one not in sent]
    return LeftBehind(
        n_passed_over=len(passed),
        n_known=len(known),
        n_privacy_blocked=len(plan.look.blocked),
        n_unreadable=len(plan.look.unreadable),
        sha256=_digest([*passed, *known, *plan.look.blocked, *plan.look.unreadable]),
    )


def _digest(frame_ids: Sequence[str]) -> str:
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(frame_ids)).encode()).hexdigest()


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // timedelta(seconds=1)

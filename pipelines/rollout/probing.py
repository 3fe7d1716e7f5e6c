"""Waits until a committee really serves, and asks it and the active one about the same frames."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import numpy as np

from winnow.contracts.artifacts import read_manifest, read_table
from winnow.contracts.manifests import Evaluation, Members
from winnow.contracts.references import COLUMNS, frame_refs
from winnow.contracts.tables import HOLDOUT
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, DomainError, IntegrityError, Retryable
from winnow.domain.ids import CommitteeVersion
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.committee import Committee, CommitteeAnswer
from winnow.ports.deployments import Deployments
from winnow.tasks.decode import decode_rgb

NOISE_FRAMES = 16
NOISE_PIXELS = 32


@dataclass(frozen=True, slots=True)
class Answered:
    """What a committee said of the probe frames, and how long it took."""

    answer: CommitteeAnswer
    ms_per_frame: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How long readiness is waited for."""

    clock: Clock
    seconds_max: float
    poll_seconds: float
    pause: Callable[[float], None]


def wait_until_serving(
    deployments: Deployments,
    committee: Committee,
    version: CommitteeVersion,
    members: BlobRef,
    *,
    patience: Patience,
) -> None:
    """Wait for the platform to say ready, then for every member to say its version.

    A "ready" alone may speak of an earlier generation, or of a server that holds something else.

    Raises
    ------
    IntegrityError
        It takes longer than allowed; the text says what was still missing.
    """
    ends_at = patience.clock.now() + timedelta(seconds=patience.seconds_max)
    while True:
        try:
            lacks = deployments.lacks(version)
            if not lacks:
                committee.load(version, members)
                return
        except Retryable as error:
            lacks = str(error)
        if patience.clock.now() >= ends_at:
            msg = f"committee {version}: expected it to serve within {patience.seconds_max:g} s, "
            raise IntegrityError(f"{msg}found: {lacks}")
        patience.pause(patience.poll_seconds)


def ask(
    committee: Committee, version: CommitteeVersion, members: BlobRef, frames: Sequence[bytes]
) -> Answered:
    """Ask about the frames, after one that warms up."""
    committee.load(version, members)
    committee.score(version, frames[:1])
    started = time.perf_counter()
    answer = committee.score(version, frames)
    return Answered(answer, (time.perf_counter() - started) * 1000 / len(frames))


def ask_active(
    committee: Committee, version: CommitteeVersion, members: BlobRef, frames: Sequence[bytes]
) -> tuple[Answered | None, str]:
    """Ask the committee that serves; if it cannot answer, give nothing and why."""
    try:
        return ask(committee, version, members, frames), ""
    except (Retryable, DomainError) as error:
        return None, f"the active committee {version} did not answer ({error})"


def check_answer(answer: CommitteeAnswer, manifest: Members, n_frames: int) -> None:
    """Refuse an answer that lacks members or has another shape than the manifest says.

    Raises
    ------
    IntegrityError
        Expected and found are in the text.
    """
    version, expected = manifest.committee_version, tuple(one.name for one in manifest.members)
    if answer.members_answered != expected:
        msg = f"committee {version}: expected answers of {', '.join(expected)}, "
        raise IntegrityError(msg + f"found {', '.join(answer.members_answered)}")
    n_classes = len(manifest.class_names)
    if manifest.label_kind == "classification":
        shape: tuple[int, ...] = (n_frames, len(expected), n_classes)
        found = answer.class_probs()
    else:
        shape, found = (n_frames, n_classes), answer.map_information()
    if found.shape != shape or not np.isfinite(found).all():
        msg = f"committee {version}: expected finite numbers {shape}, "
        raise IntegrityError(msg + f"found {found.shape}, finite: {bool(np.isfinite(found).all())}")


def probe_frames(blobs: Blobs, manifest: Members, *, n_max: int) -> list[bytes]:
    """Give frames of the holdout, spread over it; coloured noise where there is no holdout.

    The holdout is the same for every committee, and no committee has learned from it.
    """
    evaluation = manifest.evaluation
    holdouts = () if evaluation is None else read_manifest(blobs, evaluation, Evaluation).holdouts
    refs = [
        ref
        for table in holdouts
        for ref in frame_refs(read_table(blobs, table, HOLDOUT, columns=list(COLUMNS)))
    ]
    spread = refs[:: max(1, len(refs) // n_max)]
    readable = (data for ref in spread if _readable(data := blobs.get(ref)))
    return list(islice(readable, n_max)) or _noise()


def _readable(data: bytes) -> bool:
    try:
        decode_rgb(data)
    except BadInput:
        return False
    return True


def _noise() -> list[bytes]:
    """Give smooth coloured noise, the same for ever."""
    from PIL import Image

    rng = np.random.Generator(np.random.Philox(key=20260101))
    frames = []
    for _ in range(NOISE_FRAMES):
        coarse = rng.integers(0, 256, size=(4, 4, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((NOISE_PIXELS, NOISE_PIXELS))
        sink = io.BytesIO()
        image.save(sink, "PNG")
        frames.append(sink.getvalue())
    return frames

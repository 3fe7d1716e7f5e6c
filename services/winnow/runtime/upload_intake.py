"""A vehicle's upload arrives in the cloud: verified first, then a source like any other."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Final

from pydantic import ValidationError

from winnow.contracts.artifacts import JSON, canonical_json
from winnow.domain.blob_ref import BlobRef
from winnow.domain.boxes import classes_in
from winnow.domain.errors import BadInput, IntegrityError, SchemaMismatch
from winnow.domain.ids import FrameId
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.domain.mistakes import sentence
from winnow.evidence.upload_manifest import UploadedFrame, UploadSelectionManifest
from winnow.ports.blobs import Blobs
from winnow.ports.frame_source import SourceFrame
from winnow.ports.signatures import VehicleKeys
from winnow.runtime.ingest_rows import identity_of

STANDS_FOR: Final = "stands_for"
"""Tag under which the cloud finds what a frame stands for; see `winnow.strategies.fleet`."""
BEGINNING: Final = re.compile(rb'\s*\{\s*"artifact"\s*:\s*"upload_selection"')
FRAMES: Final = "frames"
"""Where vehicles and an ingest put frames, so that what is there already is not stored twice."""
EVIDENCE: Final = "ingest/evidence"
MISTAKES_SHOWN: Final = 5


def is_upload(beginning: bytes) -> bool:
    """Tell from the first bytes of a file whether it is an upload selection manifest."""
    return BEGINNING.match(beginning) is not None


def read_upload(data: bytes, *, where: str) -> UploadSelectionManifest:
    """Read a manifest and compare its digest; its signature is not looked at.

    Raises
    ------
    SchemaMismatch
        It is none; the text lists what is wrong.
    IntegrityError
        Its content is not what its digest says.
    """
    try:
        manifest = UploadSelectionManifest.model_validate_json(data)
    except ValidationError as error:
        lines = [f"\n  {sentence(mistake)}" for mistake in error.errors()[:MISTAKES_SHOWN]]
        msg = (
            f"{where}: expected an upload selection manifest, found {error.error_count()} "
            f"mistake(s):{''.join(lines)}"
        )
        raise SchemaMismatch(msg) from error
    if not manifest.verify():
        msg = f"{where}: expected content of digest {manifest.digest or '(none)'}, found another"
        raise IntegrityError(msg)
    return manifest


def check_upload(
    manifest: UploadSelectionManifest, *, keys: VehicleKeys, now: datetime, where: str
) -> None:
    """Make sure that a registered vehicle signed this manifest and that it is still valid.

    Raises
    ------
    BadInput
        It has expired, is not signed, or its vehicle is unknown.
    IntegrityError
        The signature does not fit.
    """
    if not manifest.signature:
        msg = f"{where}: expected a manifest signed by vehicle {manifest.vehicle}, found none"
        raise BadInput(msg)
    try:
        signature = base64.b64decode(manifest.signature, validate=True)
    except binascii.Error as error:
        msg = f"{where}: expected a signature in base64, found {manifest.signature[:16]!r}"
        raise IntegrityError(msg) from error
    keys.check(manifest.vehicle, manifest.key_fingerprint, manifest.canonical(), signature)
    if manifest.has_expired(now):
        msg = (
            f"{where}: expected a manifest that is still valid, found one that expired at "
            f"{manifest.expires_at.isoformat()}; run winnow upload on the vehicle again"
        )
        raise BadInput(msg)


def keep_upload(manifest: UploadSelectionManifest, blobs: Blobs) -> BlobRef:
    """Store an accepted manifest with the cloud's evidence; storing it twice does nothing."""
    return blobs.put(canonical_json(manifest), prefix=EVIDENCE, media_type=JSON)


class UploadedSource:
    """The frames of a verified manifest, each compared with what was signed.

    Parameters
    ----------
    blobs
        The store that the vehicle put them into.
    """

    def __init__(self, manifest: UploadSelectionManifest, blobs: Blobs) -> None:
        self._manifest = manifest
        self._blobs = blobs

    @property
    def name(self) -> str:
        """Name of the vehicle: a key signs for one source only."""
        return self._manifest.vehicle

    @property
    def n_frames(self) -> int:
        """Number of frames sent."""
        return len(self._manifest.frames)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Classes of known labels; empty for a vehicle on the road."""
        if self.label_kind == DETECTION:
            return tuple(sorted(frozenset().union(*map(classes_in, self._labels))))
        return tuple(sorted(self._labels))

    @property
    def label_kind(self) -> str:
        """Detection if known labels are lists of boxes."""
        boxes = bool(self._labels) and all(label.startswith("[") for label in self._labels)
        return DETECTION if boxes else CLASSIFICATION

    @cached_property
    def _labels(self) -> frozenset[str]:
        labels = (frame.known_label for frame in self._manifest.frames)
        return frozenset(label for label in labels if label is not None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Who signed, and what stayed behind."""
        manifest, left = self._manifest, self._manifest.left_behind
        n_left = left.n_passed_over + left.n_known + left.n_privacy_blocked + left.n_unreadable
        return (
            f"signed by vehicle {manifest.vehicle} (key {manifest.key_fingerprint[:16]}), "
            f"{n_left} frame(s) stayed behind",
        )

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Give the frames in the manifest's order.

        Raises
        ------
        IntegrityError
            Bytes are not those that were signed.
        NotFound
            They are not in the store.
        """
        for pos in range(self.n_frames) if positions is None else sorted(positions):
            yield self._frame(self._manifest.frames[pos])

    def _frame(self, sent: UploadedFrame) -> SourceFrame:
        frame = SourceFrame(
            data=self._bytes(sent),
            name=sent.name,
            media_type=sent.ref.media_type,
            label=sent.known_label,
            session=sent.session,
            captured_at=sent.captured_at,
            site=sent.site,
            sensor=sent.sensor,
            calibrated=sent.calibrated,
            tags={**sent.tags, STANDS_FOR: f"{sent.stands_for:g}"},
        )
        found: FrameId = identity_of(frame, source=self.name, sha256=sent.ref.sha256)
        if found != sent.frame_id:
            msg = f"frame {sent.name}: expected id {sent.frame_id}, found {found} by its content"
            raise IntegrityError(msg)
        return frame

    def _bytes(self, sent: UploadedFrame) -> bytes:
        if not sent.ref.key.startswith(f"{FRAMES}/"):
            msg = f"frame {sent.name}: expected bytes under {FRAMES}/, found {sent.ref.key}"
            raise BadInput(msg)
        # A folder that was copied into a bucket holds the same frames under another bucket's name.
        there = self._blobs.ref_of(sent.ref.key, media_type=sent.ref.media_type)
        return self._blobs.get(replace(sent.ref, bucket=there.bucket))

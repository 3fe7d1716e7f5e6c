"""A vehicle, a store and a cloud for tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from winnow.adapters.ed25519_keys import Ed25519Signer
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.domain.labels import CLASSIFICATION
from winnow.evidence.artifact import Producer
from winnow.ports.blobs import Blobs
from winnow.ports.frame_source import SourceFrame
from winnow.runtime.upload_looking import Look, look_at
from winnow.runtime.upload_planning import (
    CloudKnowledge,
    UploadOptions,
    UploadPlan,
    plan_upload,
)
from winnow.runtime.uploading import SentUpload, send_upload

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
START = datetime(2026, 5, 1, 8, tzinfo=UTC)
PRODUCER = Producer(service="vehicle", version="0.1.0", commit="0" * 40)
Rows = npt.NDArray[np.float32]


@dataclass
class Recordings:
    """A source of frames that are what the test says; frame i looks like `places[i]`."""

    sent: list[SourceFrame]
    places: list[float]
    name: str = "recordings"
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    label_kind: str = CLASSIFICATION
    n_read: int = field(default=0)

    @property
    def n_frames(self) -> int:
        return len(self.sent)

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        for pos in range(self.n_frames) if positions is None else sorted(positions):
            self.n_read += 1
            yield self.sent[pos]

    @property
    def embeddings(self) -> Rows:
        return np.array(self.places, dtype=np.float32).reshape(-1, 1)


def recordings(sessions: Mapping[str, Sequence[float]], *, size_bytes: int = 100) -> Recordings:
    """Give frames a second apart, an hour between sessions; equal sizes unless changed later."""
    sent, places = list[SourceFrame](), list[float]()
    for hour, (session, wanted) in enumerate(sessions.items()):
        for second, place in enumerate(wanted):
            number = len(sent)
            sent.append(
                SourceFrame(
                    data=f"{number:04d}".encode().ljust(size_bytes, b"."),
                    name=f"{session}/{second:03d}.bin",
                    media_type="application/octet-stream",
                    session=session,
                    captured_at=START + timedelta(hours=hour, seconds=second),
                    site="berlin",
                    sensor="front",
                    tags={"weather": "rain"},
                )
            )
            places.append(place)
    return Recordings(sent, places)


def options(**changes: object) -> UploadOptions:
    given = UploadOptions(vehicle="v7", budget_bytes=10**6, segment_frames=2)
    return replace(given, **changes)  # type: ignore[arg-type]


def quiet(what: str, done: int, total: int) -> None:
    """Show no bar."""


def look(source: Recordings, *, vehicle: str = "v7") -> Look:
    return look_at(
        source,
        vehicle=vehicle,
        encoder=PixelEncoder(),
        given=source.embeddings,
        given_version="line/1",
        on_progress=quiet,
    )


def plan(
    source: Recordings,
    *,
    known: CloudKnowledge | None = None,
    scores: npt.NDArray[np.float64] | None = None,
    now: datetime = NOW,
    **changes: object,
) -> UploadPlan:
    chosen = options(**changes)
    seen = look(source, vehicle=chosen.vehicle)
    return plan_upload(seen, chosen, known=known, scores=scores, now=now)


def cloud(places: Sequence[float], *, frame_ids: Collection[str] = ()) -> CloudKnowledge:
    rows = np.array(places, dtype=np.float32).reshape(-1, 1)
    return CloudKnowledge(rows, frozenset(frame_ids), "line/1", "ab" * 32)


def key_pair(folder: Path, vehicle: str = "v7", *, secret: int = 7) -> Ed25519Signer:
    """Write a key pair that is always the same: the private one beside, the public one inside."""
    folder.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.from_private_bytes(bytes([secret]) * 32)
    private = folder.parent / f"{vehicle}.{secret}.key.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / f"{vehicle}.pem").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return Ed25519Signer(private)


def send(
    source: Recordings,
    blobs: Blobs,
    signer: Ed25519Signer,
    *,
    known: CloudKnowledge | None = None,
    scores: npt.NDArray[np.float64] | None = None,
    now: datetime = NOW,
    **changes: object,
) -> SentUpload:
    return send_upload(
        plan(source, known=known, scores=scores, now=now, **changes),
        source,
        blobs=blobs,
        signer=signer,
        producer=PRODUCER,
        now=now,
        on_progress=quiet,
    )

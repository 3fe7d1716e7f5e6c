"""What a vehicle sent, as `winnow ingest` finds and verifies it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from winnow.adapters.connect import connect_blobs
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.system_clock import SystemClock
from winnow.contracts.artifacts import JSON
from winnow.domain.errors import BadInput
from winnow.ports.blobs import Blobs
from winnow.runtime.ingestion import IngestOptions
from winnow.runtime.upload_intake import (
    UploadedSource,
    check_upload,
    is_upload,
    keep_upload,
    read_upload,
)
from winnow.runtime.uploading import PREFIX

KEY_FOLDER: Final = "vehicles"
"""Of registered public keys, in a state folder."""
BEGINNING_BYTES: Final = 256
VehicleKeyFolder = Annotated[
    Path | None,
    typer.Option(
        "--vehicle-keys",
        envvar="WINNOW_VEHICLE_KEYS",
        show_envvar=True,
        help="Folder of registered vehicles' public keys; by default `vehicles` in the state "
        "folder.",
    ),
]
SentTo = Annotated[
    str,
    typer.Option(
        "--from",
        help="Where the vehicle sent its frames (what it was told with --to); by default the "
        "folder that the manifest lies in, or the object store.",
    ),
]


def store_at(where: str) -> Blobs:
    """Open a folder, or an object store by its URL."""
    return connect_blobs(where) if "://" in where else FileBlobs(Path(where).resolve())


def is_sent(path: Path) -> bool:
    """Tell whether a path is a vehicle's manifest, or the key of one."""
    if path.is_file():
        with path.open("rb") as file:
            return is_upload(file.read(BEGINNING_BYTES))
    return not path.exists() and path.parts[:1] == (PREFIX,)


def open_sent(
    path: Path, options: IngestOptions, blobs: Blobs, *, keys: Path, sent_to: str
) -> tuple[UploadedSource, IngestOptions]:
    """Verify a vehicle's manifest, keep it as evidence, and give its frames as a source.

    Raises
    ------
    BadInput
        The vehicle is unknown, the manifest unsigned or expired, its frames are not found, or an
        option contradicts it.
    IntegrityError
        The signature or digest does not fit.
    """
    from winnow.adapters.ed25519_keys import KeyFolder

    if options.source_name or options.vehicle:
        msg = f"{path}: expected no --source and no --vehicle: the vehicle's manifest says both"
        raise BadInput(msg)
    store = store_at(sent_to) if sent_to else _store_of(path, blobs)
    data = (
        path.read_bytes()
        if path.is_file()
        else store.get(store.ref_of(path.as_posix(), media_type=JSON))
    )
    manifest = read_upload(data, where=str(path))
    now: datetime = SystemClock().now()
    check_upload(manifest, keys=KeyFolder(keys), now=now, where=str(path))
    keep_upload(manifest, blobs)
    return UploadedSource(manifest, store), replace(options, vehicle=manifest.vehicle)


def _store_of(path: Path, blobs: Blobs) -> Blobs:
    """Give the store that a manifest's file lies in: `ROOT/uploads/VEHICLE/CHOICE/ab/abcd…`."""
    if not path.is_file():
        return blobs
    where = path.resolve()
    if len(where.parents) > 4 and where.parents[3].name == PREFIX:
        return FileBlobs(where.parents[4])
    msg = (
        f"{path}: expected a manifest in the folder that the vehicle sent it to, found it "
        "elsewhere; name that folder or store with --from"
    )
    raise BadInput(msg)

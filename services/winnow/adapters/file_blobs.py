"""The object store of ring 1: a folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from winnow.adapters.content_address import (
    check_key,
    chunks_of,
    copy_hashed,
    digest_of,
    key_of,
    sha256_of,
    verify,
)
from winnow.adapters.disk_errors import told
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound, Retryable

BUCKET = "files"


class FileBlobs:
    """Immutable files below `root`, named by their content.

    A file appears under its name only when all its bytes are on disk, so that a crash or a full
    disk at any moment leaves either the whole content or nothing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, data: bytes, *, prefix: str, media_type: str, schema_version: int = 1) -> BlobRef:
        """Store bytes; see `winnow.ports.blobs.Blobs.put`."""
        sha256 = sha256_of(data)
        ref = BlobRef(BUCKET, key_of(prefix, sha256), sha256, len(data), media_type, schema_version)
        if self.exists(ref):
            return ref
        return self.put_stream(
            [data], prefix=prefix, media_type=media_type, schema_version=schema_version
        )

    def put_stream(
        self, chunks: Iterable[bytes], *, prefix: str, media_type: str, schema_version: int = 1
    ) -> BlobRef:
        """Store bytes that do not fit in memory."""
        folder = self._root / check_key(prefix.rstrip("/"))
        with _retryable(folder):
            _make_folder(folder)
            temporary, sha256, size_bytes = _write_temporary(chunks, folder)
        key = key_of(prefix, sha256)
        with _retryable(self._root / key):
            _publish(temporary, self._root / key)
        return BlobRef(BUCKET, key, sha256, size_bytes, media_type, schema_version)

    def get(self, ref: BlobRef) -> bytes:
        """Give the bytes, verified."""
        path = self._found(ref)
        # Unbuffered: frames are many and small, and each further call of the system lets other
        # threads in.
        with _retryable(path), path.open("rb", buffering=0) as source:
            data = source.read()
        verify(ref, sha256=sha256_of(data), size_bytes=len(data))
        return data

    def open(self, ref: BlobRef) -> BinaryIO:
        """Give the file itself, verified, at its beginning."""
        path = self._found(ref)
        with _retryable(path):
            source = path.open("rb")
        try:
            _verify_file(source, ref)
        except BaseException:
            source.close()
            raise
        return source

    def exists(self, ref: BlobRef) -> bool:
        """Tell whether something of the right size lies there."""
        path = self._path(ref)
        return ref.bucket == BUCKET and path.is_file() and path.stat().st_size == ref.size_bytes

    def ref_of(self, key: str, *, media_type: str) -> BlobRef:
        """Give the reference of the file under a key."""
        sha256, path = digest_of(key), self._root / key
        if not path.is_file():
            msg = f"{BUCKET}/{key}: expected a file at {path}, found none"
            raise NotFound(msg)
        return BlobRef(BUCKET, key, sha256, path.stat().st_size, media_type)

    def keys(self, prefix: str) -> Iterator[str]:
        """List keys below a prefix, sorted."""
        start = self._root / check_key(prefix.rstrip("/")) if prefix else self._root
        found = (path.relative_to(self._root) for path in start.rglob("*") if path.is_file())
        yield from sorted(path.as_posix() for path in found if not path.name.startswith("."))

    def local_path(self, ref: BlobRef) -> Path | None:
        """Give the path of the file, if it is there."""
        return self._path(ref) if self.exists(ref) else None

    def _path(self, ref: BlobRef) -> Path:
        return self._root / check_key(ref.key)

    def _found(self, ref: BlobRef) -> Path:
        path = self._path(ref)
        if ref.bucket != BUCKET or not path.is_file():
            msg = f"{ref.bucket}/{ref.key}: expected a file at {path}, found none"
            raise NotFound(msg)
        return path


def _verify_file(source: BinaryIO, ref: BlobRef) -> None:
    digest = hashlib.sha256()
    for chunk in chunks_of(source):
        digest.update(chunk)
    verify(ref, sha256=digest.hexdigest(), size_bytes=source.tell())
    source.seek(0)


def _write_temporary(chunks: Iterable[bytes], folder: Path) -> tuple[Path, str, int]:
    # Hidden, so that no listing shows it; in this folder, because renaming is only atomic
    # within one file system.
    handle, name = tempfile.mkstemp(prefix=".partial-", dir=folder)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as sink:
            sha256, size_bytes = copy_hashed(chunks, sink)
            sink.flush()
            os.fchmod(sink.fileno(), 0o444)
            os.fsync(sink.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary, sha256, size_bytes


def _publish(temporary: Path, path: Path) -> None:
    try:
        _make_folder(path.parent)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    # A rename is on disk only when its folder is.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _retryable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"file store at {path}: expected to read or write, found: {told(error)}"
        raise Retryable(msg) from error

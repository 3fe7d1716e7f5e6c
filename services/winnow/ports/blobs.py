"""The object store: immutable bytes under keys that derive from the content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from winnow.domain.blob_ref import BlobRef


class Blobs(Protocol):
    """Store of immutable, content-addressed bytes."""

    def put(self, data: bytes, *, prefix: str, media_type: str, schema_version: int = 1) -> BlobRef:
        """Store bytes under `prefix/sha256[:2]/sha256`; storing the same again does nothing.

        Raises
        ------
        Retryable
            The store could not be reached or is full; nothing half-written becomes visible.
        """
        ...

    def put_stream(
        self, chunks: Iterable[bytes], *, prefix: str, media_type: str, schema_version: int = 1
    ) -> BlobRef:
        """Store bytes that do not fit in memory (multipart on S3)."""
        ...

    def get(self, ref: BlobRef) -> bytes:
        """Give the bytes, after comparing size and SHA-256 with the reference.

        Raises
        ------
        NotFound
            Nothing lies there.
        IntegrityError
            Other bytes lie there.
        """
        ...

    def open(self, ref: BlobRef) -> BinaryIO:
        """Give a seekable local copy, verified, for readers that jump (Parquet, checkpoints)."""
        ...

    def exists(self, ref: BlobRef) -> bool:
        """Tell whether something of the right size lies there."""
        ...

    def ref_of(self, key: str, *, media_type: str) -> BlobRef:
        """Give the reference of what lies under a key, where only the key is known.

        The digest is the key's own last part, so whoever reads by it is told of other bytes.

        Raises
        ------
        NotFound
            Nothing lies there.
        BadInput
            It is no key that `put` gives.
        """
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """List keys below a prefix, sorted."""
        ...

    def local_path(self, ref: BlobRef) -> Path | None:
        """Give the path where the bytes already lie on this machine, if they do."""
        ...

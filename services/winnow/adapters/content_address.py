"""Keys that derive from content, and the check that bytes are those a reference names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, IntegrityError

CHUNK_BYTES = 1024 * 1024


def key_of(prefix: str, sha256: str) -> str:
    """Give `prefix/sha256[:2]/sha256`: two digits keep folders small and spread S3 partitions."""
    return f"{check_key(prefix.rstrip('/'))}/{sha256[:2]}/{sha256}"


def check_key(key: str) -> str:
    """Give the key back if it names something below the root of a store.

    Raises
    ------
    BadInput
        It is empty, absolute, hidden or climbs out: references come from messages.
    """
    if any(not part or part.startswith(".") for part in key.split("/")):
        msg = f"object key: expected a relative path without hidden or empty parts, found {key!r}"
        raise BadInput(msg)
    return key


def digest_of(key: str) -> str:
    """Give the SHA-256 that a key ends in.

    Raises
    ------
    BadInput
        It ends in something else.
    """
    parts = PurePosixPath(check_key(key)).parts
    prefix = "/".join(parts[:-2])
    sha256 = parts[-1]
    if not prefix or not re.fullmatch("[0-9a-f]{64}", sha256) or key != key_of(prefix, sha256):
        msg = f"object key: expected prefix/…/ab/ab… of a SHA-256, found {key!r}"
        raise BadInput(msg)
    return sha256


def sha256_of(data: bytes) -> str:
    """Give the hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()


def copy_hashed(chunks: Iterable[bytes], sink: BinaryIO) -> tuple[str, int]:
    """Write chunks to `sink`; give their SHA-256 and number of bytes."""
    digest = hashlib.sha256()
    size_bytes = 0
    for chunk in chunks:
        digest.update(chunk)
        sink.write(chunk)
        size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def chunks_of(source: BinaryIO) -> Iterator[bytes]:
    """Give what is left of a file in pieces of at most a mebibyte."""
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def verify(ref: BlobRef, *, sha256: str, size_bytes: int) -> None:
    """Compare what was read with its reference.

    Raises
    ------
    IntegrityError
        Size or digest differ.
    """
    if size_bytes != ref.size_bytes:
        msg = f"{ref.bucket}/{ref.key}: expected {ref.size_bytes} bytes, found {size_bytes}"
        raise IntegrityError(msg)
    if sha256 != ref.sha256:
        msg = f"{ref.bucket}/{ref.key}: expected SHA-256 {ref.sha256}, found {sha256}"
        raise IntegrityError(msg)

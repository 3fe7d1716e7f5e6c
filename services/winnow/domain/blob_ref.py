"""The claim check: what a message carries instead of bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where bytes lie and how to know that they are the right ones.

    Keys derive from the content, so a reference never changes its meaning and is never signed.
    """

    bucket: str
    key: str
    sha256: str
    size_bytes: int
    media_type: str
    schema_version: int = 1

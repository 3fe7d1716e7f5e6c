"""What every artifact carries, and the digest that makes it evidence."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Producer(BaseModel):
    """Which program wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    service: str
    version: str
    commit: str


class Artifact(BaseModel):
    """Base of the seven. `digest` covers the canonical JSON of all other fields.

    Amounts of money are integers; ratios are floats written by `repr`, which round-trips.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    artifact: str
    """Which of the seven; with `schema_version` it names the JSON Schema."""
    schema_version: int
    id: UUID
    created_at: datetime
    producer: Producer
    round_id: str
    supersedes: UUID | None = None
    digest: str = ""

    def canonical(self) -> bytes:
        """Give the bytes that the digest covers: every field but the digest, sorted keys."""
        document = self.model_dump(mode="json", exclude={"digest"})
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()

    def sealed(self) -> Self:
        """Give a copy with its digest."""
        return self.model_copy(update={"digest": hashlib.sha256(self.canonical()).hexdigest()})

    def verify(self) -> bool:
        """Tell whether the digest fits the content."""
        return self.digest == hashlib.sha256(self.canonical()).hexdigest()

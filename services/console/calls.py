"""What an act is: who wants what, under which key, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from winnow.domain.errors import DomainError
from winnow.domain.ids import derived_uuid
from winnow.domain.labels import Role
from winnow.ports.ledger import Transaction

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody known, with roles."""

    name: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Call:
    """One person's wish to do one act, as it goes into the audit log."""

    person: Person
    act: str
    arguments: Document
    group: str
    """What it is about: a budget, round or batch."""
    key: str
    """Idempotency key: the same key and arguments give the first answer again."""
    at: datetime

    @property
    def command_id(self) -> str:
        """Id of the command row that remembers this call."""
        return str(derived_uuid("console", "command", self.person.name, self.key))

    @property
    def transfer_id(self) -> UUID:
        """Id of the movement of money that this call asks for."""
        return derived_uuid("console", "transfer", self.command_id)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an act; `refusal` is one that the ledger stored, so it is committed."""

    document: Document = field(default_factory=dict)
    state: str = "done"
    """done, refused, proposed (waits for a second person), pending (for another service)."""
    service: str = "console"
    refusal: DomainError | None = None


Work = Callable[[Transaction, Call], Answer]


def canonical(document: Document) -> str:
    """Give canonical JSON: the same text for the same content."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)

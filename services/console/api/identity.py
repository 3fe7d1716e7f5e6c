"""Who is calling, whether they may, and the line in the audit log that every act leaves."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from console.calls import Answer, Call, Document, Person, Work, canonical
from console.handlers import token_group
from winnow.domain import errors
from winnow.domain.acts import HUMAN_ROLES, role_for
from winnow.domain.ids import derived_uuid
from winnow.domain.labels import Role
from winnow.domain.tables import AUDIT, COMMANDS, PEOPLE, AuditRow, CommandRow
from winnow.ports.ledger import Ledger, Transaction

T = TypeVar("T")
BOOTSTRAP = "bootstrap"


def token_digest(token: str) -> str:
    """Give what is stored instead of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """Give a fresh token; it is shown once and never stored."""
    return f"wnw_{secrets.token_urlsafe(32)}"


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets people in, lets them do what their roles cover, and writes down all of it."""

    ledger: Ledger
    local_person: str = ""
    bootstrap_sha256: str = ""

    def person(self, authorization: str | None) -> Person:
        """Give who stands behind an `Authorization` header.

        Raises
        ------
        NotAuthenticated
            The bearer token is missing or nobody's.
        """
        if authorization is None and self.local_person:
            return Person(self.local_person, HUMAN_ROLES)
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            msg = "expected an Authorization header with a bearer token, found none"
            raise errors.NotAuthenticated(msg)
        found = self._holder(token_digest(token.strip()))
        if found is None:
            msg = "expected the token of an active person, found one that nobody holds"
            raise errors.NotAuthenticated(msg)
        return found

    def admit(self, call: Call) -> Role:
        """Give the role under which the person may do this act.

        Raises
        ------
        NotAllowed
            No role covers it; the audit log says so.
        """
        try:
            return role_for(call.act, call.person.roles, person=call.person.name)
        except errors.NotAllowed as refusal:
            self._record_refusal(call, "", refusal)
            raise

    def checked(self, call: Call, role: Role, check: Callable[[], T]) -> T:
        """Give what a check gives; if it refuses, the audit log says so."""
        try:
            return check()
        except errors.DomainError as refusal:
            self._record_refusal(call, role.value, refusal)
            raise

    def perform(self, call: Call, role: Role, work: Work) -> Document:
        """Do an act, remember it and write it down, in one transaction.

        Raises
        ------
        Conflict
            The idempotency key was used for something else.
        DomainError
            The act was refused.
        """
        try:
            with self.ledger.transaction() as tx:
                row, refusal, repeated = _once(tx, call, role, work)
                outcome = f"repeated: {row.state}" if repeated else _outcome(refusal)
                tx.records.insert(AUDIT, _audit_row(call, role.value, outcome))
        except errors.DomainError as error:
            self._record_refusal(call, role.value, error)
            raise
        if refusal is not None:
            raise refusal
        return {**command_document(row), "repeated": repeated}

    def _holder(self, digest: str) -> Person | None:
        if self.bootstrap_sha256 and hmac.compare_digest(digest, self.bootstrap_sha256):
            return Person(BOOTSTRAP, frozenset({Role.PLATFORM_ENGINEER}))
        with self.ledger.snapshot() as view:
            rows = view.records.find(PEOPLE, group=token_group(digest), state="active")
        for row in rows:
            if hmac.compare_digest(digest, row.token_sha256):
                return Person(row.key, frozenset(Role(role) for role in row.roles))
        return None

    def _record_refusal(self, call: Call, role: str, refusal: errors.DomainError) -> None:
        with self.ledger.transaction() as tx:
            tx.records.insert(AUDIT, _audit_row(call, role, _outcome(refusal)))


def command_row(call: Call, role: Role, answer: Answer) -> CommandRow:
    """Give the row that remembers an act, and that another service may take up."""
    document: Document = answer.document
    if answer.refusal is not None:
        document = {"error": type(answer.refusal).__name__, "reason": str(answer.refusal)}
    return CommandRow(
        key=call.command_id,
        service=answer.service,
        name=call.act,
        arguments=canonical(call.arguments),
        actor=call.person.name,
        role=role.value,
        state="refused" if answer.refusal is not None else answer.state,
        answer=canonical(document) if document else "",
    )


def command_document(row: CommandRow) -> Document:
    """Give a command as people see it."""
    return {
        "id": row.key,
        "service": row.service,
        "name": row.name,
        "actor": row.actor,
        "role": row.role,
        "state": row.state,
        "arguments": json.loads(row.arguments),
        "answer": json.loads(row.answer) if row.answer else {},
    }


def _once(
    tx: Transaction, call: Call, role: Role, work: Work
) -> tuple[CommandRow, errors.DomainError | None, bool]:
    known = tx.records.get(COMMANDS, call.command_id)
    if known is None:
        answer: Answer = work(tx, call)
        row = command_row(call, role, answer)
        if not tx.records.insert(COMMANDS, row):
            msg = (
                f"idempotency key {call.key!r}: expected one request at a time, found another that "
                "ended meanwhile; send it again to read its answer"
            )
            raise errors.Conflict(msg)
        return row, answer.refusal, False
    if (known.name, known.arguments) != (call.act, canonical(call.arguments)):
        other = "other arguments" if known.name == call.act else call.act
        msg = (
            f"idempotency key {call.key!r}: expected the {known.name} that it was first used for, "
            f"found {other}"
        )
        raise errors.Conflict(msg)
    return known, _stored_refusal(known), True


def _stored_refusal(row: CommandRow) -> errors.DomainError | None:
    if row.service != "console" or row.state != "refused":
        return None
    stored = json.loads(row.answer)
    kind: type[errors.DomainError] = getattr(errors, stored["error"])
    return kind(stored["reason"])


def _outcome(refusal: errors.DomainError | None) -> str:
    return "allowed" if refusal is None else f"refused: {refusal}"


def _audit_row(call: Call, role: str, outcome: str) -> AuditRow:
    stamp = call.at.strftime("%Y%m%dT%H%M%S.%fZ")
    identity = derived_uuid("audit", call.person.name, call.act, call.key, outcome)
    return AuditRow(
        key=f"{stamp}-{identity}",
        actor=call.person.name,
        role=role,
        act=call.act,
        arguments=canonical(call.arguments),
        outcome=outcome,
        at=call.at,
        group=call.group,
        state=outcome.split(":")[0],
    )

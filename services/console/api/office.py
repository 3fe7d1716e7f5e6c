"""Routes of the house: people, audit, commands and the one-screen status."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Literal

from fastapi import APIRouter, Query, Request

from console import handlers
from console.api import bodies, views
from console.api.desk import Desk
from console.api.identity import command_document, new_token, token_digest
from console.calls import Document
from winnow.contracts.topics import DEAD_LETTER_SUFFIX
from winnow.domain.errors import BadInput, NotFound
from winnow.domain.tables import AUDIT, COMMANDS, PEOPLE
from winnow.runtime.letter_box import LetterBox


def office_routes(desk: Desk) -> APIRouter:
    """Give the routes under `/v1/people`, `/v1/audit`, `/v1/commands` and `/v1/status`."""
    router = APIRouter(prefix="/v1", tags=["office"])
    _people(router, desk)
    _records(router, desk)
    return router


def _people(router: APIRouter, desk: Desk) -> None:
    @router.post("/people", status_code=201)
    def add(request: Request, body: bodies.PersonBody) -> Document:
        """Let somebody in; the answer shows their token, once."""
        if len(body.human_roles()) != len(body.roles):
            wrong = ", ".join(sorted(set(body.roles) - set(body.human_roles())))
            msg = f"roles: expected roles of people, found {wrong}, which belong to services"
            raise BadInput(msg)
        token = new_token()
        call = desk.call(request, "person.add", body.model_dump(mode="json"), group=body.name)
        work = partial(
            handlers.add_person,
            name=body.name,
            roles=body.human_roles(),
            token_sha256=token_digest(token),
        )
        document = desk.act(call, work)
        return document if document["repeated"] else {**document, "token": token}

    @router.delete("/people/{name}")
    def remove(request: Request, name: str) -> Document:
        """Make somebody's token worthless."""
        call = desk.call(request, "person.remove", {"name": name}, group=name)
        return desk.act(call, partial(handlers.remove_person, name=name))

    @router.get("/people")
    def list_people(request: Request) -> list[Document]:
        """Who may come in, and as what."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            rows = view.records.find(PEOPLE)
            return [{"name": r.key, "roles": list(r.roles), "state": r.state} for r in rows]


def _records(router: APIRouter, desk: Desk) -> None:
    @router.get("/audit")
    def audit(
        request: Request,
        about: str | None = None,
        state: Literal["allowed", "refused", "repeated"] | None = None,
        limit: int = Query(default=100, ge=1, le=10_000),
    ) -> list[Document]:
        """List the newest acts, oldest first."""
        desk.reader(request, "audit.read")
        with desk.ledger.snapshot() as view:
            rows = view.records.find(AUDIT, group=about, state=state)
            return [views.audit_document(row) for row in rows[-limit:]]

    @router.get("/commands/{command_id}")
    def command(request: Request, command_id: str) -> Document:
        """State and answer of something that was asked for."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            row = view.records.get(COMMANDS, command_id)
        if row is None:
            msg = f"command {command_id}: expected one that was sent here, found none"
            raise NotFound(msg)
        return command_document(row)

    @router.get("/status")
    def status(request: Request) -> Document:
        """One screen: what flows, what waits, what it cost, what is dead."""
        person = desk.reader(request)
        with desk.ledger.snapshot() as view:
            document = views.status_document(view, desk.clock.now())
        return {**document, "person": person, "dead_letters": _dead_letters(desk)}


def _dead_letters(desk: Desk) -> dict[str, int]:
    """Count by topic what was not handled since; a replayed message stays where it was."""
    letters = LetterBox(desk.bus, desk.ledger, desk.topic_prefix).all()
    return dict(
        Counter(f"{one.topic}{DEAD_LETTER_SUFFIX}" for one, now in letters if now == "open")
    )

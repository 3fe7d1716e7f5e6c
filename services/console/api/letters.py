"""The route by which dead letters go out again: an act of a person like any other."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request

from console import handlers
from console.api.bodies import ReplayBody
from console.api.desk import Desk
from console.calls import Document
from winnow.domain.errors import BadInput
from winnow.ports.bus import Message
from winnow.runtime.dead_letters import DeadLetter, replayable
from winnow.runtime.letter_box import LetterBox


def letter_routes(desk: Desk) -> APIRouter:
    """Give the routes under `/v1/dead-letters`."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["office"])
    box = LetterBox(desk.bus, desk.ledger, desk.topic_prefix)

    @router.post("/replay")
    def replay(request: Request, body: ReplayBody) -> Document:
        """Let the originals go out again; consumers that have handled one drop it."""
        call = desk.call(request, "dlq.replay", body.model_dump(mode="json"), group="dlq")
        role = desk.gate.admit(call)
        messages = desk.gate.checked(call, role, lambda: _originals(box, body))
        return desk.gate.perform(call, role, partial(handlers.replay, messages=messages))

    return router


def _originals(box: LetterBox, body: ReplayBody) -> dict[str, Message]:
    """Give each message once by its id, however many dead letters tell of it."""
    if bool(body.ids) == body.everything:
        msg = "replay: expected ids or --all, found " + ("both" if body.ids else "neither")
        raise BadInput(msg)
    return {one.event_id: replayable(one) for one in _open(box, body)}


def _open(box: LetterBox, body: ReplayBody) -> list[DeadLetter]:
    pairs = box.all() if body.everything else [p for one in body.ids for p in box.chosen(one)]
    return [letter for letter, state in pairs if state == "open"]

"""Routes of the loop: rounds, batches, labels and what went wrong with them."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Query, Request

from console.api import bodies, label_views, round_views, views
from console.api.desk import Desk
from console.calls import Call, Document
from winnow.domain.errors import NotFound
from winnow.domain.ids import FrameId
from winnow.domain.tables import BATCHES, ROUNDS, BatchRow
from winnow.policy.model import parse_policy
from winnow.ports.ledger import Records

BATCHES_TOLD = 10
"""How many names the answer to a wrong one holds."""
RANK_MAX = 2**31 - 1
"""Ranks are stored in 32 bits."""


def loop_routes(desk: Desk) -> APIRouter:
    """Give the routes of rounds, the pool, batches, labels and exceptions."""
    router = APIRouter(prefix="/v1", tags=["loop"])
    _rounds(router, desk)
    _batches(router, desk)
    _labels(router, desk)
    _exceptions(router, desk)
    return router


def _rounds(router: APIRouter, desk: Desk) -> None:
    @router.post("/rounds", status_code=202)
    def open_round(request: Request, body: bodies.OpenRoundBody) -> Document:
        """Check a policy whole, store it, and ask for a round with it."""
        call = desk.call(request, "round.open", {"where": body.where}, group="rounds")
        return desk.open_round(
            call, lambda: parse_policy(body.policy, where=body.where), open_max=body.open_max
        )

    @router.get("/rounds")
    def list_rounds(request: Request) -> list[Document]:
        """All rounds in order."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            rows = sorted(view.records.find(ROUNDS), key=lambda row: row.number)
            return [round_views.round_summary(row) for row in rows]

    @router.get("/rounds/{number}")
    def show_round(request: Request, number: int) -> Document:
        """One round: stages, batch, counts, money, and for whom it waits."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            return round_views.round_document(view, round_views.round_row(view.records, number))

    @router.get("/rounds/{number}/policy")
    def show_policy(request: Request, number: int) -> Document:
        """Give the policy that a round is pinned to, as canonical text."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            row = round_views.round_row(view.records, number)
        return {"round_id": row.key, "policy": desk.blobs.get(row.policy).decode()}

    @router.get("/pool")
    def show_pool(request: Request) -> Document:
        """Count what a round opened now could choose from, and say what the pool still lacks."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            return round_views.pool_document(view, desk.blobs)


def _batches(router: APIRouter, desk: Desk) -> None:
    def decide(call: Call, batch_id: str) -> Document:
        with desk.ledger.snapshot() as view:
            _batch(view.records, batch_id)
        return desk.command(call)

    @router.get("/batches/{batch_id}")
    def show_batch(request: Request, batch_id: str) -> Document:
        """One batch."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            row = _batch(view.records, batch_id)
            unit = round_views.batch_unit(view.money, desk.blobs, row)
        return {**round_views.batch_document(row), "unit": unit}

    @router.get("/batches/{batch_id}/frames")
    def list_frames(
        request: Request,
        batch_id: str,
        first: int = Query(default=0, ge=0, le=RANK_MAX),
        limit: int = Query(default=100, ge=1, le=10_000),
    ) -> list[Document]:
        """Frames of a batch in the order of their ranks, and why each was chosen."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            row = _batch(view.records, batch_id)
        return list(round_views.batch_frames(desk.blobs, row, first=first, limit=limit))

    @router.post("/batches/{batch_id}/approve", status_code=202)
    def approve(request: Request, batch_id: str, body: bodies.DecideBody) -> Document:
        """Let a proposed batch go; its annotation money is reserved then."""
        arguments = {"batch_id": batch_id, "reason": body.reason}
        return decide(desk.call(request, "batch.approve", arguments, group=batch_id), batch_id)

    @router.post("/batches/{batch_id}/reject", status_code=202)
    def reject(request: Request, batch_id: str, body: bodies.DecideBody) -> Document:
        """Refuse a proposed batch; nothing is reserved."""
        arguments = {"batch_id": batch_id, "reason": body.reason}
        return decide(desk.call(request, "batch.reject", arguments, group=batch_id), batch_id)

    @router.post("/batches/{batch_id}/amend", status_code=202)
    def amend(request: Request, batch_id: str, body: bodies.AmendBody) -> Document:
        """Change a proposed batch by a recorded overlay, then let it go."""
        arguments = {"batch_id": batch_id, **body.model_dump(mode="json")}
        return decide(desk.call(request, "batch.amend", arguments, group=batch_id), batch_id)


def _labels(router: APIRouter, desk: Desk) -> None:
    @router.post("/labels/promote", status_code=202)
    def promote(request: Request, body: bodies.PromoteBody) -> Document:
        """Ask QA to promote a round's accepted labels, as the data steward."""
        arguments = body.model_dump(mode="json")
        call = desk.call(request, "label.promote", arguments, group=body.round_id)
        return desk.command(call)

    @router.get("/labels/counts")
    def counts(request: Request, round_id: str | None = None) -> Document:
        """Latest label revisions by state."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            return label_views.label_counts(view, round_id)

    @router.get("/labels/{frame_id}")
    def history(request: Request, frame_id: str, label_task: str = "") -> Document:
        """Every revision of a frame's label, step by step."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            return label_views.label_history(view, FrameId(frame_id), label_task)


def _exceptions(router: APIRouter, desk: Desk) -> None:
    @router.get("/exceptions")
    def list_exceptions(request: Request, state: str = "open") -> list[Document]:
        """List what a person must decide."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            return [asdict(row) for row in views.exceptions(view.records, state=state or None)]

    @router.post("/exceptions/{key:path}/resolve", status_code=202)
    def resolve(request: Request, key: str, body: bodies.ResolveBody) -> Document:
        """Say how an exception was settled."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            found = (view.records.get(table, key) for table in views.EXCEPTION_TABLES)
            row = next((row for row in found if row is not None), None)
        if row is None:
            msg = f"exception {key}: expected an open one, found none"
            raise NotFound(msg)
        arguments = {"key": key, "resolution": body.resolution}
        call = desk.call(request, "exception.resolve", arguments, group=row.round_id)
        return desk.command(call, service=row.service)


def _batch(records: Records, batch_id: str) -> BatchRow:
    row = records.get(BATCHES, batch_id)
    if row is None:
        known = sorted((one.key for one in records.find(BATCHES)), key=lambda key: (len(key), key))
        newest = ", ".join(known[-BATCHES_TOLD:])
        told = f"the newest are {newest}" if newest else "there is none yet"
        msg = f"batch {batch_id}: expected a proposed or decided batch, found none; {told}"
        raise NotFound(msg)
    return row

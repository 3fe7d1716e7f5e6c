"""Routes of money."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from fastapi import APIRouter, Query, Request

from console import handlers
from console.api import bodies, views
from console.api.desk import Desk
from console.calls import Document
from winnow.contracts.budget_reports import reports_of, store_report
from winnow.domain.ids import BudgetId, Period
from winnow.evidence.budget_report import BudgetReport


def budget_routes(desk: Desk) -> APIRouter:
    """Give the routes under `/v1/budgets`."""
    router = APIRouter(prefix="/v1/budgets", tags=["budgets"])
    _reading(router, desk)
    _moving(router, desk)
    _transferring(router, desk)
    return router


def quarter_of(at: datetime) -> Period:
    """Give the period that an allocation goes to if none is named.

    Examples
    --------
    >>> quarter_of(datetime(2026, 11, 21))
    '2026-Q4'
    """
    return Period(f"{at.year}-Q{(at.month + 2) // 3}")


def _reading(router: APIRouter, desk: Desk) -> None:
    @router.get("")
    def list_budgets(request: Request) -> list[Document]:
        """All budgets with their balances by period."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            return [views.budget_document(view.money, b) for b in view.money.budgets()]

    @router.get("/report")
    def report(
        request: Request, budget_id: str | None = None, period: str | None = None
    ) -> list[BudgetReport]:
        """Sealed evidence of every budget's periods; its chain is verified first."""
        desk.reader(request)
        at = desk.clock.now()
        with desk.ledger.snapshot() as view:
            return [
                document
                for budget in view.money.budgets()
                if budget_id in {None, budget.budget_id}
                for document in reports_of(
                    view.money, budget, period, producer=desk.producer, at=at
                )
            ]

    @router.get("/{budget_id}")
    def show_budget(
        request: Request, budget_id: str, entries: int = Query(default=50, ge=0, le=100_000)
    ) -> Document:
        """One budget with its newest entries."""
        desk.reader(request)
        with desk.ledger.snapshot() as view:
            budget = view.money.budget(BudgetId(budget_id))
            newest = views.last_entries(view.money, budget, entries)
            return {**views.budget_document(view.money, budget), "entries": newest}


def _moving(router: APIRouter, desk: Desk) -> None:
    @router.post("/allocate")
    def allocate(request: Request, body: bodies.AllocateBody) -> Document:
        """Fund a period; makes the budget if its kind has none yet."""
        arguments = body.model_dump(mode="json")
        call = desk.call(request, "budget.allocate", arguments, group=body.kind.value)
        work = partial(
            handlers.allocate,
            kind=body.kind,
            amount=body.amount,
            owner=body.owner,
            currency=body.currency,
            period=Period(body.period) if body.period else quarter_of(call.at),
            approval=body.approval,
            overrun_allowed=body.overrun_allowed,
        )
        return desk.act(call, work)

    @router.post("/{budget_id}/correct")
    def correct(request: Request, budget_id: str, body: bodies.CorrectBody) -> Document:
        """Undo (part of) an entry by an opposite posting."""
        arguments = {"budget_id": budget_id, **body.model_dump(mode="json")}
        call = desk.call(request, "budget.correct", arguments, group=budget_id)
        work = partial(
            handlers.correct,
            budget_id=BudgetId(budget_id),
            corrects=body.corrects,
            amount=body.amount,
            reason=body.reason,
        )
        return desk.act(call, work)

    @router.post("/{budget_id}/close")
    def close(request: Request, budget_id: str, body: bodies.CloseBody) -> Document:
        """Close a period for ever; the answer names its sealed report in the object store."""
        arguments = {"budget_id": budget_id, **body.model_dump(mode="json")}
        call = desk.call(request, "budget.close", arguments, group=budget_id)
        period = Period(body.period) if body.period else None
        work = partial(
            handlers.close,
            budget_id=BudgetId(budget_id),
            period=period,
            producer=desk.producer,
            keep=partial(store_report, desk.blobs),
        )
        return desk.act(call, work)


def _transferring(router: APIRouter, desk: Desk) -> None:
    @router.post("/transfer")
    def transfer(request: Request, body: bodies.TransferBody) -> Document:
        """Move money; done at once if one person owns both budgets, else proposed."""
        arguments = body.model_dump(mode="json")
        call = desk.call(request, "budget.transfer", arguments, group=body.from_budget)
        work = partial(
            handlers.transfer,
            from_budget=BudgetId(body.from_budget),
            to_budget=BudgetId(body.to_budget),
            amount=body.amount,
            rate_id=body.rate_id,
        )
        return desk.act(call, work)

    @router.post("/rates", status_code=201)
    def add_rate(request: Request, body: bodies.RateBody) -> Document:
        """Add a dated price of a resource, which a transfer between units names."""
        arguments = body.model_dump(mode="json")
        call = desk.call(request, "budget.rate", arguments, group=body.rate_id)
        return desk.act(call, partial(handlers.add_rate, **body.model_dump()))

    @router.post("/transfers/{command_id}/approve")
    def approve(request: Request, command_id: str) -> Document:
        """Carry out what the other owner proposed."""
        call = desk.call(request, "budget.transfer", {"approves": command_id}, group=command_id)
        return desk.act(call, partial(handlers.approve_transfer, command_id=command_id))

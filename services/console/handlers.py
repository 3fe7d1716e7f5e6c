"""The acts of people: each does its work inside one transaction, beside its audit row.

Money is moved here, because the console is the one writer of what people do with budgets. All
else that people ask for is left as a command for the service that owns the subject.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from uuid import UUID

from console.calls import Answer, Call, canonical
from winnow.contracts.budget_reports import reports_of
from winnow.domain import errors
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import BudgetId, Micros, Period
from winnow.domain.labels import Role
from winnow.domain.money import (
    Allocate,
    Budget,
    BudgetKind,
    Close,
    Correct,
    Outcome,
    OutcomeKind,
    Rate,
    Transfer,
    Unit,
)
from winnow.domain.tables import COMMANDS, PEOPLE, PersonRow
from winnow.domain.units import unit_of
from winnow.evidence.artifact import Producer
from winnow.evidence.budget_report import BudgetReport
from winnow.ports.bus import Message
from winnow.ports.ledger import Transaction

CURRENCY_DEFAULT = "USD"

_REFUSALS: Mapping[OutcomeKind, type[errors.DomainError]] = {
    OutcomeKind.EXCEEDS_AVAILABLE: errors.BudgetExceeded,
    OutcomeKind.BUDGET_UNKNOWN: errors.NotFound,
    OutcomeKind.PERIOD_UNKNOWN: errors.NotFound,
    OutcomeKind.NOT_OWNER: errors.NotAllowed,
    OutcomeKind.UNIT_MISMATCH: errors.BadInput,
}


def allocate(
    tx: Transaction,
    call: Call,
    *,
    kind: BudgetKind,
    amount: int,
    owner: str | None,
    currency: str | None,
    period: Period,
    approval: str,
    overrun_allowed: bool,
) -> Answer:
    """Fund a period of the budget of this kind.

    A new budget is made for the owner named, who thereby accepts its first funding; later only
    the owner adds to it, which the ledger checks.
    """
    budget_id, actor = BudgetId(kind.value), call.person.name
    existing = {budget.budget_id: budget for budget in tx.money.budgets()}.get(budget_id)
    if existing is None:
        unit, actor = unit_of(kind, currency or CURRENCY_DEFAULT), owner or actor
        tx.money.put_budget(Budget(budget_id, kind, actor, unit, overrun_allowed))
    else:
        _same_terms(existing, owner=owner, currency=currency)
    outcome = tx.money.allocate(
        Allocate(
            transfer_id=call.transfer_id,
            budget_id=budget_id,
            period=period,
            amount=Micros(amount),
            actor=actor,
            approval=f"{call.person.name}: {approval or call.command_id}",
            at=call.at,
        )
    )
    return _settled(tx, outcome, budget_id, period)


def correct(
    tx: Transaction, call: Call, *, budget_id: BudgetId, corrects: UUID, amount: int, reason: str
) -> Answer:
    """Undo (part of) a spent entry by an opposite posting into the same period."""
    entries = [e for e in tx.money.entries(budget_id) if e.transfer_id == corrects]
    if not entries:
        msg = f"budget {budget_id}: expected an entry with transfer id {corrects}, found none"
        raise errors.NotFound(msg)
    period = entries[0].period
    outcome = tx.money.correct(
        Correct(
            transfer_id=call.transfer_id,
            budget_id=budget_id,
            period=period,
            corrects=corrects,
            amount=Micros(amount),
            reason=reason,
            actor=call.person.name,
            at=call.at,
        )
    )
    return _settled(tx, outcome, budget_id, period)


def close(
    tx: Transaction,
    call: Call,
    *,
    budget_id: BudgetId,
    period: Period | None,
    producer: Producer,
    keep: Callable[[BudgetReport], BlobRef],
) -> Answer:
    """Close a period for ever and keep its report; refused while reservations are open."""
    period = period or tx.money.open_period(budget_id)
    request = Close(call.transfer_id, budget_id, period, call.person.name, call.at)
    answer = _settled(tx, tx.money.close(request), budget_id, period)
    if answer.refusal is not None:
        return answer
    budget = tx.money.budget(budget_id)
    (report,) = reports_of(tx.money, budget, period, producer=producer, at=call.at)
    return replace(answer, document={**answer.document, "report": asdict(keep(report))})


def transfer(
    tx: Transaction,
    call: Call,
    *,
    from_budget: BudgetId,
    to_budget: BudgetId,
    amount: int,
    rate_id: str | None,
) -> Answer:
    """Move available money; with two owners the other one must approve first."""
    owners = (tx.money.budget(from_budget).owner, tx.money.budget(to_budget).owner)
    if call.person.name not in owners:
        msg = (
            f"transfer {from_budget} to {to_budget}: expected one of the owners "
            f"{' and '.join(sorted(set(owners)))}, found {call.person.name}"
        )
        raise errors.NotAllowed(msg)
    others = sorted(set(owners) - {call.person.name})
    if others:
        return Answer({"waits_for": others[0]}, state="proposed")
    return _move(tx, call, from_budget, to_budget, amount=amount, rate_id=rate_id)


def approve_transfer(tx: Transaction, call: Call, *, command_id: str) -> Answer:
    """Carry out a transfer that the other owner proposed."""
    row = tx.records.get(COMMANDS, command_id)
    if row is None or row.name != "budget.transfer" or row.state != "proposed":
        msg = f"transfer {command_id}: expected one that waits for approval, found none"
        raise errors.NotFound(msg)
    asked = json.loads(row.arguments)
    from_budget, to_budget = BudgetId(asked["from_budget"]), BudgetId(asked["to_budget"])
    owners = {tx.money.budget(from_budget).owner, tx.money.budget(to_budget).owner}
    if {row.actor, call.person.name} != owners:
        msg = (
            f"transfer {command_id}: expected the approval of {' and '.join(sorted(owners))}, "
            f"found {row.actor} and {call.person.name}"
        )
        raise errors.NotAllowed(msg)
    answer = _move(
        tx, call, from_budget, to_budget, amount=asked["amount"], rate_id=asked["rate_id"]
    )
    if answer.refusal is None:
        text = canonical(answer.document)
        tx.records.update(COMMANDS, row.key, lambda r: replace(r, state="done", answer=text))
    return answer


def add_rate(
    tx: Transaction,
    call: Call,
    *,
    rate_id: str,
    resource: str,
    currency: str,
    micros: int,
    per: int,
    valid_from: datetime,
) -> Answer:
    """Add a dated price of a resource to the rate card; entries never change."""
    del call
    unit = unit_of(BudgetKind.HUMAN_ANNOTATION, currency)
    rate = Rate(rate_id, Unit(resource), unit, Micros(micros), per, valid_from)
    tx.money.put_rate(rate)
    return Answer({"rate_id": rate_id})


def delegate(tx: Transaction, call: Call, *, service: str) -> Answer:
    """Leave the act to the service that owns its subject."""
    del tx, call
    return Answer(state="pending", service=service)


def replay(tx: Transaction, call: Call, *, messages: Mapping[str, Message]) -> Answer:
    """Leave messages, named by their ids, in the outbox: from there they go out again."""
    tx.boxes.send("console", list(messages.values()), call.at)
    return Answer({"replayed": list(messages)})


def add_person(
    tx: Transaction, call: Call, *, name: str, roles: tuple[Role, ...], token_sha256: str
) -> Answer:
    """Let somebody in; who was removed may come back with a new token."""
    row = PersonRow(
        key=name,
        roles=tuple(sorted(role.value for role in roles)),
        token_sha256=token_sha256,
        group=token_group(token_sha256),
    )
    if not tx.records.insert(PEOPLE, row):
        found = tx.records.get(PEOPLE, name)
        if found is not None and found.state == "active":
            msg = f"person {name}: expected a new name, found one in use; remove it first"
            raise errors.Conflict(msg)
        tx.records.update(PEOPLE, name, lambda _: row)
    return Answer({"name": name, "roles": list(row.roles)})


def remove_person(tx: Transaction, call: Call, *, name: str) -> Answer:
    """Make a person's token worthless; what they did stays in the audit log."""
    del call
    tx.records.update(PEOPLE, name, lambda row: replace(row, state="removed"))
    return Answer({"name": name})


def token_group(token_sha256: str) -> str:
    """Give the indexed column by which a token's person is found."""
    return token_sha256[:16]


def _same_terms(budget: Budget, *, owner: str | None, currency: str | None) -> None:
    unit = unit_of(budget.kind, currency) if currency else budget.unit
    if owner and owner != budget.owner:
        msg = f"budget {budget.budget_id}: expected its owner {budget.owner}, found {owner}"
        raise errors.Conflict(msg)
    if unit != budget.unit:
        msg = f"budget {budget.budget_id}: expected unit {budget.unit.code}, found {unit.code}"
        raise errors.BadInput(msg)


def _move(
    tx: Transaction,
    call: Call,
    from_budget: BudgetId,
    to_budget: BudgetId,
    *,
    amount: int,
    rate_id: str | None,
) -> Answer:
    period = tx.money.open_period(from_budget)
    request = Transfer(
        transfer_id=call.transfer_id,
        from_budget=from_budget,
        from_period=period,
        to_budget=to_budget,
        to_period=tx.money.open_period(to_budget),
        amount=Micros(amount),
        approved_by=(tx.money.budget(from_budget).owner, tx.money.budget(to_budget).owner),
        at=call.at,
        rate_id=rate_id,
    )
    return _settled(tx, tx.money.transfer(request), from_budget, period)


def _settled(tx: Transaction, outcome: Outcome, budget_id: BudgetId, period: Period) -> Answer:
    if outcome.applied:
        balances = asdict(tx.money.balances(budget_id, period))
        return Answer(
            {
                "outcome": outcome.kind.value,
                "transfer_id": str(outcome.transfer_id),
                "budget": budget_id,
                "period": period,
                "balances": balances,
            }
        )
    msg = f"budget {budget_id}, period {period}: {outcome.kind.value.replace('_', ' ')}"
    if outcome.expected or outcome.found:
        msg += f" (expected {outcome.expected}, found {outcome.found})"
    return Answer(refusal=_REFUSALS.get(outcome.kind, errors.Conflict)(msg))

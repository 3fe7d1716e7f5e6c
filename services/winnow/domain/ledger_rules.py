"""The ledger's rules: for each operation the guards that let it pass or refuse it.

A guard that is broken gives a refusal, which is stored like any other outcome. Input that makes no
sense at all (a negative amount, no time zone) raises `BadInput` and leaves no trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from winnow.domain.errors import BadInput
from winnow.domain.ids import BudgetId, Period
from winnow.domain.ledger_postings import AMOUNT_MAX, Purse
from winnow.domain.money import (
    Allocate,
    Budget,
    Close,
    Commit,
    Correct,
    MoneyRequest,
    Outcome,
    OutcomeKind,
    Overrun,
    Rate,
    Release,
    Reservation,
    Reserve,
    Transfer,
)

K = OutcomeKind


def check_request(request: MoneyRequest) -> None:
    """Raise `BadInput` unless amount and times can be written down."""
    for at in (request.at, getattr(request, "expires_at", request.at)):
        if at.tzinfo is None:
            raise _bad(request, "a time with a time zone", at.isoformat())
    amount = getattr(request, "amount", 0)
    least = -AMOUNT_MAX if isinstance(request, Correct) else 0
    if type(amount) is not int or not least <= amount <= AMOUNT_MAX:
        raise _bad(request, f"an integer amount from {least} to {AMOUNT_MAX}", repr(amount))
    if isinstance(request, Allocate) and not request.approval:
        raise _bad(request, "the reference of an approval", "none")


# Allocate


def judge_allocate(request: Allocate, purse: Purse | None) -> Outcome:
    """Let the owner fund a budget, but no closed period."""
    if purse is None:
        return _unknown_budget(request, request.budget_id)
    if purse.closed:
        return _closed(request, purse)
    return _owned(request, purse, request.actor)


# Reserve


def judge_reserves(
    requests: Sequence[Reserve], purses: Mapping[tuple[BudgetId, Period], Purse | None]
) -> list[Outcome]:
    """Let all pass or none: the first that cannot has its reason, the others fail with it."""
    left: dict[tuple[BudgetId, Period], int] = {}
    for request in requests:
        account = request.budget_id, request.period
        purse = purses[account]
        refusal = _not_open(request, request.budget_id, purse, request.period)
        if refusal is None and purse is not None:
            available = left.setdefault(account, purse.balances.available)
            refusal = _too_much(request, request.amount, available)
            left[account] = available - request.amount
        if refusal is not None:
            return fail_with(requests, refusal)
    return [applied(request) for request in requests]


def fail_with(requests: Sequence[Reserve], cause: Outcome) -> list[Outcome]:
    """Give the outcomes of a group of which one was refused."""
    return [
        cause
        if request.transfer_id == cause.transfer_id
        else refused(request, K.LINKED_FAILED, "all requests of its group", cause.kind)
        for request in requests
    ]


# Commit, release, overrun


def judge_commit(request: Commit, reservation: Reservation | None) -> Outcome:
    """Let an open reservation be committed once, for at most its amount."""
    refusal = _not_pending(request, reservation)
    if refusal is not None or reservation is None:
        return refusal or _unknown_reservation(request)
    if request.amount > reservation.amount:
        return refused(
            request, K.EXCEEDS_RESERVED, f"at most {reservation.amount}", str(request.amount)
        )
    return applied(request)


def judge_release(request: Release, reservation: Reservation | None) -> Outcome:
    """Let an open reservation be released once."""
    return _not_pending(request, reservation) or applied(request)


def judge_overrun(
    request: Overrun, reservation: Reservation | None, purse: Purse | None
) -> Outcome:
    """Let a committed reservation take more of what is available, where the budget allows it."""
    if reservation is None or purse is None:
        return _unknown_reservation(request)
    if not purse.budget.overrun_allowed:
        return refused(request, K.OVERRUN_FORBIDDEN, "a budget that allows overrun", "one without")
    if reservation.state == "open":
        return refused(request, K.NOT_COMMITTED, "a committed reservation", "an open one")
    if reservation.state != "committed":
        return _not_pending(request, reservation) or applied(request)
    return (
        _not_open(request, purse.budget.budget_id, purse, purse.period)
        or _too_much(request, request.amount, purse.balances.available)
        or applied(request)
    )


# Transfer


def judge_transfer(
    request: Transfer, source: Purse | None, target: Purse | None, rate: Rate | None
) -> Outcome:
    """Ask for open periods, both owners' approval, and equal units or a rate in force."""
    sides = (
        (source, request.from_budget, request.from_period),
        (target, request.to_budget, request.to_period),
    )
    for purse, budget_id, period in sides:
        refusal = _not_open(request, budget_id, purse, period)
        if refusal is not None:
            return refusal
    if source is None or target is None:
        return _unknown_budget(request, request.from_budget)
    return (
        _not_approved(request, source.budget, target.budget)
        or _not_convertible(request, source.budget, target.budget, rate)
        or _too_much(request, request.amount, source.balances.available)
        or applied(request)
    )


def _not_approved(request: Transfer, source: Budget, target: Budget) -> Outcome | None:
    owners = source.owner, target.owner
    if request.approved_by == owners:
        return None
    return refused(request, K.NOT_OWNER, " and ".join(owners), " and ".join(request.approved_by))


def _not_convertible(
    request: Transfer, source: Budget, target: Budget, rate: Rate | None
) -> Outcome | None:
    units = {source.unit, target.unit}
    if request.rate_id is None and len(units) == 1:
        return None
    expected = f"a rate in force between {source.unit.code} and {target.unit.code}"
    if rate is None:
        return refused(request, K.UNIT_MISMATCH, expected, f"rate {request.rate_id}")
    if {rate.resource, rate.currency} != units or rate.valid_from > request.at:
        return refused(
            request, K.UNIT_MISMATCH, expected, f"rate {rate.rate_id} from {rate.valid_from}"
        )
    return None


# Correct, close


def judge_correct(request: Correct, purse: Purse | None, spent: int | None) -> Outcome:
    """Let the owner undo at most what the named transfer spent and nobody gave back since.

    Parameters
    ----------
    spent
        What the corrected transfer spent, less earlier corrections; None if it never spent.
    """
    refusal = _not_open(request, request.budget_id, purse, request.period)
    if refusal is not None or purse is None:
        return refusal or _unknown_budget(request, request.budget_id)
    if spent is None:
        return refused(request, K.TRANSFER_UNKNOWN, "a transfer that spent", str(request.corrects))
    if request.amount > spent:
        return refused(request, K.EXCEEDS_SPENT, f"at most {spent}", str(request.amount))
    owned = _owned(request, purse, request.actor)
    if not owned.applied:
        return owned
    return _too_much(request, -request.amount, purse.balances.available) or owned


def judge_close(request: Close, purse: Purse | None, n_open: int) -> Outcome:
    """Let the owner close a period once nothing in it is pending."""
    refusal = _not_open(request, request.budget_id, purse, request.period)
    if refusal is not None or purse is None:
        return refusal or _unknown_budget(request, request.budget_id)
    if n_open:
        return refused(request, K.RESERVATIONS_OPEN, "no open reservation", str(n_open))
    return _owned(request, purse, request.actor)


# What they share


def applied(request: MoneyRequest) -> Outcome:
    """Give the outcome of a request that no guard held back."""
    return Outcome(K.APPLIED, request.transfer_id)


def refused(request: MoneyRequest, kind: OutcomeKind, expected: str, found: str) -> Outcome:
    """Give a refusal."""
    return Outcome(kind, request.transfer_id, expected, found)


def _not_open(
    request: MoneyRequest, budget_id: BudgetId, purse: Purse | None, period: Period
) -> Outcome | None:
    if purse is None:
        return _unknown_budget(request, budget_id)
    if not purse.opened:
        return refused(request, K.PERIOD_UNKNOWN, "a period that was allocated", period)
    return _closed(request, purse) if purse.closed else None


def _closed(request: MoneyRequest, purse: Purse) -> Outcome:
    return refused(request, K.PERIOD_CLOSED, "an open period", f"{purse.period}, closed")


def _unknown_budget(request: MoneyRequest, budget_id: BudgetId) -> Outcome:
    return refused(request, K.BUDGET_UNKNOWN, "a budget", budget_id)


def _unknown_reservation(request: Commit | Release | Overrun) -> Outcome:
    found = str(request.reservation_id)
    return refused(request, K.RESERVATION_UNKNOWN, "a reservation", found)


def _owned(request: MoneyRequest, purse: Purse, actor: str) -> Outcome:
    if actor == purse.budget.owner:
        return applied(request)
    return refused(request, K.NOT_OWNER, purse.budget.owner, actor)


def _too_much(request: MoneyRequest, amount: int, available: int) -> Outcome | None:
    if amount <= available:
        return None
    return refused(request, K.EXCEEDS_AVAILABLE, f"at most {available}", str(amount))


_ENDED = {
    "committed": K.ALREADY_COMMITTED,
    "released": K.ALREADY_RELEASED,
    "expired": K.RESERVATION_EXPIRED,
}


def _not_pending(
    request: Commit | Release | Overrun, reservation: Reservation | None
) -> Outcome | None:
    if reservation is None:
        return _unknown_reservation(request)
    if reservation.state == "open":
        return None
    kind = _ENDED[reservation.state]
    return refused(request, kind, "an open reservation", f"one that is {reservation.state}")


def _bad(request: MoneyRequest, expected: str, found: str) -> BadInput:
    name = type(request).__name__.lower()
    return BadInput(f"{name} {request.transfer_id}: expected {expected}, found {found}")

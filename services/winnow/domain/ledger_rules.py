"""The ledger's rules: for each operation its guards (`judge_…`) and its postings (`post_…`).

A guard that is broken gives a refusal, which is stored like any other outcome. Input that makes no
sense at all (a negative amount, no time zone) raises `BadInput` and leaves no trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from winnow.domain.errors import BadInput
from winnow.domain.ids import BudgetId, Micros, Period
from winnow.domain.ledger_chain import canonical
from winnow.domain.money import (
    Account,
    Allocate,
    Balances,
    Budget,
    Close,
    Commit,
    Correct,
    MoneyRequest,
    Operation,
    Outcome,
    OutcomeKind,
    Overrun,
    Rate,
    Release,
    Reservation,
    Reserve,
    Transfer,
)

AMOUNT_MAX = 2**63 - 1
EMPTY = Balances(*[Micros(0)] * 6)
K = OutcomeKind
A = Account


@dataclass(frozen=True, slots=True)
class Purse:
    """One period of a budget, as the rules see it."""

    budget: Budget
    period: Period
    opened: bool
    closed: bool
    balances: Balances
    last_seq: int
    last_hash: str


@dataclass(frozen=True, slots=True)
class Posting:
    """An entry before it has a place in the chain: amount moves from `debit` to `credit`."""

    operation: Operation
    debit: Account
    credit: Account
    amount: int
    subject: str
    round_id: str
    detail: str


def check_request(request: MoneyRequest) -> None:
    """Raise `BadInput` unless amount and times can be written down."""
    if request.at.tzinfo is None:
        raise _bad(request, "a time with a time zone", request.at.isoformat())
    amount = getattr(request, "amount", 0)
    least = -AMOUNT_MAX if isinstance(request, Correct) else 0
    if type(amount) is not int or not least <= amount <= AMOUNT_MAX:
        raise _bad(request, f"an integer amount from {least} to {AMOUNT_MAX}", repr(amount))
    if isinstance(request, Allocate) and not request.approval:
        raise _bad(request, "the reference of an approval", "none")


def moved(balances: Balances, postings: Sequence[Posting]) -> Balances:
    """Give the balances after these postings.

    Raises
    ------
    BadInput
        A balance would not fit into 64 bits.
    """
    if not postings:
        return balances
    accounts = dict(zip(A, _amounts(balances), strict=True))
    for posting in postings:
        accounts[posting.debit] -= posting.amount
        accounts[posting.credit] += posting.amount
    for account, amount in accounts.items():
        if abs(amount) > AMOUNT_MAX:
            msg = f"balance {account}: expected at most {AMOUNT_MAX}, found {amount}"
            raise BadInput(msg)
    return Balances(*(Micros(amount) for amount in accounts.values()))


def _amounts(balances: Balances) -> tuple[int, ...]:
    b = balances
    return b.funding, b.available, b.reserved, b.spent, b.returned, b.adjustment


# Allocate


def judge_allocate(request: Allocate, purse: Purse | None) -> Outcome:
    """Only the owner funds a budget, and no closed period."""
    if purse is None:
        return _unknown_budget(request, request.budget_id)
    if purse.closed:
        return _closed(request, purse)
    return _owned(request, purse, request.actor)


def post_allocate(request: Allocate) -> tuple[Posting, ...]:
    """Move funding → available."""
    detail = canonical({"actor": request.actor, "approval": request.approval})
    return (_posting(Operation.ALLOCATE, A.FUNDING, A.AVAILABLE, request.amount, detail=detail),)


# Reserve


def judge_reserves(
    requests: Sequence[Reserve], purses: Mapping[tuple[BudgetId, Period], Purse | None]
) -> list[Outcome]:
    """All or nothing: the first that cannot be has its reason, the others failed with it."""
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


def post_reserve(request: Reserve) -> tuple[Posting, ...]:
    """Move available → reserved."""
    detail = canonical(
        {"expires_at": request.expires_at.isoformat(), "reservation": str(request.transfer_id)}
    )
    return (
        _posting(
            Operation.RESERVE,
            A.AVAILABLE,
            A.RESERVED,
            request.amount,
            subject=request.subject,
            round_id=request.round_id,
            detail=detail,
        ),
    )


def reservation_of(request: Reserve) -> Reservation:
    """Give the open reservation that an applied request makes."""
    return Reservation(
        request.transfer_id,
        request.budget_id,
        request.period,
        request.amount,
        Micros(0),
        "open",
        request.expires_at,
        request.subject,
        request.round_id,
    )


# Commit, release, overrun


def judge_commit(request: Commit, reservation: Reservation | None) -> Outcome:
    """An open reservation is committed once, for at most its amount."""
    refusal = _not_pending(request, reservation)
    if refusal is not None or reservation is None:
        return refusal or _unknown_reservation(request)
    if request.amount > reservation.amount:
        return refused(
            request, K.EXCEEDS_RESERVED, f"at most {reservation.amount}", str(request.amount)
        )
    return applied(request)


def post_commit(request: Commit, reservation: Reservation) -> tuple[Posting, ...]:
    """Move reserved → spent, and the rest → available."""
    spent = _for(reservation, Operation.COMMIT, A.RESERVED, A.SPENT, request.amount)
    rest = reservation.amount - request.amount
    if rest == 0:
        return (spent,)
    return spent, _for(reservation, Operation.COMMIT, A.RESERVED, A.AVAILABLE, rest)


def judge_release(request: Release, reservation: Reservation | None) -> Outcome:
    """An open reservation is released once."""
    return _not_pending(request, reservation) or applied(request)


def post_release(request: Release, reservation: Reservation) -> tuple[Posting, ...]:
    """Move reserved → available."""
    operation = Operation.EXPIRE if request.expired else Operation.RELEASE
    return (
        _for(
            reservation,
            operation,
            A.RESERVED,
            A.AVAILABLE,
            reservation.amount,
            reason=request.reason,
        ),
    )


def judge_overrun(
    request: Overrun, reservation: Reservation | None, purse: Purse | None
) -> Outcome:
    """Where the budget allows it, a committed reservation may take more of what is available."""
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


def post_overrun(request: Overrun, reservation: Reservation) -> tuple[Posting, ...]:
    """Move available → reserved → spent: a second pair beside the first."""
    steps = ((A.AVAILABLE, A.RESERVED), (A.RESERVED, A.SPENT))
    return tuple(
        _for(reservation, Operation.OVERRUN, *step, request.amount, reason=request.reason)
        for step in steps
    )


# Transfer


def judge_transfer(
    request: Transfer, source: Purse | None, target: Purse | None, rate: Rate | None
) -> Outcome:
    """Both periods are open, both owners approve, units agree or a rate in force joins them."""
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


def converted(amount: int, source: Budget, target: Budget, rate: Rate | None) -> int:
    """Give an amount of the source's unit in the target's, rounded half up."""
    if rate is None or source.unit == target.unit:
        return amount
    times, per = (rate.micros, rate.per)
    if source.unit == rate.currency:
        times, per = per, times
    return (2 * amount * times + per) // (2 * per)


def post_transfer(
    request: Transfer, source: Budget, target: Budget, rate: Rate | None
) -> tuple[Posting, Posting]:
    """Give the linked pair: out of one budget's available, into the other's."""
    terms = {
        "approved_by": list(request.approved_by),
        "from": f"{request.from_budget}/{request.from_period}",
        "to": f"{request.to_budget}/{request.to_period}",
        "rate": rate_terms(rate),
    }
    detail = canonical(terms)
    received = converted(request.amount, source, target, rate)
    return (
        _posting(Operation.TRANSFER, A.AVAILABLE, A.FUNDING, request.amount, detail=detail),
        _posting(Operation.TRANSFER, A.FUNDING, A.AVAILABLE, received, detail=detail),
    )


def rate_terms(rate: Rate | None) -> dict[str, object] | None:
    """Give a rate as it is written onto the entries that used it."""
    if rate is None:
        return None
    return {
        "rate_id": rate.rate_id,
        "resource": rate.resource.code,
        "currency": rate.currency.code,
        "micros": rate.micros,
        "per": rate.per,
        "valid_from": rate.valid_from.isoformat(),
        "rounding": "half_up",
    }


# Correct, close


def judge_correct(request: Correct, purse: Purse | None, spent: int | None) -> Outcome:
    """The owner undoes at most what the named transfer spent and nobody gave back since.

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


def post_correct(request: Correct, round_id: str) -> tuple[Posting, ...]:
    """Move spent → adjustment → available, or back for a negative amount."""
    path = (A.SPENT, A.ADJUSTMENT, A.AVAILABLE)
    way = path if request.amount >= 0 else path[::-1]
    detail = canonical(
        {"actor": request.actor, "corrects": str(request.corrects), "reason": request.reason}
    )
    return tuple(
        Posting(
            Operation.CORRECT,
            debit,
            credit,
            abs(request.amount),
            str(request.corrects),
            round_id,
            detail,
        )
        for debit, credit in zip(way, way[1:], strict=False)
    )


def judge_close(request: Close, purse: Purse | None, n_open: int) -> Outcome:
    """The owner closes a period once nothing in it is pending."""
    refusal = _not_open(request, request.budget_id, purse, request.period)
    if refusal is not None or purse is None:
        return refusal or _unknown_budget(request, request.budget_id)
    if n_open:
        return refused(request, K.RESERVATIONS_OPEN, "no open reservation", str(n_open))
    return _owned(request, purse, request.actor)


def post_close(request: Close, purse: Purse) -> tuple[Posting, ...]:
    """Move what is left → returned; the entry is the close record."""
    record = {
        "signer": request.actor,
        "totals": dict(zip(A, _amounts(purse.balances), strict=True)),
        "last_hash": purse.last_hash,
    }
    rest = purse.balances.available
    return (_posting(Operation.CLOSE, A.AVAILABLE, A.RETURNED, rest, detail=canonical(record)),)


# What they share


def applied(request: MoneyRequest) -> Outcome:
    """Give the outcome of a request that no guard held back."""
    return Outcome(K.APPLIED, request.transfer_id)


def refused(request: MoneyRequest, kind: OutcomeKind, expected: str, found: str) -> Outcome:
    """Give a refusal."""
    return Outcome(kind, request.transfer_id, expected, found)


def resolved(reservation: Reservation, state: str, committed: int = 0) -> Reservation:
    """Give a reservation at its end."""
    return replace(reservation, state=state, committed=Micros(committed))


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


def _posting(
    operation: Operation,
    debit: Account,
    credit: Account,
    amount: int,
    *,
    subject: str = "",
    round_id: str = "",
    detail: str,
) -> Posting:
    return Posting(operation, debit, credit, amount, subject, round_id, detail)


def _for(
    reservation: Reservation,
    operation: Operation,
    debit: Account,
    credit: Account,
    amount: int,
    *,
    reason: str = "",
) -> Posting:
    terms = {"reservation": str(reservation.reservation_id)} | (
        {"reason": reason} if reason else {}
    )
    return Posting(
        operation,
        debit,
        credit,
        amount,
        reservation.subject,
        reservation.round_id,
        canonical(terms),
    )


def _bad(request: MoneyRequest, expected: str, found: str) -> BadInput:
    name = type(request).__name__.lower()
    return BadInput(f"{name} {request.transfer_id}: expected {expected}, found {found}")

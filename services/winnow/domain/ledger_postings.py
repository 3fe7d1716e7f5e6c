"""What each operation moves: postings from account to account, and balances after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from winnow.domain.errors import BadInput
from winnow.domain.ids import Micros, Period
from winnow.domain.ledger_chain import canonical
from winnow.domain.money import (
    Account,
    Allocate,
    Balances,
    Budget,
    Close,
    Commit,
    Correct,
    Operation,
    Overrun,
    Rate,
    Release,
    Reservation,
    Reserve,
    Transfer,
)

AMOUNT_MAX = 2**63 - 1
EMPTY = Balances(*[Micros(0)] * 6)
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


def post_allocate(request: Allocate) -> tuple[Posting, ...]:
    """Move funding → available."""
    detail = canonical({"actor": request.actor, "approval": request.approval})
    return (_posting(Operation.ALLOCATE, A.FUNDING, A.AVAILABLE, request.amount, detail=detail),)


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


def post_commit(request: Commit, reservation: Reservation) -> tuple[Posting, ...]:
    """Move reserved → spent, and the rest → available."""
    spent = _for(reservation, Operation.COMMIT, A.RESERVED, A.SPENT, request.amount)
    rest = reservation.amount - request.amount
    if rest == 0:
        return (spent,)
    return spent, _for(reservation, Operation.COMMIT, A.RESERVED, A.AVAILABLE, rest)


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


def post_overrun(request: Overrun, reservation: Reservation) -> tuple[Posting, ...]:
    """Move available → reserved → spent: a second pair beside the first."""
    steps = ((A.AVAILABLE, A.RESERVED), (A.RESERVED, A.SPENT))
    return tuple(
        _for(reservation, Operation.OVERRUN, *step, request.amount, reason=request.reason)
        for step in steps
    )


def converted(amount: int, source: Budget, target: Budget, rate: Rate | None) -> int:
    """Give an amount of the source's unit in the target's, rounded half up."""
    if rate is None or source.unit == target.unit:
        return amount
    times, per = int(rate.micros), rate.per
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
        for debit, credit in pairwise(way)
    )


def post_close(request: Close, purse: Purse) -> tuple[Posting, ...]:
    """Move what is left → returned; the entry is the close record."""
    record = {
        "signer": request.actor,
        "totals": dict(zip(A, _amounts(purse.balances), strict=True)),
        "last_hash": purse.last_hash,
    }
    rest = purse.balances.available
    return (_posting(Operation.CLOSE, A.AVAILABLE, A.RETURNED, rest, detail=canonical(record)),)


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

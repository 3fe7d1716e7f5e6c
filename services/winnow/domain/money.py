"""Money: budgets, accounts, the requests that move amounts, and what comes of them.

Amounts are integers of the budget's smallest unit. Every request carries its own id, chosen (or
derived) by the requester, so that sending it twice moves money once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from winnow.domain.ids import BudgetId, Micros, Period


class BudgetKind(StrEnum):
    """What a budget may pay for."""

    UPLOAD = "upload"
    AUTO_LABEL_INFERENCE = "auto_label_inference"
    HUMAN_ANNOTATION = "human_annotation"
    EXPERT_REVIEW = "expert_review"
    LABEL_QA = "label_qa"


class Account(StrEnum):
    """Accounts of one (budget, period). `funding` is the outside world and may go negative."""

    FUNDING = "funding"
    AVAILABLE = "available"
    RESERVED = "reserved"
    SPENT = "spent"
    RETURNED = "returned"
    ADJUSTMENT = "adjustment"


class Operation(StrEnum):
    """What a ledger entry did; the code on each entry."""

    ALLOCATE = "allocate"
    RESERVE = "reserve"
    COMMIT = "commit"
    RELEASE = "release"
    EXPIRE = "expire"
    OVERRUN = "overrun"
    TRANSFER = "transfer"
    CORRECT = "correct"
    CLOSE = "close"


class OutcomeKind(StrEnum):
    """Answer to a request; refusals are stored too and stay refusals."""

    APPLIED = "applied"
    EXCEEDS_AVAILABLE = "exceeds_available"
    EXCEEDS_RESERVED = "exceeds_reserved"
    ALREADY_COMMITTED = "already_committed"
    ALREADY_RELEASED = "already_released"
    RESERVATION_EXPIRED = "reservation_expired"
    RESERVATION_UNKNOWN = "reservation_unknown"
    BUDGET_UNKNOWN = "budget_unknown"
    PERIOD_CLOSED = "period_closed"
    PERIOD_UNKNOWN = "period_unknown"
    RESERVATIONS_OPEN = "reservations_open"
    UNIT_MISMATCH = "unit_mismatch"
    NOT_OWNER = "not_owner"
    OVERRUN_FORBIDDEN = "overrun_forbidden"
    NOT_COMMITTED = "not_committed"
    """An overrun of a reservation that is still open."""
    TRANSFER_UNKNOWN = "transfer_unknown"
    """A correction of something that never spent in this period."""
    EXCEEDS_SPENT = "exceeds_spent"
    """A correction of more than is left of what the corrected transfer spent."""
    LINKED_FAILED = "linked_failed"
    """Another request of the same all-or-nothing group was refused."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Money (`currency:USD`, micros) or a resource (`bytes`, `gpu_ms`); units never mix."""

    code: str


@dataclass(frozen=True, slots=True)
class Budget:
    """One purse: what it may pay for, in which unit, and who answers for it."""

    budget_id: BudgetId
    kind: BudgetKind
    owner: str
    unit: Unit
    overrun_allowed: bool = False


@dataclass(frozen=True, slots=True)
class Allocate:
    """funding → available. Opens the period if it is new."""

    transfer_id: UUID
    budget_id: BudgetId
    period: Period
    amount: Micros
    actor: str
    approval: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Reserve:
    """available → reserved, counted pessimistically; id is the reservation's id."""

    transfer_id: UUID
    budget_id: BudgetId
    period: Period
    amount: Micros
    expires_at: datetime
    subject: str
    """What it pays for, e.g. a task id or a round id."""
    round_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Commit:
    """reserved → spent, at most what was reserved; the rest goes back to available."""

    transfer_id: UUID
    reservation_id: UUID
    amount: Micros
    at: datetime


@dataclass(frozen=True, slots=True)
class Release:
    """reserved → available, with the reason; `expired` marks the deadline's own release."""

    transfer_id: UUID
    reservation_id: UUID
    reason: str
    at: datetime
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Overrun:
    """available → spent beside a committed reservation; only where the budget allows it."""

    transfer_id: UUID
    reservation_id: UUID
    amount: Micros
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Transfer:
    """available → available of another budget; both owners approve. Units differ: name a rate."""

    transfer_id: UUID
    from_budget: BudgetId
    from_period: Period
    to_budget: BudgetId
    to_period: Period
    amount: Micros
    approved_by: tuple[str, str]
    """Owners of both budgets."""
    at: datetime
    rate_id: str | None = None


@dataclass(frozen=True, slots=True)
class Correct:
    """Posting that undoes (part of) an earlier spent entry: spent → adjustment → available."""

    transfer_id: UUID
    budget_id: BudgetId
    period: Period
    corrects: UUID
    amount: Micros
    """Signed: positive gives back, negative takes from available."""
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Close:
    """Ends a period: rest → returned; refused while reservations are open."""

    transfer_id: UUID
    budget_id: BudgetId
    period: Period
    actor: str
    at: datetime


MoneyRequest = Allocate | Reserve | Commit | Release | Overrun | Transfer | Correct | Close


@dataclass(frozen=True, slots=True)
class Balances:
    """Balance of each account of one (budget, period)."""

    funding: Micros
    available: Micros
    reserved: Micros
    spent: Micros
    returned: Micros
    adjustment: Micros


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request; the same for the first and every repeated sending."""

    kind: OutcomeKind
    transfer_id: UUID
    expected: str = ""
    found: str = ""

    @property
    def applied(self) -> bool:
        """True if the amounts moved (now, or when it was first sent)."""
        return self.kind is OutcomeKind.APPLIED


@dataclass(frozen=True, slots=True)
class Entry:
    """One immutable line of the ledger: amount moves from one account to another."""

    seq: int
    """Position in its budget's hash chain, from 1."""
    transfer_id: UUID
    operation: Operation
    budget_id: BudgetId
    period: Period
    debit: Account
    credit: Account
    amount: Micros
    subject: str
    round_id: str
    detail: str
    """Reservation id, corrected id, rate id, reason: canonical JSON."""
    at: datetime
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """A pending amount, resolved at most once."""

    reservation_id: UUID
    budget_id: BudgetId
    period: Period
    amount: Micros
    committed: Micros
    state: str
    """open, committed, released or expired."""
    expires_at: datetime
    subject: str
    round_id: str


@dataclass(frozen=True, slots=True)
class Rate:
    """Dated price of a resource: micros of a currency for `per` units, rounded half up."""

    rate_id: str
    resource: Unit
    currency: Unit
    micros: Micros
    per: int
    valid_from: datetime

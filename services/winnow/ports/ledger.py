"""The ledger: the one shared store of all that must be provable.

One transaction holds a handler's inbox row, effects and outbox rows. Its four parts are money,
label states, records (each service's own tables) and the message boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from winnow.domain.ids import BudgetId, FrameId, Period
from winnow.domain.labels import (
    Actor,
    LabelKey,
    LabelRevision,
    LabelState,
    Transition,
)
from winnow.domain.money import (
    Allocate,
    Balances,
    Budget,
    Close,
    Commit,
    Correct,
    Entry,
    Outcome,
    Overrun,
    Rate,
    Release,
    Reservation,
    Reserve,
    Transfer,
)
from winnow.domain.tables import Row, Table
from winnow.ports.bus import Message

R = TypeVar("R", bound=Row)


class Money(Protocol):
    """Two-phase ledger. Every method is idempotent by `transfer_id`.

    A repeated request gives its stored outcome, refusals included; the same id with other content
    raises `Conflict`. Refusals are outcomes, not exceptions: the caller decides.
    """

    def put_budget(self, budget: Budget) -> None:
        """Create a budget; the same again is fine, another under its id is a `Conflict`."""
        ...

    def budget(self, budget_id: BudgetId) -> Budget:
        """Give a budget or raise `NotFound`."""
        ...

    def budgets(self) -> Sequence[Budget]:
        """Give all budgets, by id."""
        ...

    def open_period(self, budget_id: BudgetId) -> Period:
        """Give the newest period that is not closed; `NotFound` if there is none."""
        ...

    def periods(self, budget_id: BudgetId) -> Sequence[tuple[Period, bool]]:
        """Give (period, closed) in order of opening."""
        ...

    def put_rate(self, rate: Rate) -> None:
        """Add a dated entry to the rate card; entries never change."""
        ...

    def rate(self, rate_id: str) -> Rate:
        """Give a rate or raise `NotFound`."""
        ...

    def allocate(self, request: Allocate) -> Outcome:
        """Fund a period."""
        ...

    def reserve(self, requests: Sequence[Reserve]) -> Sequence[Outcome]:
        """Reserve all or nothing; outcomes in the order of the requests."""
        ...

    def commit(self, request: Commit) -> Outcome:
        """Spend a reservation (at most its amount), give the rest back."""
        ...

    def release(self, request: Release) -> Outcome:
        """Give a reservation back."""
        ...

    def overrun(self, request: Overrun) -> Outcome:
        """Spend beyond a committed reservation, if the budget allows it."""
        ...

    def transfer(self, request: Transfer) -> Outcome:
        """Move available money between budgets."""
        ...

    def correct(self, request: Correct) -> Outcome:
        """Undo by an opposite posting."""
        ...

    def close(self, request: Close) -> Outcome:
        """Close a period for ever."""
        ...

    def balances(self, budget_id: BudgetId, period: Period) -> Balances:
        """Give the balances; zero for a period that was never opened."""
        ...

    def reservation(self, reservation_id: UUID) -> Reservation | None:
        """Give a reservation."""
        ...

    def reservations(
        self,
        *,
        budget_id: BudgetId | None = None,
        round_id: str | None = None,
        open_only: bool = True,
        expired_at: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[Reservation]:
        """Give reservations, oldest deadline first; `expired_at` keeps those past due then."""
        ...

    def entries(
        self, budget_id: BudgetId, *, after_seq: int = 0, limit: int | None = None
    ) -> Iterator[Entry]:
        """Give the entries of a budget in order of its hash chain."""
        ...

    def verify_chain(self, budget_id: BudgetId) -> int:
        """Recompute the hash chain and the balances; give the entries' number or raise."""
        ...


class Labels(Protocol):
    """Label revisions and their append-only log."""

    def get(self, key: LabelKey) -> LabelRevision | None:
        """Give a revision."""
        ...

    def latest(self, frame_id: FrameId, label_task: str) -> LabelRevision | None:
        """Give the newest revision of a frame's label."""
        ...

    def step(
        self,
        transition: Transition,
        *,
        round_id: str = "",
        batch_id: str = "",
        parent_revision: int | None = None,
        value: str = "",
        annotator: str = "",
        allowed_use: str = "",
        expires_at: datetime | None = None,
    ) -> LabelRevision:
        """Append one step, if the matrix, its guards and `transition.version` allow it.

        Raises
        ------
        TransitionRefused
            The matrix or a guard forbids it.
        Conflict
            Somebody else stepped first (`version` is not the current one plus one).
        """
        ...

    def begin(
        self,
        frame_ids: Sequence[FrameId],
        label_task: str,
        *,
        round_id: str,
        batch_id: str,
        actor: Actor,
        evidence: str,
        at: datetime,
    ) -> Sequence[LabelKey]:
        """Make each frame a candidate in one go: revision 1, or one after a rejected revision."""
        ...

    def find(
        self,
        *,
        states: Sequence[LabelState] | None = None,
        label_task: str | None = None,
        round_id: str | None = None,
        batch_id: str | None = None,
        latest_only: bool = True,
    ) -> Sequence[LabelRevision]:
        """Give revisions, by key."""
        ...

    def counts(self) -> Sequence[tuple[str, LabelState, int]]:
        """Give (round, state, number of latest revisions)."""
        ...

    def history(self, key: LabelKey) -> Sequence[Transition]:
        """Give a revision's log, oldest first."""
        ...


class Records(Protocol):
    """Every service's own tables; each table has one writing service."""

    def get(self, table: Table[R], key: str) -> R | None:
        """Give the row under this key."""
        ...

    def insert(self, table: Table[R], row: R) -> bool:
        """Add a row; False and no change if its key exists."""
        ...

    def insert_many(self, table: Table[R], rows: Sequence[R]) -> int:
        """Add rows, skipping existing keys; give how many were new."""
        ...

    def update(self, table: Table[R], key: str, change: Callable[[R], R]) -> R:
        """Replace a row by what `change` makes of it; `NotFound` if there is none."""
        ...

    def find(
        self,
        table: Table[R],
        *,
        group: str | None = None,
        state: str | None = None,
        due_before: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[R]:
        """Give rows by key order, filtered by their indexed columns."""
        ...

    def count(self, table: Table[R], *, group: str | None = None) -> dict[str, int]:
        """Give the number of rows for each state."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message that waits for the relay."""

    seq: int
    service: str
    message: Message


class Boxes(Protocol):
    """Inbox and outbox."""

    def seen(self, consumer: str, source: str, message_id: str) -> bool:
        """Tell whether the consumer already handled this message."""
        ...

    def receive(self, consumer: str, source: str, message_id: str, at: datetime) -> bool:
        """Record a message as handled; False if it already was."""
        ...

    def send(self, service: str, messages: Sequence[Message], at: datetime) -> None:
        """Leave messages for the relay, in order."""
        ...

    def unsent(self, service: str, limit: int, *, after: int = 0) -> Sequence[OutboxRow]:
        """Give the oldest waiting messages of a service, of those with a number above `after`."""
        ...

    def sent(self, rows: Sequence[OutboxRow]) -> None:
        """Mark rows as published."""
        ...

    def backlog(self, service: str | None = None) -> int:
        """Give the number of waiting messages."""
        ...


class Transaction(Protocol):
    """All parts inside one database transaction; begins at first use, so compute before it."""

    @property
    def money(self) -> Money:
        """Budgets."""
        ...

    @property
    def labels(self) -> Labels:
        """Label states."""
        ...

    @property
    def records(self) -> Records:
        """Service tables."""
        ...

    @property
    def boxes(self) -> Boxes:
        """Inbox and outbox."""
        ...


class Ledger(Protocol):
    """Opens transactions."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a read-write transaction at first use; commit at the end, roll back on a raise.

        Raises
        ------
        Retryable
            The database is away, locked too long or full: nothing was written.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """Begin a read-only transaction: a consistent view that blocks nobody."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...

"""The books behind the money port: purses, postings into the chain, stored outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from winnow.adapters.sql import money_statements as sql
from winnow.adapters.sql.codec import time_of, time_text
from winnow.adapters.sql.driver import Session
from winnow.domain.errors import Conflict
from winnow.domain.ids import BudgetId, Micros, Period
from winnow.domain.ledger_chain import entry_hash, request_hash
from winnow.domain.ledger_postings import EMPTY, Posting, Purse, moved
from winnow.domain.ledger_rules import check_request
from winnow.domain.money import (
    Account,
    Balances,
    Budget,
    BudgetKind,
    Entry,
    MoneyRequest,
    Operation,
    Outcome,
    OutcomeKind,
    Reservation,
    Unit,
)

CHUNK = 400


@dataclass(frozen=True, slots=True)
class Line:
    """A posting and the request that caused it."""

    request: MoneyRequest
    posting: Posting


class Books:
    """What the operations read and write, inside one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._hashes: dict[UUID, str] = {}
        self._first_seqs: dict[UUID, int] = {}

    def lock(self, budget_ids: Sequence[BudgetId]) -> None:
        """Keep other writers away from these budgets; ordered by id, so that none deadlock."""
        if self.session.driver.row_locks:
            for budget_id in sorted(set(budget_ids)):
                self.session.rows(sql.LOCK_BUDGET, {"budget_id": budget_id})

    def purse(self, budget_id: BudgetId, period: Period) -> Purse | None:
        """Give a period of a budget; None if there is no such budget."""
        row = self.session.row(sql.PURSE, {"budget_id": budget_id, "period": period})
        return None if row is None else purse_of(row, period)

    def held(self, reservation_id: UUID) -> tuple[Reservation | None, Purse | None]:
        """Give a reservation and its purse, locked."""
        params = {"reservation_id": str(reservation_id)}
        if self.session.driver.row_locks:
            found = self.session.rows(sql.BUDGET_OF_RESERVATION, params)
            self.lock([row[0] for row in found])
        row = self.session.row(sql.HELD, params)
        if row is None:
            return None, None
        return reservation_of(row[:9]), purse_of(row[9:], row[2])

    def stored(self, request: MoneyRequest) -> Outcome | None:
        """Give what came of a request when it was first sent, if it was."""
        return self.stored_of([request]).get(request.transfer_id)

    def stored_of(self, requests: Sequence[MoneyRequest]) -> Mapping[UUID, Outcome]:
        """Give the stored outcomes of those that were sent before.

        Raises
        ------
        BadInput
            A request makes no sense.
        Conflict
            An id was used before for another request.
        """
        hashes: dict[str, str] = {}
        for request in requests:
            check_request(request)
            digest = request_hash(request)
            if hashes.setdefault(str(request.transfer_id), digest) != digest:
                raise _reused(str(request.transfer_id), digest)
            self._hashes[request.transfer_id] = digest
        return {
            UUID(row[0]): _outcome(row, hashes[row[0]]) for row in self._outcome_rows(list(hashes))
        }

    def keep(self, outcomes: Sequence[tuple[MoneyRequest, Outcome]]) -> None:
        """Store what came of requests, each asked for by `stored_of` before."""
        params = [self._outcome_params(request, outcome) for request, outcome in outcomes]
        self.session.run_many(sql.ADD_OUTCOME, params)

    def _outcome_params(self, request: MoneyRequest, outcome: Outcome) -> dict[str, object]:
        key = request.transfer_id
        return {
            "transfer_id": str(key),
            "request_hash": self._hashes.pop(key),
            "first_seq": self._first_seqs.pop(key, 0),
            "outcome": outcome.kind.value,
            "expected": outcome.expected,
            "found": outcome.found,
            "at": time_text(request.at),
        }

    def post(
        self, purse: Purse, lines: Sequence[Line], *, closed_at: datetime | None = None
    ) -> None:
        """Append entries to the budget's chain and move its balances, all in one go."""
        balances = moved(purse.balances, [line.posting for line in lines])
        seq, last_hash, entries = purse.last_seq, purse.last_hash, []
        for line in lines:
            seq += 1
            self._first_seqs.setdefault(line.request.transfer_id, seq)
            params = _entry_params(purse, line, seq, last_hash)
            last_hash = params["hash"]
            entries.append(params)
        self.session.run_many(sql.ADD_ENTRY, entries)
        budget_id = purse.budget.budget_id
        head = {"of_budget": budget_id, "last_seq": seq, "last_hash": last_hash}
        self.session.run(sql.SET_HEAD, head)
        closed = None if closed_at is None else time_text(closed_at)
        where = {"of_budget": budget_id, "of_period": purse.period, "closed_at": closed}
        self.session.run(sql.SET_BALANCES, where | balance_params(balances))

    def _outcome_rows(self, ids: Sequence[str]) -> list[Any]:
        if len(ids) == 1:
            return self.session.rows(sql.outcomes_of(1), {"id_0": ids[0]})
        rows: list[Any] = []
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            # One statement for every chunk: the last id fills the places that are left.
            padded = [*chunk, *[chunk[-1]] * (CHUNK - len(chunk))]
            params = {f"id_{pos}": one for pos, one in enumerate(padded)}
            rows += self.session.rows(sql.outcomes_of(CHUNK), params)
        return rows


def budget_of(row: Any) -> Budget:  # noqa: ANN401 - a database row
    """Give a budget from its five columns."""
    budget_id, kind, owner, unit, overrun_allowed = row
    return Budget(BudgetId(budget_id), BudgetKind(kind), owner, Unit(unit), bool(overrun_allowed))


def purse_of(row: Any, period: str) -> Purse:  # noqa: ANN401 - a database row
    """Give a purse from terms, chain head, closing time and six balances."""
    opened = row[8] is not None
    return Purse(
        budget=budget_of(row[:5]),
        period=Period(period),
        opened=opened,
        closed=row[7] is not None,
        balances=Balances(*row[8:]) if opened else EMPTY,
        last_seq=row[5],
        last_hash=row[6],
    )


def reservation_of(row: Any) -> Reservation:  # noqa: ANN401 - a database row
    """Give a reservation from its nine columns."""
    key, budget_id, period, amount, committed, state, expires_at, subject, round_id = row
    return Reservation(
        UUID(key),
        BudgetId(budget_id),
        Period(period),
        Micros(amount),
        Micros(committed),
        state,
        time_of(expires_at),
        subject,
        round_id,
    )


def reservation_params(reservation: Reservation) -> dict[str, object]:
    """Give a reservation's columns."""
    return {
        "reservation_id": str(reservation.reservation_id),
        "budget_id": reservation.budget_id,
        "period": reservation.period,
        "amount": reservation.amount,
        "committed": reservation.committed,
        "state": reservation.state,
        "expires_at": time_text(reservation.expires_at),
        "subject": reservation.subject,
        "round_id": reservation.round_id,
    }


def balance_params(balances: Balances) -> dict[str, object]:
    """Give the six balance columns."""
    return {account.value: getattr(balances, account.value) for account in Account}


def entry_of(row: Any) -> Entry:  # noqa: ANN401 - a database row
    """Give an entry from its columns."""
    seq, transfer_id, operation, budget_id, period, debit, credit, *rest = row
    amount, subject, round_id, detail, at, prev_hash, digest = rest
    return Entry(
        seq,
        UUID(transfer_id),
        Operation(operation),
        BudgetId(budget_id),
        Period(period),
        Account(debit),
        Account(credit),
        Micros(amount),
        subject,
        round_id,
        detail,
        time_of(at),
        prev_hash,
        digest,
    )


def _entry_params(purse: Purse, line: Line, seq: int, prev_hash: str) -> dict[str, Any]:
    request, posting = line.request, line.posting
    entry = Entry(
        seq,
        request.transfer_id,
        posting.operation,
        purse.budget.budget_id,
        purse.period,
        posting.debit,
        posting.credit,
        Micros(posting.amount),
        posting.subject,
        posting.round_id,
        posting.detail,
        request.at,
        prev_hash,
        "",
    )
    return {
        "budget_id": entry.budget_id,
        "seq": seq,
        "transfer_id": str(entry.transfer_id),
        "operation": entry.operation.value,
        "period": entry.period,
        "debit": entry.debit.value,
        "credit": entry.credit.value,
        "amount": entry.amount,
        "subject": entry.subject,
        "round_id": entry.round_id,
        "detail": entry.detail,
        "at": time_text(entry.at),
        "prev_hash": prev_hash,
        "hash": entry_hash(entry),
    }


def _outcome(row: Any, expected_hash: str) -> Outcome:  # noqa: ANN401 - a database row
    transfer_id, request_hash_, kind, expected, found = row
    if request_hash_ != expected_hash:
        raise _reused(transfer_id, expected_hash)
    return Outcome(OutcomeKind(kind), UUID(transfer_id), expected, found)


def _reused(transfer_id: str, digest: str) -> Conflict:
    return Conflict(
        f"transfer {transfer_id}: expected the request first sent under this id, "
        f"found another with hash {digest}"
    )

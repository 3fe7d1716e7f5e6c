"""Money: each operation reads, asks the rules, posts and stores what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from winnow.adapters.sql import money_statements as sql
from winnow.adapters.sql.books import (
    Books,
    Line,
    balance_params,
    budget_of,
    entry_of,
    reservation_of,
    reservation_params,
)
from winnow.adapters.sql.codec import optional_time_text, time_of, time_text
from winnow.adapters.sql.driver import Session
from winnow.domain import ledger_postings as postings
from winnow.domain import ledger_rules as rules
from winnow.domain.errors import BadInput, Conflict, IntegrityError, NotFound
from winnow.domain.ids import BudgetId, Micros, Period
from winnow.domain.ledger_chain import genesis_hash, walk_chain
from winnow.domain.ledger_postings import AMOUNT_MAX, EMPTY, Posting, Purse
from winnow.domain.money import (
    Account,
    Allocate,
    Balances,
    Budget,
    Close,
    Commit,
    Correct,
    Entry,
    MoneyRequest,
    Outcome,
    Overrun,
    Rate,
    Release,
    Reservation,
    Reserve,
    Transfer,
    Unit,
)

PAGE = 1000


class SqlMoney:
    """Port `Money` inside one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._books = Books(session)

    def put_budget(self, budget: Budget) -> None:
        """Create a budget; the same again is fine, another under its id is a `Conflict`."""
        params = _budget_params(budget)
        if (
            self._session.run(sql.ADD_BUDGET, params) == 0
            and self.budget(budget.budget_id) != budget
        ):
            found = self.budget(budget.budget_id)
            raise Conflict(f"budget {budget.budget_id}: expected {budget}, found {found}")

    def budget(self, budget_id: BudgetId) -> Budget:
        """Give a budget or raise `NotFound`."""
        row = self._session.row(sql.BUDGET, {"budget_id": budget_id})
        if row is None:
            raise NotFound(f"budget {budget_id!r}: expected to exist, found none")
        return budget_of(row)

    def budgets(self) -> Sequence[Budget]:
        """Give all budgets, by id."""
        return [budget_of(row) for row in self._session.rows(sql.ALL_BUDGETS)]

    def open_period(self, budget_id: BudgetId) -> Period:
        """Give the newest period that is not closed; `NotFound` if there is none."""
        still_open = [period for period, closed in self.periods(budget_id) if not closed]
        if not still_open:
            raise NotFound(f"budget {budget_id!r}: expected an open period, found none")
        return still_open[-1]

    def periods(self, budget_id: BudgetId) -> Sequence[tuple[Period, bool]]:
        """Give (period, closed) in order of opening."""
        rows = self._session.rows(sql.PERIODS, {"budget_id": budget_id})
        return [(Period(period), closed_at is not None) for period, closed_at in rows]

    def put_rate(self, rate: Rate) -> None:
        """Add a dated entry to the rate card; entries never change."""
        if rate.per <= 0 or rate.micros <= 0:
            msg = f"rate {rate.rate_id}: expected micros and per above zero, found {rate}"
            raise BadInput(msg)
        if self._session.run(sql.ADD_RATE, _rate_params(rate)) == 0:
            found = self.rate(rate.rate_id)
            if found != rate:
                raise Conflict(f"rate {rate.rate_id}: expected {rate}, found {found}")

    def rate(self, rate_id: str) -> Rate:
        """Give a rate or raise `NotFound`."""
        found = self._rate(rate_id)
        if found is None:
            raise NotFound(f"rate {rate_id!r}: expected to exist, found none")
        return found

    def allocate(self, request: Allocate) -> Outcome:
        """Fund a period."""
        self._books.lock([request.budget_id])
        return self._settle(request, lambda: self._allocate(request))

    def reserve(self, requests: Sequence[Reserve]) -> Sequence[Outcome]:
        """Reserve all or nothing; outcomes in the order of the requests."""
        self._books.lock([request.budget_id for request in requests])
        outcomes = dict(self._books.stored_of(requests))
        new = list({r.transfer_id: r for r in requests if r.transfer_id not in outcomes}.values())
        if new:
            refusal = next((one for one in outcomes.values() if not one.applied), None)
            fresh = self._reserve(new, refusal)
            self._books.keep(list(zip(new, fresh, strict=True)))
            outcomes |= {outcome.transfer_id: outcome for outcome in fresh}
        return [outcomes[request.transfer_id] for request in requests]

    def commit(self, request: Commit) -> Outcome:
        """Spend a reservation (at most its amount), give the rest back."""
        reservation, purse = self._books.held(request.reservation_id)

        def judge() -> Outcome:
            outcome = rules.judge_commit(request, reservation)
            if outcome.applied and reservation and purse:
                self._post(request, purse, postings.post_commit(request, reservation))
                self._resolve(reservation, "committed", request.amount)
            return outcome

        return self._settle(request, judge)

    def release(self, request: Release) -> Outcome:
        """Give a reservation back."""
        reservation, purse = self._books.held(request.reservation_id)

        def judge() -> Outcome:
            outcome = rules.judge_release(request, reservation)
            if outcome.applied and reservation and purse:
                self._post(request, purse, postings.post_release(request, reservation))
                self._resolve(reservation, "expired" if request.expired else "released", 0)
            return outcome

        return self._settle(request, judge)

    def overrun(self, request: Overrun) -> Outcome:
        """Spend beyond a committed reservation, if the budget allows it."""
        reservation, purse = self._books.held(request.reservation_id)

        def judge() -> Outcome:
            outcome = rules.judge_overrun(request, reservation, purse)
            if outcome.applied and reservation and purse:
                self._post(request, purse, postings.post_overrun(request, reservation))
            return outcome

        return self._settle(request, judge)

    def transfer(self, request: Transfer) -> Outcome:
        """Move available money between budgets."""
        self._books.lock([request.from_budget, request.to_budget])
        return self._settle(request, lambda: self._transfer(request))

    def correct(self, request: Correct) -> Outcome:
        """Undo by an opposite posting."""
        self._books.lock([request.budget_id])
        return self._settle(request, lambda: self._correct(request))

    def close(self, request: Close) -> Outcome:
        """Close a period for ever."""
        self._books.lock([request.budget_id])
        return self._settle(request, lambda: self._close(request))

    def balances(self, budget_id: BudgetId, period: Period) -> Balances:
        """Give the balances; zero for a period that was never opened."""
        row = self._session.row(sql.BALANCES_OF, {"budget_id": budget_id, "period": period})
        return EMPTY if row is None else Balances(*row)

    def reservation(self, reservation_id: UUID) -> Reservation | None:
        """Give a reservation."""
        row = self._session.row(sql.RESERVATION, {"reservation_id": str(reservation_id)})
        return None if row is None else reservation_of(row)

    def reservations(
        self,
        *,
        budget_id: BudgetId | None = None,
        round_id: str | None = None,
        open_only: bool = True,
        expired_at: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[Reservation]:
        """Give reservations, oldest deadline first; one due exactly at `expired_at` is past due."""
        given = {
            "budget_id": budget_id,
            "round_id": round_id,
            "expires_at": optional_time_text(expired_at),
            "row_limit": limit,
        }
        params = {name: value for name, value in given.items() if value is not None}
        statement = sql.reservations(tuple(params), open_only=open_only)
        return [reservation_of(row) for row in self._session.rows(statement, params)]

    def entries(
        self, budget_id: BudgetId, *, after_seq: int = 0, limit: int | None = None
    ) -> Iterator[Entry]:
        """Give the entries of a budget in order of its hash chain."""
        left = limit if limit is not None else AMOUNT_MAX
        while left > 0:
            params = {
                "budget_id": budget_id,
                "after_seq": after_seq,
                "row_limit": min(left, PAGE),
            }
            rows = self._session.rows(sql.ENTRIES_AFTER, params)
            yield from map(entry_of, rows)
            if len(rows) < PAGE:
                return
            left -= len(rows)
            after_seq = rows[-1][0]

    def verify_chain(self, budget_id: BudgetId) -> int:
        """Recompute the hash chain and the balances; give the entries' number or raise."""
        budget = self.budget(budget_id)
        seq, last_hash, totals = walk_chain(budget, self.entries(budget_id))
        head = tuple(self._session.row(sql.HEAD, {"budget_id": budget_id}))
        if head != (seq, last_hash):
            raise IntegrityError(
                f"budget {budget_id}: expected head {(seq, last_hash)}, found {head}"
            )
        pending = self._pending(budget_id)
        for period, _ in self.periods(budget_id):
            accounts = totals.get(period, dict.fromkeys(Account, 0))
            found = balance_params(self.balances(budget_id, period))
            held = pending.get(period, (0, 0))[1]
            if found != dict(accounts) or held != accounts[Account.RESERVED]:
                msg = (
                    f"budget {budget_id}/{period}: expected balances {dict(accounts)}, "
                    f"found {found} with {held} in open reservations"
                )
                raise IntegrityError(msg)
        return seq

    def _settle(self, request: MoneyRequest, judge: Callable[[], Outcome]) -> Outcome:
        stored = self._books.stored(request)
        if stored is not None:
            return stored
        outcome = judge()
        self._books.keep([(request, outcome)])
        return outcome

    def _post(self, request: MoneyRequest, purse: Purse, moves: Sequence[Posting]) -> None:
        self._books.post(purse, [Line(request, posting) for posting in moves])

    def _resolve(self, reservation: Reservation, state: str, committed: int) -> None:
        key = str(reservation.reservation_id)
        params = {"reservation_id": key, "state": state, "committed": committed}
        self._session.run(sql.RESOLVE, params)

    def _allocate(self, request: Allocate) -> Outcome:
        purse = self._books.purse(request.budget_id, request.period)
        outcome = rules.judge_allocate(request, purse)
        if outcome.applied and purse is not None:
            if not purse.opened:
                self._open(purse)
            self._post(request, purse, postings.post_allocate(request))
        return outcome

    def _open(self, purse: Purse) -> None:
        budget_id = purse.budget.budget_id
        opened_seq = len(self.periods(budget_id)) + 1
        key = {"budget_id": budget_id, "period": purse.period, "opened_seq": opened_seq}
        params: dict[str, object] = {**key, "closed_at": None, **balance_params(EMPTY)}
        self._session.run(sql.ADD_PERIOD, params)

    def _reserve(self, requests: Sequence[Reserve], refusal: Outcome | None) -> list[Outcome]:
        accounts = {(request.budget_id, request.period) for request in requests}
        purses = {account: self._books.purse(*account) for account in accounts}
        if refusal is not None:
            return rules.fail_with(requests, refusal)
        outcomes = rules.judge_reserves(requests, purses)
        if outcomes[0].applied:
            self._hold(requests)
        return outcomes

    def _hold(self, requests: Sequence[Reserve]) -> None:
        def account(request: Reserve) -> tuple[str, str]:
            return request.budget_id, request.period

        # Grouped in a stable order: one balance update for each period, one chain for each budget.
        for _, group in groupby(sorted(requests, key=account), key=account):
            members = list(group)
            purse = self._books.purse(members[0].budget_id, members[0].period)
            lines = [Line(one, post) for one in members for post in postings.post_reserve(one)]
            if purse is not None:
                self._books.post(purse, lines)
        held = [reservation_params(postings.reservation_of(request)) for request in requests]
        self._session.run_many(sql.ADD_RESERVATION, held)

    def _transfer(self, request: Transfer) -> Outcome:
        source = self._books.purse(request.from_budget, request.from_period)
        target = self._books.purse(request.to_budget, request.to_period)
        rate = None if request.rate_id is None else self._rate(request.rate_id)
        outcome = rules.judge_transfer(request, source, target, rate)
        if outcome.applied and source is not None and target is not None:
            out, into = postings.post_transfer(request, source.budget, target.budget, rate)
            self._post(request, source, [out])
            # Read again: both periods may lie in one budget, which has one chain.
            target = self._books.purse(request.to_budget, request.to_period) or target
            self._post(request, target, [into])
        return outcome

    def _correct(self, request: Correct) -> Outcome:
        purse = self._books.purse(request.budget_id, request.period)
        params = {
            "budget_id": request.budget_id,
            "period": request.period,
            "corrected": str(request.corrects),
        }
        rows = self._session.rows(sql.SPENT_BY, params)
        rows += self._session.rows(sql.CORRECTED_BY, params)
        signed = [amount if credit == Account.SPENT else -amount for _, credit, amount in rows]
        outcome = rules.judge_correct(request, purse, sum(signed) if rows else None)
        if outcome.applied and purse is not None:
            self._post(request, purse, postings.post_correct(request, rows[0][0]))
        return outcome

    def _close(self, request: Close) -> Outcome:
        purse = self._books.purse(request.budget_id, request.period)
        n_open = self._pending(request.budget_id).get(request.period, (0, 0))[0]
        outcome = rules.judge_close(request, purse, n_open)
        if outcome.applied and purse is not None:
            lines = [Line(request, posting) for posting in postings.post_close(request, purse)]
            self._books.post(purse, lines, closed_at=request.at)
        return outcome

    def _pending(self, budget_id: BudgetId) -> dict[str, tuple[int, int]]:
        rows = self._session.rows(sql.OPEN_SUMS, {"budget_id": budget_id})
        return {period: (n_open, int(amount)) for period, n_open, amount in rows}

    def _rate(self, rate_id: str) -> Rate | None:
        row = self._session.row(sql.RATE, {"rate_id": rate_id})
        return None if row is None else _rate_of(row)


def _budget_params(budget: Budget) -> dict[str, object]:
    return {
        "budget_id": budget.budget_id,
        "kind": budget.kind.value,
        "owner": budget.owner,
        "unit": budget.unit.code,
        "overrun_allowed": int(budget.overrun_allowed),
        "last_seq": 0,
        "last_hash": genesis_hash(budget),
    }


def _rate_params(rate: Rate) -> dict[str, object]:
    return {
        "rate_id": rate.rate_id,
        "resource": rate.resource.code,
        "currency": rate.currency.code,
        "micros": rate.micros,
        "per": rate.per,
        "valid_from": time_text(rate.valid_from),
    }


def _rate_of(row: Any) -> Rate:  # noqa: ANN401 - a database row
    rate_id, resource, currency, micros, per, valid_from = row
    return Rate(rate_id, Unit(resource), Unit(currency), Micros(micros), per, time_of(valid_from))

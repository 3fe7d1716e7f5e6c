"""What every ledger must do with money: the same stories on SQLite and, marked, on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.contract.conftest import balances
from winnow.domain.errors import (
    BadInput,
    Conflict,
    NotFound,
)
from winnow.domain.ids import BudgetId, Micros, Period, derived_uuid
from winnow.domain.money import Balances, BudgetKind, Entry, Operation, OutcomeKind, Rate, Unit
from winnow.ports.ledger import Ledger
from winnow.testing import ledgers as make
from winnow.testing.ledgers import ANNOTATION, LATER, NOW, QUARTER

INT64_MAX = 2**63 - 1


def test_reserve_then_commit_gives_the_rest_back(funded: Ledger) -> None:
    asked = make.a_reservation(100)
    with funded.transaction() as tx:
        assert [o.applied for o in tx.money.reserve([asked])] == [True]
        assert tx.money.commit(make.a_commit(asked.transfer_id, 60)).applied
        held = tx.money.reservation(asked.transfer_id)
    assert held is not None
    assert (held.state, held.committed, held.amount) == ("committed", 60, 100)
    assert balances(funded) == Balances(*map(Micros, (-1000, 940, 0, 60, 0, 0)))


@pytest.mark.parametrize("expired", [False, True])
def test_released_money_is_available_again(funded: Ledger, expired: bool) -> None:
    asked = make.a_reservation(100)
    with funded.transaction() as tx:
        tx.money.reserve([asked])
        assert tx.money.release(make.a_release(asked.transfer_id, expired=expired)).applied
        late = tx.money.commit(make.a_commit(asked.transfer_id, 60))
    gone = OutcomeKind.RESERVATION_EXPIRED if expired else OutcomeKind.ALREADY_RELEASED
    assert late.kind is gone
    assert balances(funded).available == 1000


def test_a_group_is_reserved_whole_or_not_at_all(funded: Ledger) -> None:
    group = [make.a_reservation(400, name=str(n)) for n in range(3)]
    with funded.transaction() as tx:
        kinds = [outcome.kind for outcome in tx.money.reserve(group)]
    failed = OutcomeKind.LINKED_FAILED
    assert kinds == [failed, failed, OutcomeKind.EXCEEDS_AVAILABLE]
    assert balances(funded).available == 1000


def test_the_same_request_gives_its_stored_outcome(funded: Ledger) -> None:
    good, bad = make.a_reservation(1000, name="good"), make.a_reservation(1, name="bad")
    with funded.transaction() as tx:
        first = [*tx.money.reserve([good]), *tx.money.reserve([bad])]
        tx.money.release(make.a_release(good.transfer_id))
    with funded.transaction() as tx:
        again = [*tx.money.reserve([good]), *tx.money.reserve([bad])]
    assert again == first
    assert [one.kind for one in first] == [OutcomeKind.APPLIED, OutcomeKind.EXCEEDS_AVAILABLE]
    assert balances(funded).reserved == 0


def test_sending_later_is_the_same_request_other_content_is_not(funded: Ledger) -> None:
    asked = make.a_reservation(5)
    with funded.transaction() as tx:
        tx.money.reserve([asked])
        assert tx.money.reserve([replace(asked, at=LATER)])[0].applied
        with pytest.raises(Conflict, match=str(asked.transfer_id)):
            tx.money.reserve([replace(asked, amount=Micros(6))])
    assert balances(funded).reserved == 5


def test_a_group_that_grew_joins_what_was_applied(funded: Ledger) -> None:
    first, second = make.a_reservation(5, name="1"), make.a_reservation(7, name="2")
    with funded.transaction() as tx:
        tx.money.reserve([first])
        assert all(one.applied for one in tx.money.reserve([first, second, second]))
    assert balances(funded).reserved == 12


@pytest.mark.parametrize("amount", [0, 1, 1000])
def test_edges_of_a_commit(funded: Ledger, amount: int) -> None:
    asked = make.a_reservation(1000)
    with funded.transaction() as tx:
        tx.money.reserve([asked])
        over = tx.money.commit(make.a_commit(asked.transfer_id, 1001, name="over"))
        assert over.kind is OutcomeKind.EXCEEDS_RESERVED
        assert tx.money.commit(make.a_commit(asked.transfer_id, amount)).applied
        twice = tx.money.commit(make.a_commit(asked.transfer_id, amount, name="twice"))
        assert twice.kind is OutcomeKind.ALREADY_COMMITTED
        tx.money.verify_chain(ANNOTATION)
    assert balances(funded).spent == amount


def test_the_largest_amount_goes_all_the_way(ledger: Ledger) -> None:
    asked = make.a_reservation(INT64_MAX)
    with ledger.transaction() as tx:
        tx.money.put_budget(make.a_budget())
        tx.money.allocate(make.an_allocation(INT64_MAX))
        assert tx.money.reserve([asked])[0].applied
        assert tx.money.commit(make.a_commit(asked.transfer_id, INT64_MAX)).applied
        with pytest.raises(BadInput, match="funding"):
            tx.money.allocate(make.an_allocation(1, name="more"))
        assert tx.money.verify_chain(ANNOTATION) == 3


@pytest.mark.parametrize("amount", [-1, INT64_MAX + 1, 0.5, True])
def test_amounts_that_make_no_sense_leave_no_trace(funded: Ledger, amount: int) -> None:
    with funded.transaction() as tx:
        with pytest.raises(BadInput, match="amount"):
            tx.money.reserve([make.a_reservation(amount)])
        assert tx.money.verify_chain(ANNOTATION) == 1


def test_a_time_without_zone_is_refused(funded: Ledger) -> None:
    asked = replace(make.a_reservation(1), expires_at=LATER.replace(tzinfo=None))
    with funded.transaction() as tx, pytest.raises(BadInput, match="time zone"):
        tx.money.reserve([asked])


def test_unknown_things_are_refused(funded: Ledger) -> None:
    with funded.transaction() as tx:
        money = tx.money
        kinds = [
            money.reserve([make.a_reservation(1, budget="nobody")])[0].kind,
            money.reserve([make.a_reservation(1, period="2027")])[0].kind,
            money.commit(make.a_commit(uuid4(), 1)).kind,
            money.release(make.a_release(uuid4())).kind,
            money.allocate(make.an_allocation(1, budget="nobody")).kind,
            money.correct(make.a_correction(uuid4(), 1)).kind,
            money.close(make.a_closing(period="2027")).kind,
        ]
    unknown = OutcomeKind.RESERVATION_UNKNOWN
    assert kinds == [
        OutcomeKind.BUDGET_UNKNOWN,
        OutcomeKind.PERIOD_UNKNOWN,
        unknown,
        unknown,
        OutcomeKind.BUDGET_UNKNOWN,
        OutcomeKind.TRANSFER_UNKNOWN,
        OutcomeKind.PERIOD_UNKNOWN,
    ]


def test_only_the_owner_funds_corrects_and_closes(funded: Ledger) -> None:
    asked = make.a_reservation(10)
    with funded.transaction() as tx:
        money = tx.money
        money.reserve([asked])
        spent = make.a_commit(asked.transfer_id, 10)
        money.commit(spent)
        kinds = {
            money.allocate(replace(make.an_allocation(1, name="x"), actor="eve")).kind,
            money.correct(replace(make.a_correction(spent.transfer_id, 1), actor="eve")).kind,
            money.close(replace(make.a_closing(), actor="eve")).kind,
        }
    assert kinds == {OutcomeKind.NOT_OWNER}


def test_overrun_only_where_allowed_and_only_after_a_commit(funded: Ledger) -> None:
    strict, loose = make.a_reservation(10), make.a_reservation(10, budget="loose")
    with funded.transaction() as tx:
        money = tx.money
        money.put_budget(make.a_budget("loose", overrun_allowed=True))
        money.allocate(make.an_allocation(100, budget="loose"))
        money.reserve([strict])
        money.reserve([loose])
        money.commit(make.a_commit(strict.transfer_id, 10))
        early = money.overrun(make.an_overrun(loose.transfer_id, 1, name="early"))
        money.commit(make.a_commit(loose.transfer_id, 10))
        kinds = [
            early.kind,
            money.overrun(make.an_overrun(strict.transfer_id, 1)).kind,
            money.overrun(make.an_overrun(loose.transfer_id, 91, name="much")).kind,
            money.overrun(make.an_overrun(loose.transfer_id, 90)).kind,
        ]
    assert kinds == [
        OutcomeKind.NOT_COMMITTED,
        OutcomeKind.OVERRUN_FORBIDDEN,
        OutcomeKind.EXCEEDS_AVAILABLE,
        OutcomeKind.APPLIED,
    ]
    assert balances(funded, "loose") == Balances(*map(Micros, (-100, 0, 0, 100, 0, 0)))


def test_transfer_moves_between_chains_with_both_owners(funded: Ledger) -> None:
    move = make.a_transfer(300, source=ANNOTATION, target="qa")
    with funded.transaction() as tx:
        tx.money.put_budget(make.a_budget("qa", kind=BudgetKind.LABEL_QA))
        tx.money.allocate(make.an_allocation(0, budget="qa"))
        alone = replace(move, transfer_id=uuid4(), approved_by=("olga", "eve"))
        assert tx.money.transfer(alone).kind is OutcomeKind.NOT_OWNER
        assert tx.money.transfer(move).applied
        assert tx.money.transfer(move).applied
        tx.money.verify_chain(ANNOTATION)
        tx.money.verify_chain(BudgetId("qa"))
    assert (balances(funded).available, balances(funded, "qa").available) == (700, 300)


def test_a_resource_becomes_money_only_through_a_dated_rate(funded: Ledger) -> None:
    gpu = Unit("gpu_ms")
    rate = Rate("gpu-2026", gpu, make.USD, Micros(5), 2, NOW)
    early = replace(rate, rate_id="gpu-2027", valid_from=LATER)
    with funded.transaction() as tx:
        money = tx.money
        money.put_budget(make.a_budget("gpu", unit=gpu))
        money.allocate(make.an_allocation(1000, budget="gpu"))
        money.put_rate(rate)
        money.put_rate(rate)
        money.put_rate(early)
        with pytest.raises(Conflict, match="gpu-2026"):
            money.put_rate(replace(rate, micros=Micros(6)))
        plain = make.a_transfer(3, source="gpu", target=ANNOTATION, name="plain")
        for n, rate_id in enumerate([None, "nowhere", "gpu-2027"]):
            mixed = replace(plain, transfer_id=derived_uuid("t", n), rate_id=rate_id)
            assert money.transfer(mixed).kind is OutcomeKind.UNIT_MISMATCH
        dated = replace(plain, transfer_id=uuid4(), rate_id="gpu-2026")
        assert money.transfer(dated).applied
        last = list(money.entries(ANNOTATION))[-1]
    assert balances(funded, "gpu").available == 997
    assert balances(funded).available == 1008, "7.5 rounds half up"
    assert '"rate_id":"gpu-2026"' in last.detail
    assert '"rounding":"half_up"' in last.detail


def test_a_correction_names_what_it_undoes_and_never_more(funded: Ledger) -> None:
    asked = make.a_reservation(100)
    spent = make.a_commit(asked.transfer_id, 80)
    with funded.transaction() as tx:
        money = tx.money
        money.reserve([asked])
        money.commit(spent)
        kinds = [
            money.correct(make.a_correction(spent.transfer_id, 81, name="much")).kind,
            money.correct(make.a_correction(spent.transfer_id, 30)).kind,
            money.correct(make.a_correction(spent.transfer_id, 51, name="again")).kind,
            money.correct(make.a_correction(spent.transfer_id, -10, name="back")).kind,
        ]
        rows = list(money.entries(ANNOTATION))
    applied, exceeds = OutcomeKind.APPLIED, OutcomeKind.EXCEEDS_SPENT
    assert kinds == [exceeds, applied, exceeds, applied]
    assert balances(funded) == Balances(*map(Micros, (-1000, 940, 0, 60, 0, 0)))
    corrections = [row for row in rows if row.operation is Operation.CORRECT]
    assert {row.subject for row in corrections} == {str(spent.transfer_id)}
    assert {row.round_id for row in corrections} == {"r0"}


def test_closing_waits_for_reservations_and_is_final(funded: Ledger) -> None:
    asked = make.a_reservation(100)
    spent = make.a_commit(asked.transfer_id, 40)
    with funded.transaction() as tx:
        money = tx.money
        money.reserve([asked])
        held = money.close(make.a_closing(name="early"))
        money.commit(spent)
        assert money.close(make.a_closing()).applied
        after = [
            money.reserve([make.a_reservation(1, name="late")])[0].kind,
            money.allocate(make.an_allocation(1, name="late")).kind,
            money.correct(make.a_correction(spent.transfer_id, 1)).kind,
            money.close(make.a_closing(name="late")).kind,
        ]
        entries = tx.money.verify_chain(ANNOTATION)
        assert money.periods(ANNOTATION) == [(QUARTER, True)]
        with pytest.raises(NotFound, match="open period"):
            money.open_period(ANNOTATION)
    assert held.kind is OutcomeKind.RESERVATIONS_OPEN
    assert set(after) == {OutcomeKind.PERIOD_CLOSED}
    assert balances(funded) == Balances(*map(Micros, (-1000, 0, 0, 40, 960, 0)))
    assert entries == 5


def test_the_newest_open_period_is_the_one_in_use(funded: Ledger) -> None:
    with funded.transaction() as tx:
        tx.money.allocate(make.an_allocation(5, period="2026-Q2"))
        assert tx.money.open_period(ANNOTATION) == "2026-Q2"
        tx.money.close(make.a_closing(period="2026-Q2"))
        assert tx.money.open_period(ANNOTATION) == QUARTER
        assert tx.money.balances(ANNOTATION, Period("never")) == Balances(*[Micros(0)] * 6)


def test_a_budget_keeps_its_terms(funded: Ledger) -> None:
    with funded.transaction() as tx:
        tx.money.put_budget(make.a_budget())
        with pytest.raises(Conflict, match=ANNOTATION):
            tx.money.put_budget(make.a_budget(unit=Unit("bytes")))
        with pytest.raises(NotFound, match="nobody"):
            tx.money.budget(BudgetId("nobody"))
        assert tx.money.budgets() == [make.a_budget()]


def test_reservations_are_found_by_what_they_wait_for(funded: Ledger) -> None:
    soon = replace(make.a_reservation(1, name="soon"), expires_at=NOW + timedelta(hours=1))
    late = replace(make.a_reservation(2, name="late"), round_id="r9")
    done = make.a_reservation(3, name="done")
    with funded.transaction() as tx:
        money = tx.money
        money.reserve([late, soon, done])
        money.commit(make.a_commit(done.transfer_id, 3))

        def names(**wanted: object) -> list[str]:
            return [one.subject for one in money.reservations(**wanted)]  # type: ignore[arg-type]

        assert names(budget_id=ANNOTATION) == ["task soon", "task late"]
        assert names(expired_at=soon.expires_at) == ["task soon"]
        assert names(expired_at=soon.expires_at - timedelta(microseconds=1)) == []
        assert names(round_id="r9", open_only=False) == ["task late"]
        assert names(open_only=False, limit=1) == ["task soon"]


def test_entries_come_in_pages_in_order(funded: Ledger) -> None:
    group = [make.a_reservation(0, name=str(n)) for n in range(1001)]
    with funded.transaction() as tx:
        tx.money.reserve(group)
    with funded.snapshot() as tx:
        rows = list(tx.money.entries(ANNOTATION))
        tail = list(tx.money.entries(ANNOTATION, after_seq=1000, limit=1))
    assert [row.seq for row in rows] == list(range(1, 1003))
    assert [row.seq for row in tail] == [1001]
    assert isinstance(rows[0], Entry)

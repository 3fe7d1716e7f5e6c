"""What people do with money, and what they are refused."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from tests.unit.console.conftest import House
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import BudgetId, Micros, Period
from winnow.domain.money import Commit, Reserve
from winnow.evidence.budget_report import BudgetReport

ANNOTATION = BudgetId("human_annotation")
PERIOD = Period("2026-Q1")
RESERVATION = UUID(int=1)


def allocate(house: House, amount: int = 100, kind: str = "human_annotation", **how: str) -> None:
    house.do("/v1/budgets/allocate", {"kind": kind, "amount": amount}, **how)


def balances(house: House, kind: str = "human_annotation") -> dict[str, int]:
    (period,) = house.get(f"/v1/budgets/{kind}")["periods"]
    found: dict[str, int] = period["balances"]
    return found


def reserve(house: House, amount: int = 40) -> None:
    with house.ledger.transaction() as tx:
        now = house.clock.now()
        (outcome,) = tx.money.reserve(
            [
                Reserve(
                    transfer_id=RESERVATION,
                    budget_id=ANNOTATION,
                    period=PERIOD,
                    amount=Micros(amount),
                    expires_at=now + timedelta(days=1),
                    subject="task",
                    round_id="r0",
                    at=now,
                )
            ]
        )
        assert outcome.applied


def commit(house: House, amount: int = 40) -> None:
    with house.ledger.transaction() as tx:
        request = Commit(UUID(int=2), RESERVATION, Micros(amount), house.clock.now())
        assert tx.money.commit(request).applied


def test_the_same_key_allocates_once_even_later(house: House) -> None:
    body = {"kind": "human_annotation", "amount": 100}
    first = house.do("/v1/budgets/allocate", body, key="k")
    house.clock.advance(days=1)
    again = house.do("/v1/budgets/allocate", body, key="k")
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["answer"] == first["answer"]
    assert balances(house)["available"] == 100
    assert [row.outcome for row in house.audit()] == ["allowed", "repeated: done"]


def test_the_same_key_for_something_else_is_a_conflict(house: House) -> None:
    allocate(house, 100, key="k")
    body = {"kind": "human_annotation", "amount": 101}
    status, kind, _ = house.refused("/v1/budgets/allocate", body, key="k")
    assert (status, kind) == (409, "Conflict")
    assert balances(house)["available"] == 100


def test_a_new_key_allocates_again(house: House) -> None:
    allocate(house)
    allocate(house)
    assert balances(house)["available"] == 200


@pytest.mark.parametrize("amount", [-1, 1.5, "100", None, 2**63])
def test_amounts_are_integers_from_zero_up(house: House, amount: object) -> None:
    body = {"kind": "human_annotation", "amount": amount}
    status, kind, message = house.refused("/v1/budgets/allocate", body)
    assert (status, kind) == (422, "BadInput")
    assert "amount" in message


def test_a_request_with_three_mistakes_lists_three(house: House) -> None:
    body = {"kind": "coffee", "amount": -1, "surprise": True}
    _, _, message = house.refused("/v1/budgets/allocate", body)
    assert "3 mistake(s)" in message
    assert all(name in message for name in ("kind", "amount", "surprise"))


def test_a_budget_of_zero_is_open_and_affords_nothing(house: House) -> None:
    allocate(house, 0)
    assert balances(house) == dict.fromkeys(
        ("funding", "available", "reserved", "spent", "returned", "adjustment"), 0
    )


def test_a_new_budget_takes_owner_unit_and_the_current_quarter(house: House) -> None:
    body = {"kind": "label_qa", "amount": 5, "owner": "ana", "currency": "EUR"}
    answer = house.do("/v1/budgets/allocate", body)["answer"]
    budget = house.get("/v1/budgets/label_qa")
    assert (budget["owner"], budget["unit"], answer["period"]) == ("ana", "currency:EUR", PERIOD)


def test_only_the_owner_adds_to_a_budget(house: House) -> None:
    house.do("/v1/budgets/allocate", {"kind": "label_qa", "amount": 5, "owner": "ana"})
    body = {"kind": "label_qa", "amount": 5}
    status, kind, message = house.refused("/v1/budgets/allocate", body, key="k")
    assert (status, kind) == (403, "NotAllowed")
    assert "ana" in message
    assert house.refused("/v1/budgets/allocate", body, key="k")[:2] == (403, "NotAllowed")
    assert balances(house, "label_qa")["available"] == 5


def test_another_currency_than_the_budget_is_kept_in_is_refused(house: House) -> None:
    allocate(house)
    body = {"kind": "human_annotation", "amount": 1, "currency": "EUR"}
    assert house.refused("/v1/budgets/allocate", body)[:2] == (422, "BadInput")


def test_closing_is_refused_while_reservations_are_open(house: House) -> None:
    allocate(house)
    reserve(house)
    status, kind, message = house.refused("/v1/budgets/human_annotation/close", {})
    assert (status, kind) == (409, "Conflict")
    assert "reservations open" in message
    commit(house)
    house.do("/v1/budgets/human_annotation/close", {})
    assert balances(house)["returned"] == 60
    assert house.refused("/v1/budgets/human_annotation/close", {"period": PERIOD})[0] == 409


def test_a_spent_entry_is_corrected_by_an_opposite_posting(house: House) -> None:
    allocate(house)
    reserve(house)
    commit(house)
    body = {"corrects": str(UUID(int=2)), "amount": 15, "reason": "half of it was a test"}
    house.do("/v1/budgets/human_annotation/correct", body)
    assert balances(house)["available"] == 75
    operations = [e["operation"] for e in house.get("/v1/budgets/human_annotation")["entries"]]
    assert "correct" in operations
    body["corrects"] = str(UUID(int=99))
    assert house.refused("/v1/budgets/human_annotation/correct", body)[0] == 404


def test_one_owner_transfers_at_once(house: House) -> None:
    allocate(house)
    allocate(house, 1, "label_qa")
    body = {"from_budget": "human_annotation", "to_budget": "label_qa", "amount": 30}
    assert house.do("/v1/budgets/transfer", body)["state"] == "done"
    assert balances(house)["available"] == 70
    assert balances(house, "label_qa")["available"] == 31


def test_two_owners_both_agree_to_a_transfer(fleet: House) -> None:
    ana, bo, cy = (fleet.person(name, "budget_owner") for name in ("ana", "bo", "cy"))
    allocate(fleet, token=ana)
    allocate(fleet, 1, "label_qa", token=bo)
    body = {"from_budget": "human_annotation", "to_budget": "label_qa", "amount": 30}
    assert fleet.refused("/v1/budgets/transfer", body, token=cy)[0] == 403
    asked = fleet.do("/v1/budgets/transfer", body, token=ana)
    assert (asked["state"], asked["answer"]) == ("proposed", {"waits_for": "bo"})
    approve = f"/v1/budgets/transfers/{asked['id']}/approve"
    assert fleet.refused(approve, {}, token=cy)[0] == 403
    assert fleet.refused(approve, {}, token=ana)[0] == 403
    fleet.do(approve, {}, token=bo)
    assert fleet.refused(approve, {}, token=bo)[0] == 404
    (period,) = fleet.get("/v1/budgets/label_qa", token=bo)["periods"]
    assert period["balances"]["available"] == 31
    assert fleet.get(f"/v1/commands/{asked['id']}", token=ana)["state"] == "done"


def test_more_than_is_available_is_not_transferred(house: House) -> None:
    allocate(house)
    allocate(house, 1, "label_qa")
    body = {"from_budget": "human_annotation", "to_budget": "label_qa", "amount": 101}
    assert house.refused("/v1/budgets/transfer", body)[:2] == (409, "BudgetExceeded")
    assert balances(house)["available"] == 100


def test_an_unknown_budget_is_not_found(house: House) -> None:
    assert house.ask("GET", "/v1/budgets/expert_review").status_code == 404
    assert house.refused("/v1/budgets/expert_review/close", {})[0] == 404


def test_bytes_become_money_only_through_a_named_rate(house: House) -> None:
    allocate(house, 10**10, "upload")
    allocate(house, 1)
    move = {"from_budget": "upload", "to_budget": "human_annotation", "amount": 10**9}
    assert house.refused("/v1/budgets/transfer", move)[:2] == (422, "BadInput")
    rate = {
        "rate_id": "storage", "resource": "bytes", "currency": "USD", "micros": 20_000,
        "per": 10**9, "valid_from": "2025-12-01T00:00:00Z",
    }  # fmt: skip
    house.do("/v1/budgets/rates", rate)
    house.do("/v1/budgets/transfer", {**move, "rate_id": "storage"})
    assert balances(house)["available"] == 20_001
    assert balances(house, "upload")["available"] == 9 * 10**9


def test_a_report_is_sealed_and_says_what_each_round_spent(house: House) -> None:
    allocate(house)
    reserve(house)
    commit(house)
    (document,) = house.get("/v1/budgets/report?budget_id=human_annotation")
    found = BudgetReport.model_validate(document)
    assert found.verify()
    assert (found.allocation, found.spend, found.remaining) == (100, 40, 60)
    assert found.spend_by_round == (("r0", 40),)
    assert house.get("/v1/budgets/report?period=2031-Q1") == []


def test_closing_a_period_keeps_its_sealed_report(house: House) -> None:
    allocate(house)
    reserve(house)
    commit(house)
    answer = house.do("/v1/budgets/human_annotation/close", {}, key="close-1")["answer"]
    kept = BudgetReport.model_validate_json(house.blobs.get(BlobRef(**answer["report"])))
    assert kept.verify()
    assert kept.close_record is not None
    assert (kept.close_record.signer, kept.spend, kept.remaining) == ("me", 40, 0)
    again = house.do("/v1/budgets/human_annotation/close", {}, key="close-1")
    assert again["answer"] == answer

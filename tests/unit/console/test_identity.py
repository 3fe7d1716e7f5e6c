"""Who may come in, and what is written down about it."""

from __future__ import annotations

import pytest

from tests.unit.console.conftest import BOOTSTRAP, House
from winnow.adapters.sql.records import SqlRecords
from winnow.domain.acts import ACTS, HUMAN_ROLES
from winnow.domain.errors import Retryable
from winnow.domain.labels import Role
from winnow.domain.tables import Row, Table

ALLOCATE = {"kind": "human_annotation", "amount": 100}


@pytest.mark.parametrize("header", ["", "Bearer nobody", "Basic abc", "Bearer "])
def test_without_a_known_token_nobody_comes_in(fleet: House, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    request = fleet.client.get("/v1/budgets", headers=headers)
    response = fleet.runner.run(request)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["kind"] == "NotAuthenticated"


def test_a_wrong_token_is_refused_in_process_too(house: House) -> None:
    assert house.ask("GET", "/v1/budgets", token="nobody").status_code == 401
    assert house.ask("GET", "/v1/budgets").status_code == 200


def test_a_role_that_does_not_cover_an_act_is_refused_and_written_down(fleet: House) -> None:
    token = fleet.person("rui", "reviewer")
    status, kind, message = fleet.refused("/v1/budgets/allocate", ALLOCATE, token=token)
    assert (status, kind) == (403, "NotAllowed")
    assert "expected one of the roles budget_owner, found reviewer for rui" in message
    row = fleet.audit()[-1]
    assert (row.actor, row.act, row.state, row.group) == (
        "rui", "budget.allocate", "refused", "human_annotation",
    )  # fmt: skip
    with fleet.ledger.snapshot() as view:
        assert list(view.money.budgets()) == []


def test_an_allowed_act_is_written_down_with_the_role_that_covered_it(fleet: House) -> None:
    token = fleet.person("ana", "ml_engineer", "budget_owner")
    fleet.do("/v1/budgets/allocate", ALLOCATE, token=token)
    row = fleet.audit()[-1]
    assert (row.actor, row.role, row.act, row.state) == (
        "ana", "budget_owner", "budget.allocate", "allowed",
    )  # fmt: skip
    assert '"amount":100' in row.arguments


def test_a_token_is_shown_once_and_stored_as_its_digest_only(fleet: House) -> None:
    body = {"name": "ana", "roles": ["budget_owner"]}
    first = fleet.do("/v1/people", body, token=BOOTSTRAP, key="add-ana")
    again = fleet.do("/v1/people", body, token=BOOTSTRAP, key="add-ana")
    assert first["token"].startswith("wnw_")
    assert "token" not in again
    assert fleet.get("/v1/status", token=first["token"])["person"] == "ana"
    assert all(first["token"] not in repr(row) for row in fleet.audit())


def test_a_name_in_use_is_refused_and_a_removed_person_stays_out(fleet: House) -> None:
    token = fleet.person("ana", "budget_owner")
    body = {"name": "ana", "roles": ["reviewer"]}
    assert fleet.refused("/v1/people", body, token=BOOTSTRAP)[0] == 409
    assert fleet.ask("DELETE", "/v1/people/ana", token=BOOTSTRAP).status_code == 200
    assert fleet.ask("GET", "/v1/budgets", token=token).status_code == 401
    assert fleet.get("/v1/budgets", token=fleet.person("ana", "reviewer")) == []


def test_a_service_role_is_no_role_of_a_person(fleet: House) -> None:
    body = {"name": "bot", "roles": ["qa_service"]}
    status, _, message = fleet.refused("/v1/people", body, token=BOOTSTRAP)
    assert status == 422
    assert "qa_service" in message


def test_the_audit_log_is_for_those_who_may_read_it(fleet: House) -> None:
    token = fleet.person("rui", "reviewer")
    assert fleet.ask("GET", "/v1/audit", token=token).status_code == 403
    officer = fleet.person("pia", "privacy_officer")
    acts = [row["act"] for row in fleet.get("/v1/audit", token=officer)]
    assert acts == ["person.add", "audit.read", "person.add"]
    assert [row["actor"] for row in fleet.get("/v1/audit?state=refused", token=officer)] == ["rui"]


def test_an_act_without_an_idempotency_key_is_refused(house: House) -> None:
    response = house.runner.run(house.client.post("/v1/budgets/allocate", json=ALLOCATE))
    assert response.status_code == 422
    assert "Idempotency-Key" in response.json()["error"]["message"]


def test_of_two_requests_at_once_under_one_key_one_is_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"name": "ana", "roles": ["reviewer"]}
    unseen = SqlRecords.get

    def get(records: SqlRecords, table: Table[Row], key: str) -> Row | None:
        return None if table.name == "console_commands" else unseen(records, table, key)

    house.do("/v1/rounds", {"policy": ""}, key="k")
    monkeypatch.setattr(SqlRecords, "get", get)
    status, kind, message = house.refused("/v1/rounds", {"policy": ""}, key="k")
    assert (status, kind) == (409, "Conflict")
    assert "send it again" in message
    assert house.refused("/v1/people", body, key="k")[0] == 409
    assert house.get("/v1/people") == []


def test_a_ledger_that_is_away_is_no_refusal_but_asks_to_come_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        msg = "ledger: expected it within 5 s, found it locked"
        raise Retryable(msg)

    monkeypatch.setattr(house.ledger, "transaction", away)
    status, kind, _ = house.refused("/v1/budgets/allocate", ALLOCATE)
    assert (status, kind) == (503, "Retryable")


def test_every_act_needs_roles_that_people_can_hold() -> None:
    assert all(roles and roles <= HUMAN_ROLES for roles in ACTS.values())
    assert Role.ANNOTATOR not in ACTS["label.promote"]
    assert ACTS["label.promote"] == {Role.DATA_STEWARD}

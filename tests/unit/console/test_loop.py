"""What people ask of the loop becomes commands for the services that own it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from tests.unit.console.conftest import House
from winnow.domain.blob_ref import BlobRef
from winnow.domain.boxes import Box, label_of
from winnow.domain.errors import BadInput
from winnow.domain.events import TaskClosed
from winnow.domain.ids import BudgetId, FrameId, Micros
from winnow.domain.labels import (
    CLASSIFICATION,
    DETECTION,
    Actor,
    LabelKey,
    LabelState,
    Role,
    Transition,
)
from winnow.domain.money import Commit, Reserve
from winnow.domain.tables import (
    BATCHES,
    COMMANDS,
    GATEWAY_EXCEPTIONS,
    POOL_SHARDS,
    QA_BATCHES,
    ROUNDS,
    ROUNDS_EXCEPTIONS,
    BatchRow,
    CommandRow,
    EmbeddedShardRow,
    ExceptionRow,
    QaBatchRow,
    RoundRow,
)
from winnow.policy.model import Policy
from winnow.ports.bus import Delivery, Message
from winnow.runtime.dead_letters import dead_letter_of

REF = BlobRef("b", "k", "0" * 64, 1, "application/json")
ROUND = RoundRow(
    key="r0", number=0, state="open", policy=REF, policy_sha256="0" * 64, seed=0,
    committee_version="", members=None, snapshot=REF, n_frames=10, opened_by="me",
)  # fmt: skip
BATCH = BatchRow("r0-batch", "r0", "proposed", 2, 2, REF, 160_000)
FRAME = FrameId("f" * 32)


def commands(house: House) -> list[CommandRow]:
    with house.ledger.snapshot() as view:
        return [row for row in view.records.find(COMMANDS) if row.service != "console"]


def given_a_proposed_batch(house: House) -> None:
    with house.ledger.transaction() as tx:
        tx.records.insert(ROUNDS, ROUND)
        tx.records.insert(BATCHES, BATCH)
        tx.labels.begin(
            [FRAME],
            "classification",
            round_id="r0",
            batch_id="r0-batch",
            actor=Actor("selection", Role.SELECTOR),
            evidence="manifest",
            at=house.clock.now(),
        )


def given_a_label(house: House, frame_id: FrameId, task: str, label: str) -> None:
    selection, person = Actor("selection", Role.SELECTOR), Actor("ann", Role.ANNOTATOR)
    with house.ledger.transaction() as tx:
        tx.labels.begin(
            [frame_id], task, round_id="r0", batch_id="r0-batch", actor=selection,
            evidence="manifest", at=house.clock.now(),
        )  # fmt: skip
        step = Transition(
            LabelKey(frame_id, task, 1), 2, LabelState.CANDIDATE, LabelState.HUMAN_LABELED, person,
            "{}", "", house.clock.now(),
        )  # fmt: skip
        value = json.dumps({"label": label})
        tx.labels.step(step, round_id="r0", batch_id="r0-batch", value=value, annotator="ann")


def test_opening_a_round_pins_the_policy_and_asks_rounds(house: House) -> None:
    document = house.do("/v1/rounds", {"policy": "seed: 7"})
    (row,) = commands(house)
    assert (row.service, row.name, row.state, row.role) == (
        "rounds", "round.open", "pending", "ml_engineer",
    )  # fmt: skip
    arguments = json.loads(row.arguments)
    assert arguments["opened_by"] == "me"
    ref = BlobRef(**arguments["policy"])
    assert ref.key.startswith("policies/")
    assert house.blobs.get(ref) == Policy(seed=7).canonical()
    assert house.get(f"/v1/commands/{document['id']}")["state"] == "pending"


def test_a_policy_with_three_mistakes_lists_three_and_opens_nothing(house: House) -> None:
    text = "qa: {sample_share: 2}\ntraining: {members: many}\nsurprise: 1"
    status, kind, message = house.refused("/v1/rounds", {"policy": text, "where": "p.yaml"})
    assert (status, kind) == (422, "BadInput")
    assert message.startswith("p.yaml: 3 mistake(s)")
    assert all(name in message for name in ("qa.sample_share", "training.members", "surprise"))
    assert commands(house) == []
    assert house.audit()[-1].state == "refused"


def test_the_same_key_opens_one_round(house: House) -> None:
    first = house.do("/v1/rounds", {"policy": ""}, key="k")
    again = house.do("/v1/rounds", {"policy": ""}, key="k")
    assert again["id"] == first["id"]
    assert len(commands(house)) == 1


def test_a_command_shows_the_answer_of_its_service(house: House) -> None:
    asked = house.do("/v1/rounds", {"policy": ""}, key="k")
    with house.ledger.transaction() as tx:
        answer = '{"round_id":"r0"}'
        tx.records.update(
            COMMANDS, asked["id"], lambda row: replace(row, state="done", answer=answer)
        )
    assert house.get(f"/v1/commands/{asked['id']}")["answer"] == {"round_id": "r0"}
    assert house.do("/v1/rounds", {"policy": ""}, key="k")["state"] == "done"
    assert house.ask("GET", "/v1/commands/unknown").status_code == 404


def test_decisions_on_a_batch_go_to_selection(house: House) -> None:
    given_a_proposed_batch(house)
    house.do("/v1/batches/r0-batch/approve", {})
    house.do("/v1/batches/r0-batch/reject", {"reason": "wrong site"})
    amendment = {"removed": [FRAME], "added": ["e" * 32], "reason": "blurred"}
    house.do("/v1/batches/r0-batch/amend", amendment)
    found = {row.name: json.loads(row.arguments) for row in commands(house)}
    assert {row.service for row in commands(house)} == {"selection"}
    assert found["batch.approve"] == {"batch_id": "r0-batch", "reason": ""}
    assert found["batch.reject"] == {"batch_id": "r0-batch", "reason": "wrong site"}
    assert found["batch.amend"] == {"batch_id": "r0-batch", **amendment}


def test_an_unknown_batch_is_not_found(house: House) -> None:
    status, _, told = house.refused("/v1/batches/0/approve", {})
    assert status == 404
    assert told.endswith("expected a proposed or decided batch, found none; there is none yet")
    given_a_proposed_batch(house)
    _, _, told = house.refused("/v1/batches/0/approve", {})
    assert told.startswith("batch 0: expected ")
    assert told.endswith("found none; the newest are r0-batch")
    assert house.ask("GET", "/v1/batches/r9-batch").status_code == 404


def test_only_a_data_steward_asks_for_promotion(fleet: House) -> None:
    engineer = fleet.person("eli", "ml_engineer")
    steward = fleet.person("sam", "data_steward")
    body = {"round_id": "r0"}
    assert fleet.refused("/v1/labels/promote", body, token=engineer)[0] == 403
    fleet.do("/v1/labels/promote", body, token=steward)
    (row,) = commands(fleet)
    assert (row.service, row.name, row.actor, row.role) == (
        "qa", "label.promote", "sam", "data_steward",
    )  # fmt: skip


def test_a_round_tells_its_stages_and_for_whom_it_waits(house: House) -> None:
    given_a_proposed_batch(house)
    document = house.get("/v1/rounds/0")
    stages = {stage["stage"]: stage["state"] for stage in document["stages"]}
    assert (stages["snapshot"], stages["selection"], stages["qa"]) == ("open", "proposed", "")
    assert document["labels"] == {"candidate": 1}
    assert document["waits"] == ["a reviewer: winnow batch approve r0-batch"]
    assert [row["id"] for row in house.get("/v1/rounds")] == ["r0"]
    assert house.ask("GET", "/v1/rounds/5").status_code == 404


def test_a_round_tells_what_it_reserved_and_spent(house: House) -> None:
    given_a_proposed_batch(house)
    house.do("/v1/budgets/allocate", {"kind": "human_annotation", "amount": 100})
    with house.ledger.transaction() as tx:
        now, period = house.clock.now(), tx.money.open_period(BudgetId("human_annotation"))
        tx.money.reserve(
            [
                Reserve(
                    UUID(int=n), BudgetId("human_annotation"), period, Micros(30),
                    now + timedelta(days=1), "task", "r0", now,
                )
                for n in (1, 2)
            ]
        )  # fmt: skip
        tx.money.commit(Commit(UUID(int=3), UUID(int=1), Micros(20), now))
    assert house.get("/v1/rounds/0")["money"] == [
        {"budget": "human_annotation", "unit": "currency:USD", "reserved": 30, "spent": 20}
    ]


def test_labels_are_counted_and_told_step_by_step(house: House) -> None:
    given_a_proposed_batch(house)
    assert house.get("/v1/labels/counts") == {"candidate": 1}
    assert house.get("/v1/labels/counts?round_id=r7") == {}
    (revision,) = house.get(f"/v1/labels/{FRAME}")["revisions"]
    assert [step["to"] for step in revision["steps"]] == ["candidate"]
    assert house.ask("GET", "/v1/labels/unknown").status_code == 404


def test_a_label_of_boxes_is_told_by_class_and_box_by_box(house: House) -> None:
    boxes = [Box("person", 4, 8, 10, 20), Box("bicycle", 1, 2, 3, 4), Box("person", 30, 8, 9, 20)]
    given_a_label(house, FRAME, DETECTION, label_of(boxes))
    document = house.get(f"/v1/labels/{FRAME}")
    assert document["label_task"] == DETECTION
    (revision,) = document["revisions"]
    assert revision["label"] == "bicycle 1, person 2"
    assert revision["boxes"][0] == {
        "class_name": "bicycle", "x": 1, "y": 2, "width": 3, "height": 4,
    }  # fmt: skip
    assert len(revision["boxes"]) == 3
    assert house.ask("GET", f"/v1/labels/{FRAME}?label_task=classification").status_code == 404


def test_a_label_of_a_frame_without_objects_and_one_of_a_class_are_told_too(house: House) -> None:
    nothing, cat = FrameId("a" * 32), FrameId("b" * 32)
    given_a_label(house, nothing, DETECTION, "[]")
    given_a_label(house, cat, CLASSIFICATION, "cat")
    (revision,) = house.get(f"/v1/labels/{nothing}")["revisions"]
    assert (revision["label"], revision["boxes"]) == ("nothing", [])
    (revision,) = house.get(f"/v1/labels/{cat}")["revisions"]
    assert revision["label"] == "cat"
    assert "boxes" not in revision


def test_an_exception_is_resolved_by_the_service_that_raised_it(house: House) -> None:
    row = ExceptionRow("x1", "labeling_gateway", "late_answer", "task", "money expired", "open")
    with house.ledger.transaction() as tx:
        tx.records.insert(GATEWAY_EXCEPTIONS, row)
    assert [found["key"] for found in house.get("/v1/exceptions")] == ["x1"]
    house.do("/v1/exceptions/x1/resolve", {"resolution": "paid by hand"})
    (command,) = commands(house)
    assert (command.service, command.name) == ("labeling_gateway", "exception.resolve")
    assert house.refused("/v1/exceptions/x2/resolve", {"resolution": "?"})[0] == 404


def test_exceptions_of_all_services_are_in_one_list(house: House) -> None:
    key = f"approval-ended/{FRAME}/classification/1"
    row = ExceptionRow(key, "rounds", "approval_ended", FRAME, "{}", "open", "r0")
    with house.ledger.transaction() as tx:
        tx.records.insert(ROUNDS_EXCEPTIONS, row)
    assert [found["key"] for found in house.get("/v1/exceptions")] == [key]
    assert house.get("/v1/status")["exceptions_open"] == 1
    house.do(f"/v1/exceptions/{key}/resolve", {"resolution": "retrained"})
    assert [command.service for command in commands(house)] == ["rounds"]


def test_status_is_one_document_of_everything(house: House) -> None:
    given_a_proposed_batch(house)
    house.do("/v1/budgets/allocate", {"kind": "upload", "amount": 10})
    status = house.get("/v1/status")
    assert status["person"] == "me"
    assert status["rounds"][0]["waits"] == ["a reviewer: winnow batch approve r0-batch"]
    assert status["budgets"][0]["periods"][0]["balances"]["available"] == 10
    assert status["labels"] == {"candidate": 1}
    assert set(status["backlog"].values()) == {0}
    assert status["dead_letters"] == {}


def test_status_tells_why_a_service_refused_and_forgets_it_after_a_day(house: House) -> None:
    asked = house.do("/v1/rounds", {"policy": ""})
    at = house.clock.now().isoformat()
    answer = json.dumps({"error": "NotFound", "reason": "expected frames, found none", "at": at})
    with house.ledger.transaction() as tx:
        tx.records.update(
            COMMANDS, asked["id"], lambda row: replace(row, state="refused", answer=answer)
        )
    (told,) = house.get("/v1/status")["refused"]
    assert (told["name"], told["reason"]) == ("round.open", "expected frames, found none")
    house.clock.advance(seconds=90_000)
    assert house.get("/v1/status")["refused"] == []


def test_status_counts_the_frames_that_a_gate_blocks(house: House) -> None:
    blocked = {"s0": (("unreadable", 2), ("dark", 1)), "s1": (("unreadable", 1),)}
    with house.ledger.transaction() as tx:
        for shard_id, gates in blocked.items():
            tx.records.insert(POOL_SHARDS, EmbeddedShardRow(shard_id, "e1", 10, gates, REF))
    frames = house.get("/v1/status")["frames"]
    assert frames == {"in_pool": 20, "blocked": {"unreadable": 3, "dark": 1}}


def test_a_round_that_waits_for_a_steward_says_why(house: House) -> None:
    given_a_proposed_batch(house)
    row = QaBatchRow("r0-batch", "r0", "collecting", REF, 2, stage="steward", reason="too dear")
    with house.ledger.transaction() as tx:
        tx.records.update(BATCHES, "r0-batch", lambda batch: replace(batch, state="approved"))
        tx.records.insert(QA_BATCHES, row)
    waits = house.get("/v1/rounds/0")["waits"]
    assert waits == ["a data steward: winnow label promote r0 (too dear)"]


def test_a_dead_letter_is_counted_until_its_message_is_handled(house: House) -> None:
    topic = f"winnow.{TaskClosed.type}"
    headers = {"ce_id": b"e1", "ce_source": b"labeling_gateway"}
    delivery = Delivery(Message(topic, "t1", headers, b"?"), partition=0, offset=0)
    letter = dead_letter_of(
        delivery, BadInput("no"), consumer="qa", attempts=1, at=house.clock.now()
    )
    house.bus.ensure_topics([letter.topic])
    house.bus.publish([letter])
    assert house.get("/v1/status")["dead_letters"] == {f"{topic}.dlq": 1}
    with house.ledger.transaction() as tx:
        tx.boxes.receive("qa", "labeling_gateway", "e1", house.clock.now())
    assert house.get("/v1/status")["dead_letters"] == {}

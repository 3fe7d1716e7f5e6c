"""Rounds: the pool, the snapshot, opening, closing, halting; told as stories."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rounds import handlers
from rounds.app import app
from rounds.settings import RoundsSettings
from tests.unit.rounds.world import Frame, RoundsWorld
from winnow.contracts.artifacts import read_table, write_table
from winnow.contracts.tables import HELD_FRAMES, HOLDOUT, LABELED_FRAMES
from winnow.contracts.topics import consumed_by
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, Conflict, DomainError, NotFound
from winnow.domain.events import LabelApprovalEnded, RoundOpened
from winnow.domain.ids import (
    BudgetId,
    FrameId,
    Micros,
    Period,
    RoundId,
    derived_uuid,
    inference_reservation_id,
)
from winnow.domain.labels import CLASSIFICATION, DETECTION, LabelState, Role
from winnow.domain.money import BudgetKind, Reserve
from winnow.domain.tables import ROUNDS, ROUNDS_EXCEPTIONS, SOURCES
from winnow.policy.model import Policy
from winnow.runtime.ingest_rows import UNKNOWN_TIME

POLICY = Policy(name="test")
FOUR = [Frame(name, look) for look, name in enumerate("abcd")]


@pytest.fixture
def world(tmp_path: Path) -> RoundsWorld:
    return RoundsWorld(tmp_path)


def test_a_round_opens_over_the_whole_pool_with_its_gates_and_clusters(world: RoundsWorld) -> None:
    pool = [
        Frame("c", look=1),
        Frame("a", look=1),
        Frame("blocked", look=1, gate="dark"),
        Frame("private", look=2, gate="privacy"),
        Frame("z", look=3, content="same"),
        Frame("broken", look=4, gate="unreadable"),
    ]
    world.ready(pool)
    world.embed(world.ingest([Frame("y", look=5, content="same"), Frame("x", look=6)]))
    assert world.open(POLICY) == {"round_id": "r0", "number": 0, "state": "requested"}
    (event,) = world.tick()
    assert isinstance(event, RoundOpened)
    snapshot, rows = world.snapshot("r0")
    gates = {name: row["gate"] for name, row in rows.items()}
    assert gates == {
        "a": "", "c": "duplicate", "blocked": "dark", "private": "privacy", "broken": "unreadable",
        "y": "", "z": "duplicate", "x": "",
    }  # fmt: skip
    assert rows["c"]["cluster"] == rows["a"]["cluster"] == rows["blocked"]["cluster"] == "a"
    assert rows["c"]["cluster_size"] == 3
    assert rows["c"]["gate_detail"] == "near-duplicate of chosen frame a"
    assert rows["blocked"]["gate_detail"] == "because dark"
    assert (snapshot.n_frames, snapshot.n_eligible, event.n_frames) == (8, 3, 3)
    assert snapshot.class_names == ("a", "b")
    assert [part.n_frames for part in snapshot.parts] == [6, 2]
    assert event.snapshot == world.round("r0").snapshot
    assert event.policy_sha256 == POLICY.sha256
    assert (event.committee_version, snapshot.members) == ("", None)
    assert snapshot.embedding_dimension == 4
    assert world.tick() == []


def test_a_requested_round_says_what_it_waits_for(world: RoundsWorld) -> None:
    world.ready(FOUR)
    late = world.ingest([Frame("late", 9)])
    world.open(POLICY)
    assert world.tick() == []
    assert world.round("r0").reason == "waits for 1 of 2 shards to be embedded"
    world.embed(late)
    assert len(world.tick()) == 1
    assert (world.round("r0").state, world.round("r0").reason) == ("open", "")


def test_vectors_of_two_encoders_do_not_mix(world: RoundsWorld) -> None:
    world.ready(FOUR)
    other = world.ingest([Frame("e", 9)], encoder="net/2")
    world.embed(other)
    world.open(POLICY)
    assert world.tick() == []
    assert "holds vectors of net/2, pixel/1" in world.round("r0").reason


@pytest.mark.parametrize(
    ("policy", "error", "expected"),
    [
        (POLICY, NotFound, "expected frames, found none"),
        ({"policy": {"key": "x"}}, BadInput, "expected the reference of a policy"),
    ],
)
def test_a_round_that_could_do_nothing_is_refused(
    world: RoundsWorld, policy: Policy | dict[str, object], error: type[DomainError], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        world.open(policy) if isinstance(policy, Policy) else world.command(policy)


def test_no_money_and_too_few_classes_are_refused(world: RoundsWorld) -> None:
    world.ingest(FOUR)
    with pytest.raises(BadInput, match="at least two classes, found none"):
        world.open(POLICY)
    named = Policy.model_validate({"label": {"class_names": ["a", "b"]}})
    with pytest.raises(NotFound, match="winnow budget allocate human_annotation"):
        world.open(named)


@pytest.mark.parametrize(
    ("asked", "known"), [(DETECTION, CLASSIFICATION), (CLASSIFICATION, DETECTION)]
)
def test_known_labels_of_another_kind_than_the_policys_are_refused(
    world: RoundsWorld, asked: str, known: str
) -> None:
    world.ready(FOUR)
    policy = Policy.model_validate({"label": {"kind": asked}})
    with world.ledger.transaction() as tx:
        tx.records.update(SOURCES, "set", lambda row: replace(row, label_kind=known))
    expected = rf"known labels of kind {asked} \(label.kind\), found set \({known}\); winnow ingest"
    with pytest.raises(BadInput, match=expected):
        world.open(policy)
    with world.ledger.transaction() as tx:
        tx.records.update(SOURCES, "set", lambda row: replace(row, label_kind=asked))
    world.open(policy)
    (event,) = world.tick()
    assert isinstance(event, RoundOpened)
    assert world.snapshot("r0")[0].label_kind == asked


def test_frames_without_known_labels_may_be_asked_for_either_kind(world: RoundsWorld) -> None:
    world.ready(FOUR)
    with world.ledger.transaction() as tx:
        tx.records.update(SOURCES, "set", lambda row: replace(row, class_names=()))
    world.open(Policy.model_validate({"label": {"kind": DETECTION, "class_names": ["a"]}}))
    assert len(world.tick()) == 1


def test_a_policy_that_is_none_is_refused_with_its_mistakes(world: RoundsWorld) -> None:
    world.ready(FOUR)
    ref = world.blobs.put(b"selection: {batch_size: 0}", prefix="policies", media_type="x")
    with pytest.raises(BadInput, match=r"selection\.batch_size"):
        world.command(
            {"policy": {name: getattr(ref, name) for name in BlobRef.__dataclass_fields__}}
        )


def test_at_most_so_many_rounds_are_under_way(world: RoundsWorld) -> None:
    world.ready(FOUR)
    world.open(POLICY)
    world.open(POLICY)
    with pytest.raises(Conflict, match=r"fewer than 2 .* r0 \(requested\), r1 \(requested\)"):
        world.open(POLICY)


def test_who_asks_may_want_fewer_rounds_under_way_but_never_more(tmp_path: Path) -> None:
    world = RoundsWorld(tmp_path, open_max=2)
    world.ready(FOUR)
    first = world.open(POLICY)
    assert first["round_id"] == "r0"
    with pytest.raises(Conflict, match=r"fewer than 1 rounds under way, found r0"):
        world.open(POLICY, open_max=1)
    world.open(POLICY, open_max=9)
    with pytest.raises(Conflict, match=r"fewer than 2 rounds under way"):
        world.open(POLICY, open_max=9)


def test_an_overlapping_round_waits_and_leaves_out_held_frames(tmp_path: Path) -> None:
    world = RoundsWorld(tmp_path, open_max=2)
    world.ready([*FOUR, Frame("twin", look=0)])
    world.open(POLICY)
    world.open(POLICY)
    assert len(world.tick()) == 1
    world.hold("a")
    assert len(world.tick()) == 1
    snapshot, rows = world.snapshot("r1")
    assert set(rows) == {"b", "c", "d", "twin"}
    assert rows["twin"]["gate_detail"] == "near-duplicate of labeled or held frame a"
    assert snapshot.labeled is None
    assert snapshot.n_eligible == 3
    assert snapshot.held is not None
    (row,) = read_table(world.blobs, snapshot.held, HELD_FRAMES).to_pylist()
    assert (row["frame_id"], row["cluster"]) == ("a", "a")
    assert (row["session"], row["captured_at"]) == (rows["b"]["session"], UNKNOWN_TIME)
    assert len(row["embedding"]) == 4, "new frames keep away from what it looks like"
    narrow = RoundsWorld(tmp_path, open_max=1)
    with narrow.ledger.transaction() as tx:
        tx.records.update(ROUNDS, "r1", lambda row: replace(row, state="requested", due_at=None))
    assert narrow.tick() == []
    assert narrow.round("r1").reason == "waits for r0: at most 1 overlap"


def test_labels_leave_the_pool_and_come_back_when_rejected(world: RoundsWorld) -> None:
    world.ready(FOUR)
    for name in "ab":
        world.hold(name)
        world.step(name, LabelState.HUMAN_LABELED, Role.ANNOTATOR, 2, value='"a"')
    world.step("b", LabelState.REJECTED, Role.REVIEWER, 3)
    world.open(POLICY)
    world.tick()
    snapshot, rows = world.snapshot("r0")
    assert set(rows) == {"b", "c", "d"}
    assert snapshot.labeled is not None
    (row,) = read_table(world.blobs, snapshot.labeled, LABELED_FRAMES).to_pylist()
    assert (row["frame_id"], row["label"], len(row["embedding"])) == ("a", "a", 4)
    assert (row["session"], row["cluster"]) == (rows["b"]["session"], "a")
    assert row["captured_at"] == UNKNOWN_TIME
    assert snapshot.held is None, "whoever has an answer is labeled, and no longer held"


def test_the_bytes_of_a_holdout_frame_block_its_whole_cluster(world: RoundsWorld) -> None:
    row = {"frame_id": "h", "sha256": "leak", "label": "a", "captured_at": UNKNOWN_TIME}
    table = pa.Table.from_pylist([row], HOLDOUT)
    holdout = write_table(world.blobs, table, HOLDOUT, prefix="holdout/tables")
    world.ready([Frame("p", 1, content="leak"), Frame("q", 1), Frame("r", 2)], holdout=holdout)
    world.open(POLICY)
    world.tick()
    snapshot, rows = world.snapshot("r0")
    assert {name: row["gate"] for name, row in rows.items()} == {
        "p": "holdout", "q": "holdout", "r": "",
    }  # fmt: skip
    assert snapshot.holdouts == (holdout,)


def test_a_pool_without_eligible_frames_halts_the_round(world: RoundsWorld) -> None:
    world.ready([Frame("a", 1, gate="dark"), Frame("b", 2, gate="dark")])
    world.open(POLICY)
    assert world.tick() == []
    row = world.round("r0")
    assert (row.state, row.reason) == ("halted", "pool exhausted: 0 of 2 (dark 2)")


def test_a_committee_makes_the_round_reserve_inference(world: RoundsWorld) -> None:
    world.ready(FOUR)
    world.open(POLICY)
    world.tick()
    world.fund(BudgetKind.AUTO_LABEL_INFERENCE, 100)
    world.roll("r0", 0.6)
    assert world.tick() == []
    assert world.round("r1").reason == (
        "waits for money: auto_label_inference has 100 GPU-ms, needs 160"
    )
    world.fund(BudgetKind.AUTO_LABEL_INFERENCE, 1000)
    assert world.tick() == []  # not before its pause is over
    world.clock.advance(seconds=30)
    (event,) = world.tick()
    assert isinstance(event, RoundOpened)
    assert event.committee_version == "c0"
    assert world.balances(BudgetKind.AUTO_LABEL_INFERENCE).reserved == 4 * 2 * 20
    with world.ledger.snapshot() as view:
        held = view.money.reservation(inference_reservation_id(RoundId("r1")))
    assert held is not None
    assert (held.round_id, held.state) == ("r1", "open")
    snapshot, _ = world.snapshot("r1")
    assert snapshot.members is not None


@pytest.mark.parametrize(
    "other", [{"classes": ("a", "b", "c")}, {"classes": ("b", "a")}, {"label_kind": DETECTION}]
)
def test_a_committee_of_other_classes_or_of_another_kind_is_left_aside(
    world: RoundsWorld, other: dict[str, Any]
) -> None:
    world.ready(FOUR)
    world.open(POLICY)
    world.tick()
    world.roll("r0", 0.6, **other)
    (event,) = world.tick()
    assert isinstance(event, RoundOpened)
    assert event.committee_version == ""


def test_a_closed_round_asks_for_the_next_until_a_rule_says_stop(world: RoundsWorld) -> None:
    policy = Policy.model_validate({"stopping": {"rounds_max": 3, "accuracy_target": 0.9}})
    world.ready(FOUR)
    world.fund(BudgetKind.AUTO_LABEL_INFERENCE, 10_000)
    world.open(policy)
    world.tick()
    world.roll("r0", 0.5)
    first, second = world.round("r0"), world.round("r1")
    assert (first.state, dict(first.metrics)["accuracy"]) == ("closed", 0.5)
    assert json.loads(first.stop)["stop"] is False
    assert (second.state, second.opened_by) == ("requested", "after r0")
    assert second.policy == first.policy
    assert second.seed != first.seed
    world.tick()
    world.roll("r1", 0.95)
    record = json.loads(world.round("r1").stop)
    assert (record["stop"], record["rule"]) == (True, "accuracy_target")
    with world.ledger.snapshot() as view:
        assert view.records.get(ROUNDS, "r2") is None


def test_a_committee_that_rolls_twice_closes_once(world: RoundsWorld) -> None:
    world.ready(FOUR)
    world.open(POLICY)
    world.tick()
    world.roll("r0", None)
    before = world.round("r0")
    world.roll("r0", None)
    assert world.round("r0") == before
    assert "accuracy_target" not in before.stop  # none was set
    with world.ledger.snapshot() as view:
        assert len(view.records.find(ROUNDS)) == 2


def test_a_halt_gives_back_every_reservation_once(world: RoundsWorld) -> None:
    world.ready(FOUR)
    world.open(POLICY)
    world.tick()
    _reserve(world, 300)
    world.halt("r0")
    row = world.round("r0")
    assert (row.state, row.reason) == ("halted", "selection: too little; kept: nothing")
    assert world.balances(BudgetKind.HUMAN_ANNOTATION).reserved == 0
    world.halt("r0", "again")
    assert world.round("r0") == row
    world.roll("r0", 0.9)  # a committee that comes after all changes nothing
    assert world.round("r0").state == "halted"
    assert world.open(POLICY)["number"] == 1


def test_a_halt_of_a_closed_round_is_too_late(world: RoundsWorld) -> None:
    world.ready(FOUR)
    world.open(POLICY)
    world.tick()
    world.roll("r0", 0.9)
    _reserve(world, 300)
    world.halt("r0")
    assert world.round("r0").state == "closed"
    assert world.balances(BudgetKind.HUMAN_ANNOTATION).reserved == 300


def _reserve(world: RoundsWorld, amount: int) -> None:
    now = world.clock.now()
    request = Reserve(
        transfer_id=derived_uuid("test", amount),
        budget_id=BudgetId("human_annotation"),
        period=Period("2026-Q1"),
        amount=Micros(amount),
        expires_at=now.replace(year=now.year + 1),
        subject="t",
        round_id="r0",
        at=now,
    )
    with world.ledger.transaction() as tx:
        assert tx.money.reserve([request])[0].applied


def test_facts_about_rounds_that_nobody_opened_are_refused(world: RoundsWorld) -> None:
    with pytest.raises(NotFound, match="expected round 'r7'"):
        world.halt("r7")


def test_an_open_round_that_hangs_says_where(world: RoundsWorld) -> None:
    world.ready(FOUR)
    world.open(POLICY)
    world.tick()
    world.stuck_tick()
    assert world.round("r0").reason == ""
    world.clock.advance(hours=48)
    world.stuck_tick()
    row = world.round("r0")
    assert row.reason == "stuck: waits for selection"
    assert row.due_at is not None
    assert row.due_at > world.clock.now()


def test_an_ended_approval_waits_for_a_decision(world: RoundsWorld) -> None:
    event = LabelApprovalEnded(RoundId("r0"), FrameId("a"), "classification", 1, "expired", ("d1",))
    for _ in range(2):
        with world.ledger.transaction() as tx:
            assert handlers.on_approval_ended(event, tx=tx) == []
    with world.ledger.snapshot() as view:
        (row,) = view.records.find(ROUNDS_EXCEPTIONS, state="open")
    assert (row.kind, row.subject) == ("approval_ended", "a/classification/1")
    assert json.loads(row.detail) == {"dataset_ids": ["d1"], "reason": "expired"}


def test_a_damaged_pool_halts_the_round_instead_of_trying_for_ever(world: RoundsWorld) -> None:
    world.ready(FOUR)
    broken = world.ingest([Frame("e", 7, vector=(1.0, 2.0))])
    world.embed(broken)
    world.open(POLICY)
    assert world.tick() == []
    assert "embeddings of one length, found [2, 4]" in world.round("r0").reason
    assert world.round("r0").state == "halted"


def test_the_same_world_gives_the_same_snapshot_bytes(tmp_path: Path) -> None:
    refs = []
    for name in ("one", "two"):
        world = RoundsWorld(tmp_path / name)
        world.ready(FOUR)
        world.open(POLICY)
        world.tick()
        refs.append(world.round("r0").snapshot)
    assert refs[0] == refs[1]


def test_the_service_is_composed_as_the_topic_table_says(tmp_path: Path) -> None:
    service = app.build(RoundsSettings.embedded(tmp_path))
    assert set(service.on_event) == {topic.event for topic in consumed_by("rounds")}
    assert "round.open" in service.on_command
    service.close()

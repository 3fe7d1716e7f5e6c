"""What every ledger must do: the same stories on SQLite and, marked, on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.conftest import Open, balances
from winnow.domain.errors import (
    Conflict,
    NotFound,
    TransitionRefused,
)
from winnow.domain.ids import FrameId
from winnow.domain.labels import Actor, LabelKey, LabelState, Role, Transition
from winnow.domain.tables import COMMANDS, CURSORS, CommandRow, CursorRow
from winnow.ports.bus import Message
from winnow.ports.ledger import Ledger, Transaction
from winnow.testing import ledgers as make
from winnow.testing.ledgers import ANNOTATION, LATER, NOW, QUARTER

SELECTOR = Actor("selection", Role.SELECTOR)
ANNA = Actor("anna", Role.ANNOTATOR)
STEWARD = Actor("stella", Role.DATA_STEWARD)


def test_a_raise_undoes_everything(funded: Ledger) -> None:
    def spoil() -> None:
        with funded.transaction() as tx:
            tx.records.insert(CURSORS, CursorRow("a", "1"))
            tx.boxes.receive("qa", "gateway", "m1", NOW)
            tx.money.reserve([make.a_reservation(10)])
            raise LookupError

    with pytest.raises(LookupError):
        spoil()
    with funded.snapshot() as tx:
        assert tx.records.get(CURSORS, "a") is None
        assert not tx.boxes.seen("qa", "gateway", "m1")
        assert tx.money.balances(ANNOTATION, QUARTER).reserved == 0


def test_nothing_is_locked_before_first_use(reopen: Open) -> None:
    lazy, busy = reopen(), reopen()
    with lazy.transaction() as waiting:
        with busy.transaction() as tx:
            tx.records.insert(CURSORS, CursorRow("a", "1"))
        assert waiting.records.get(CURSORS, "a") == CursorRow("a", "1")


def test_a_snapshot_sees_one_moment_and_blocks_nobody(funded: Ledger) -> None:
    with funded.snapshot() as view:
        before = view.money.balances(ANNOTATION, QUARTER)
        with funded.transaction() as tx:
            tx.money.reserve([make.a_reservation(10)])
        assert view.money.balances(ANNOTATION, QUARTER) == before
    assert balances(funded).reserved == 10


def test_a_snapshot_cannot_write(funded: Ledger) -> None:
    with pytest.raises(Exception, match="read"), funded.snapshot() as tx:
        tx.records.insert(CURSORS, CursorRow("a", "1"))
    with funded.transaction() as tx:
        assert tx.records.insert(CURSORS, CursorRow("a", "1"))


def test_a_reopened_ledger_remembers(funded: Ledger, reopen: Open) -> None:
    funded.close()
    assert balances(reopen()).available == 1000


# Labels


def begin(tx: Transaction, *frames: str) -> list[LabelKey]:
    return list(
        tx.labels.begin(
            [FrameId(frame) for frame in frames],
            "digits",
            round_id="r0",
            batch_id="r0-batch",
            actor=SELECTOR,
            evidence="record",
            at=NOW,
        )
    )


def a_step(
    key: LabelKey, version: int, origin: LabelState | None, to: LabelState, actor: Actor
) -> Transition:
    return Transition(key, version, origin, to, actor, "evidence", "reason", NOW)


def test_a_label_goes_its_way_and_keeps_its_log(ledger: Ledger) -> None:
    s = LabelState
    with ledger.transaction() as tx:
        (key,) = begin(tx, "f1")
        submit = a_step(key, 2, s.CANDIDATE, s.HUMAN_LABELED, ANNA)
        tx.labels.step(submit, value='"7"', annotator="anna")
        judge = Actor("qa", Role.QA_SERVICE)
        tx.labels.step(a_step(key, 3, s.HUMAN_LABELED, s.QA_PASSED, judge))
        approve = a_step(key, 4, s.QA_PASSED, s.APPROVED_FOR_TRAINING, STEWARD)
        tx.labels.step(approve, allowed_use="production_training", expires_at=LATER)
    with ledger.snapshot() as tx:
        found = tx.labels.get(key)
        log = tx.labels.history(key)
        counts = tx.labels.counts()
    assert found is not None
    assert (found.state, found.version, found.value) == (s.APPROVED_FOR_TRAINING, 4, '"7"')
    assert (found.allowed_use, found.expires_at) == ("production_training", LATER)
    assert [one.version for one in log] == [1, 2, 3, 4]
    assert log[1] == submit
    assert counts == [("r0", s.APPROVED_FOR_TRAINING, 1)]


def test_who_comes_late_hears_of_it(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        (key,) = begin(tx, "f1")
        step = a_step(key, 2, LabelState.CANDIDATE, LabelState.REJECTED, ANNA)
        tx.labels.step(step)
        with pytest.raises(Conflict, match="version"):
            tx.labels.step(step)


def test_rework_makes_a_new_revision_and_keeps_the_parent(ledger: Ledger) -> None:
    s = LabelState
    with ledger.transaction() as tx:
        (key,) = begin(tx, "f1")
        tx.labels.step(a_step(key, 2, s.CANDIDATE, s.HUMAN_LABELED, ANNA), value='"1"')
        again = LabelKey(key.frame_id, key.label_task, 2)
        rework = a_step(again, 1, s.HUMAN_LABELED, s.HUMAN_LABELED, ANNA)
        made = tx.labels.step(rework, value='"7"', parent_revision=1, round_id="r0")
        parent = tx.labels.get(key)
        newest = tx.labels.find(states=[s.HUMAN_LABELED])
        every = tx.labels.find(latest_only=False)
        latest = tx.labels.latest(key.frame_id, key.label_task)
    assert (made.parent_revision, made.value, made.version) == (1, '"7"', 1)
    assert parent is not None
    assert parent.value == '"1"'
    assert newest == [made]
    assert latest == made
    assert every == [parent, made]


def test_a_frame_is_held_once(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        keys = begin(tx, *(f"f{n:04}" for n in range(900)))
        assert len(keys) == 900
        with pytest.raises(TransitionRefused, match="f0003"):
            begin(tx, "g1", "f0003")
        tx.labels.step(a_step(keys[0], 2, LabelState.CANDIDATE, LabelState.REJECTED, STEWARD))
        assert begin(tx, keys[0].frame_id)[0].revision == 2


def test_labels_are_found_by_where_they_stand(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        begin(tx, "f2", "f1")
        find = tx.labels.find
        assert [one.key.frame_id for one in find(batch_id="r0-batch")] == ["f1", "f2"]
        assert [one.key.frame_id for one in find(round_id="r0", label_task="digits")] == [
            "f1",
            "f2",
        ]
        assert find(label_task="cars") == []
        assert find(states=[]) == []
        assert find(states=[LabelState.REJECTED, LabelState.QA_PASSED]) == []


# Records


def test_records_are_inserted_once_and_changed_in_place(ledger: Ledger) -> None:
    row = CommandRow("c1", "rounds", "round.open", "{}", "ada", "ml_engineer", "pending")
    other = replace(row, key="c0", due_at=NOW)
    with ledger.transaction() as tx:
        records = tx.records
        assert records.insert(COMMANDS, row)
        assert not records.insert(COMMANDS, replace(row, actor="eve"))
        assert records.insert_many(COMMANDS, [row, other]) == 1
        assert records.insert_many(COMMANDS, []) == 0
        done = records.update(COMMANDS, "c1", lambda r: replace(r, state="done"))
        with pytest.raises(NotFound, match="c7"):
            records.update(COMMANDS, "c7", lambda r: r)
        assert done.state == "done"
        assert records.get(COMMANDS, "c1") == done
        assert records.get(COMMANDS, "c7") is None
        assert records.find(COMMANDS) == [other, done]
        assert records.find(COMMANDS, group="rounds", state="pending") == [other]
        assert records.find(COMMANDS, due_before=NOW) == [other]
        assert records.find(COMMANDS, due_before=NOW - timedelta(seconds=1)) == []
        assert records.find(COMMANDS, limit=1) == [other]
        assert records.count(COMMANDS) == {"done": 1, "pending": 1}
        assert records.count(COMMANDS, group="qa") == {}


# Boxes


def test_a_message_is_received_once_by_each_consumer(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        assert tx.boxes.receive("qa", "gateway", "m1", NOW)
        assert not tx.boxes.receive("qa", "gateway", "m1", LATER)
        assert tx.boxes.receive("rounds", "gateway", "m1", NOW)
        assert tx.boxes.seen("qa", "gateway", "m1")
        assert not tx.boxes.seen("qa", "rounds", "m1")


def test_the_outbox_waits_in_order_for_its_service(ledger: Ledger) -> None:
    messages = [Message("t", str(n), {"ce_id": b"\xffx"}, bytes([n])) for n in range(3)]
    with ledger.transaction() as tx:
        tx.boxes.send("qa", messages, NOW)
        tx.boxes.send("rounds", messages[:1], NOW)
    with ledger.transaction() as tx:
        waiting = tx.boxes.unsent("qa", 2)
        assert [row.message for row in waiting] == messages[:2]
        tx.boxes.sent(waiting)
        assert [row.message for row in tx.boxes.unsent("qa", 9)] == messages[2:]
        assert (tx.boxes.backlog("qa"), tx.boxes.backlog()) == (1, 2)

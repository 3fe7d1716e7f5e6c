"""Given a scored pool and a budget, when selection hears of it, then this batch and this ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from selection import handlers
from tests.unit.selection.pools import ROUND, StoredPool, store_pool
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import BATCH, CANDIDATES, Batch, read_manifest, read_table
from winnow.contracts.batch_replay import replay_batch
from winnow.domain.errors import BadInput, BudgetExceeded, Conflict, DomainError, NotFound
from winnow.domain.events import BatchSelected, Event, RoundHalted, ScoreKind
from winnow.domain.ids import FrameId, batch_id_of
from winnow.domain.labels import Actor, LabelKey, LabelState, Role
from winnow.domain.money import Balances
from winnow.domain.tables import BATCHES, ROUNDS, TASKS, BatchRow, CommandRow, RoundRow, TaskRow
from winnow.evidence.annotation_batch import AnnotationBatch
from winnow.evidence.artifact import Producer
from winnow.evidence.candidate_record import CandidateRecord
from winnow.testing.ledgers import ANNOTATION, QUARTER, a_budget, an_allocation
from winnow.testing.manual_clock import ManualClock

PRICE = 80_000
POLICY = "selection: {batch_size: 10}\nrandom_arm: {share: 0.2}\n"
PERSON = POLICY + "approval: {mode: person}\n"


@dataclass
class World:
    ports: handlers.Ports
    clock: ManualClock
    ledger: SqliteLedger
    blobs: FileBlobs

    def fund(self, micros: int) -> None:
        with self.ledger.transaction() as tx:
            tx.money.put_budget(a_budget())
            tx.money.allocate(an_allocation(micros))

    def hears(self, pool: StoredPool) -> Sequence[Event]:
        with self.ledger.transaction() as tx:
            return handlers.on_pool_scored(pool.event, tx=tx, ports=self.ports)

    def told(self, name: str, **arguments: object) -> Sequence[Event]:
        document = {"batch_id": batch_id_of(ROUND), **arguments}
        command = CommandRow(
            "k", "selection", f"batch.{name}", json.dumps(document), "rita", "reviewer", "pending"
        )
        handler = getattr(handlers, f"on_{name}")
        with self.ledger.transaction() as tx:
            events: Sequence[Event] = handler(command, tx=tx, ports=self.ports)[0]
            return events

    def ticks(self) -> None:
        with self.ledger.transaction() as tx:
            assert handlers.on_expiry_tick(tx=tx, ports=self.ports) == []

    @property
    def money(self) -> Balances:
        with self.ledger.snapshot() as view:
            return view.money.balances(ANNOTATION, QUARTER)

    @property
    def row(self) -> BatchRow:
        with self.ledger.snapshot() as view:
            row = view.records.get(BATCHES, batch_id_of(ROUND))
        assert row is not None
        return row

    @property
    def batch(self) -> Batch:
        return read_manifest(self.blobs, self.row.manifest, Batch)

    @property
    def frames(self) -> list[str]:
        ids: list[str] = read_table(self.blobs, self.batch.table, BATCH)["frame_id"].to_pylist()
        return ids

    def candidates(self) -> dict[str, LabelState]:
        with self.ledger.snapshot() as view:
            return {label.key.frame_id: label.state for label in view.labels.find()}


@contextmanager
def _world(folder: Path) -> Iterator[World]:
    ledger, blobs, clock = SqliteLedger(folder / "ledger.db"), FileBlobs(folder), ManualClock()
    producer = Producer(service="selection", version="0", commit="")
    yield World(handlers.Ports(ledger, blobs, clock, producer), clock, ledger, blobs)
    ledger.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with _world(tmp_path) as world:
        yield world


def halted(events: Sequence[Event]) -> str:
    (event,) = events
    assert isinstance(event, RoundHalted)
    return event.reason


def test_a_scored_pool_becomes_an_approved_batch_with_its_money_reserved(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY)
    (event,) = world.hears(pool)

    assert isinstance(event, BatchSelected)
    assert (event.batch_id, event.n_tasks, event.manifest) == ("r1-batch", 10, world.row.manifest)
    assert (world.row.state, world.row.decided_by) == ("approved", "policy")
    assert (world.money.reserved, world.money.available) == (10 * PRICE, 90 * PRICE)
    assert world.candidates() == dict.fromkeys(world.frames, LabelState.CANDIDATE)
    assert set(world.frames) <= set(pool.eligible)
    rows = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    assert [row["rank"] for row in rows] == list(range(10))
    assert [row["arm"] for row in rows[:2]] in (["random"] * 2, ["random", "both"], ["both"] * 2)
    assert all(row["pre_label"] in ("car", "person", "sign") for row in rows)
    assert all(1 / 3 <= row["pre_label_score"] <= 1 for row in rows)


def test_every_frame_of_the_snapshot_has_a_record_with_a_reason(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY + "scoring: {}\n", unscored=2)
    world.hears(pool)
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    by_id = {row["frame_id"]: row for row in rows}

    assert len(rows) == 40
    assert [f for f, row in by_id.items() if row["gate"]] == list(pool.gated)
    reasons = {row["reason"].split(":")[0] for row in rows}
    assert {"gate", "random arm", "not selected"} < reasons
    duplicate = by_id[pool.gated[1]]
    assert duplicate["reason"] == f"gate: duplicate of {duplicate['cluster'][:8]}…"
    assert by_id[pool.gated[0]]["reason"] == "gate: dark (p99 3.0)"
    assert duplicate["inclusion_probability"] is None
    for frame_id in world.frames:
        assert by_id[frame_id]["selected"]
        assert by_id[frame_id]["rank"] == world.frames.index(frame_id)
    for frame_id in set(pool.eligible[-2:]) - set(world.frames):
        assert by_id[frame_id]["reason"] == "not selected: the committee gave no score"
        assert by_id[frame_id]["score"] is None
    policy = [row for row in rows if row["arm"] == "policy"]
    assert all("disagreement" in row["reason"] and "nats" in row["reason"] for row in policy)
    assert all("away from all labeled" in row["reason"] for row in policy)
    assert {row["arm"] for row in rows} <= {"", "policy", "random", "both"}
    total = sum(row["inclusion_probability"] or 0 for row in rows)
    assert total == pytest.approx(10)
    components = json.loads(policy[0]["components"])
    assert components["bald"] == policy[0]["score"]


def test_the_evidence_names_what_was_chosen_from_and_what_was_ordered(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY + "label: {slots: 2}\n")
    world.hears(pool)
    assert world.batch.candidate_record is not None
    assert world.row.evidence is not None
    record = CandidateRecord.model_validate_json(world.blobs.get(world.batch.candidate_record))
    ordered = AnnotationBatch.model_validate_json(world.blobs.get(world.row.evidence))

    assert record.verify()
    assert ordered.verify()
    assert (record.n_frames, record.n_eligible, record.n_selected, record.n_random) == (
        40,
        34,
        10,
        2,
    )
    assert record.refused_by_gate == {"dark": 3, "duplicate": 3}
    assert record.price_micros == 2 * PRICE
    assert [m.member for m in record.members] == ["m0", "m1", "m2"]
    assert len(ordered.tasks) == 20
    assert ordered.price_micros == 20 * PRICE == world.money.reserved
    with world.ledger.snapshot() as view:
        reservation = view.money.reservation(ordered.tasks[0].reservation_id)
    assert reservation is not None
    assert (reservation.subject, reservation.expires_at) == (
        ordered.tasks[0].task_id,
        ordered.due_at,
    )


def test_the_cold_start_needs_no_scores(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, POLICY, committee=False))
    rows = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    assert len(rows) == 10
    assert all(row["pre_label"] == "" and row["score"] is None for row in rows)
    assert all(row["inclusion_probability"] == pytest.approx(10 / 34) for row in rows)


@pytest.mark.parametrize("strategy", ["top_k", "random", "k_center", "shortlist_k_center"])
@pytest.mark.parametrize("acquisition", ["entropy", "margin", "least_confidence", "bald"])
def test_replay_gives_the_same_bytes(world: World, strategy: str, acquisition: str) -> None:
    world.fund(100 * PRICE)
    wanted = f"selection: {{batch_size: 10, strategy: {strategy}, acquisition: {acquisition}}}"
    world.hears(store_pool(world.blobs, wanted))
    report = replay_batch(world.blobs, world.row.manifest)
    assert report.identical, report.first_difference
    assert report.tables == ("candidates", "batch")


def test_a_batch_shrinks_to_what_the_money_affords(world: World) -> None:
    world.fund(4 * PRICE + PRICE // 2)
    world.hears(store_pool(world.blobs, POLICY))
    assert len(world.frames) == 4
    assert world.money.available == PRICE // 2
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    assert any(row["reason"].startswith("not selected: money: costs") for row in rows)
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_the_policy_may_cap_a_batch(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, POLICY + f"money: {{batch_micros_max: {3 * PRICE}}}\n"))
    assert len(world.frames) == 3


def test_a_batch_takes_the_whole_rest_of_a_small_pool(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY, n_frames=6)
    world.hears(pool)
    assert sorted(world.frames) == sorted(pool.eligible)


@pytest.mark.parametrize("micros", [0, PRICE - 1])
def test_no_money_halts_the_round(world: World, micros: int) -> None:
    world.fund(micros)
    reason = halted(world.hears(store_pool(world.blobs, POLICY)))
    assert reason == (
        f"the batch can afford no frame: one costs {PRICE} micros, {micros} are available"
    )
    assert world.money.reserved == 0
    assert world.candidates() == {}


def test_no_budget_halts_the_round(world: World) -> None:
    assert "0 are available" in halted(world.hears(store_pool(world.blobs, POLICY)))


def test_an_empty_pool_halts_the_round(world: World) -> None:
    world.fund(100 * PRICE)
    reason = halted(world.hears(store_pool(world.blobs, POLICY, n_frames=1)))
    assert reason.startswith("the gated pool is empty")


def test_scores_that_are_missing_halt_the_round(world: World) -> None:
    pool = store_pool(world.blobs, POLICY, committee=False)
    event = replace(pool.event, kind=ScoreKind.COMMITTEE)
    assert "without scores" in halted(world.hears(replace(pool, event=event)))


def test_hearing_twice_buys_once(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY)
    world.hears(pool)
    before = world.row, world.money
    assert world.hears(pool) == []
    assert (world.row, world.money) == before


def test_a_crash_before_the_commit_leaves_nothing_and_the_second_try_is_the_same(
    world: World,
) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY)

    def crash() -> None:
        with world.ledger.transaction() as tx:
            handlers.on_pool_scored(pool.event, tx=tx, ports=world.ports)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert (world.money.reserved, world.candidates()) == (0, {})
    assert len(world.hears(pool)) == 1
    assert world.money.reserved == 10 * PRICE


def test_frames_that_another_round_took_are_left_alone_and_recorded(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY)
    taken = list(pool.eligible[:12])
    with world.ledger.transaction() as tx:
        tx.labels.begin(
            [FrameId(f) for f in taken], "classification", round_id="r0", batch_id="r0-batch",
            actor=Actor("selection", Role.SELECTOR), evidence="{}", at=world.clock.now(),
        )  # fmt: skip
    world.hears(pool)
    assert not set(taken) & set(world.frames)
    assert world.batch.held == tuple(sorted(taken))
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    assert {row["frame_id"] for row in rows if row["gate"] == "held"} == set(taken)
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_money_that_vanishes_while_choosing_makes_a_smaller_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fund(3 * PRICE)
    look, seen = handlers._look, []

    def optimistic(view: object, snapshot: object) -> object:
        found = look(view, snapshot)  # type: ignore[arg-type]
        seen.append(found)
        return replace(found, available=100 * PRICE) if len(seen) == 1 else found

    monkeypatch.setattr(handlers, "_look", optimistic)
    world.hears(store_pool(world.blobs, POLICY))
    assert len(seen) == 2
    assert world.money.reserved == 3 * PRICE
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_a_person_approves(world: World) -> None:
    world.fund(100 * PRICE)
    assert world.hears(store_pool(world.blobs, PERSON)) == []
    assert (world.row.state, world.money.reserved, world.candidates()) == ("proposed", 0, {})
    (event,) = world.told("approve")
    assert isinstance(event, BatchSelected)
    assert (world.row.state, world.row.decided_by) == ("approved", "rita")
    assert world.money.reserved == 10 * PRICE
    with pytest.raises(Conflict, match="expected state proposed, found approved"):
        world.told("approve")


def test_approval_without_money_is_refused_until_there_is_some(world: World) -> None:
    world.fund(10 * PRICE)
    world.hears(store_pool(world.blobs, PERSON))
    with world.ledger.transaction() as tx:
        tx.money.reserve([_other_reservation(world)])
    with pytest.raises(BudgetExceeded, match=f"expected {10 * PRICE} micros.*found {9 * PRICE}"):
        world.told("approve")
    assert world.row.state == "proposed"
    with world.ledger.transaction() as tx:
        tx.money.allocate(an_allocation(PRICE, name="more"))
    assert len(world.told("approve")) == 1


def _other_reservation(world: World):  # type: ignore[no-untyped-def]  # noqa: ANN202
    from winnow.testing.ledgers import a_reservation

    return a_reservation(PRICE)


def test_a_person_rejects_and_the_round_halts(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, PERSON))
    assert halted(world.told("reject", reason="wrong site")) == (
        "batch r1-batch rejected by rita: wrong site"
    )
    assert (world.row.state, world.row.decided_by) == ("rejected", "rita")
    with pytest.raises(Conflict):
        world.told("approve")


def test_an_amendment_is_an_overlay_with_its_author(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, PERSON)
    world.hears(pool)
    proposed, proposed_ref = world.frames, world.row.manifest
    added = next(f for f in pool.eligible if f not in proposed)
    (event,) = world.told("amend", removed=proposed[:2], added=[added], reason="blurred")

    assert isinstance(event, BatchSelected)
    assert event.n_tasks == 9
    assert world.frames == [*proposed[2:], added]
    assert world.money.reserved == 9 * PRICE
    assert set(world.candidates()) == set(world.frames)
    assert (world.batch.proposal, world.batch.price_micros) == (proposed_ref, 9 * PRICE)
    (overlay,) = world.batch.amendments
    assert (overlay.author, overlay.removed, overlay.added) == (
        "rita", tuple(proposed[:2]), (added,),
    )  # fmt: skip
    last = read_table(world.blobs, world.batch.table, BATCH).to_pylist()[-1]
    assert (last["arm"], last["rank"], last["reason"]) == ("person", 8, "added by rita: blurred")
    assert last["inclusion_probability"] is None
    report = replay_batch(world.blobs, world.row.manifest)
    assert report.identical, report.first_difference
    assert report.tables == ("candidates", "batch", "amended batch")


@pytest.mark.parametrize(
    ("removed", "added", "message"),
    [
        (["f" * 32], [], "is not in the batch"),
        ([], ["f" * 32], "is not in the round's snapshot"),
        ([], ["gated"], "gate dark"),
        ([], ["chosen"], "would be in the batch twice"),
        ([], [], "expected frames to remove or to add"),
        ("all", [], "found none; reject it"),
        (7, [], "expected a list of frame ids, found 7"),
    ],
)
def test_amendments_that_cannot_be_are_refused(
    world: World, removed: object, added: list[str], message: str
) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, PERSON)
    world.hears(pool)
    names = {"gated": pool.gated[0], "chosen": world.frames[0]}
    removed = world.frames if removed == "all" else removed
    with pytest.raises(BadInput, match=message):
        world.told("amend", removed=removed, added=[names.get(a, a) for a in added], reason="")
    assert world.row.state == "proposed"


def test_commands_about_nothing_or_a_halted_round_are_refused(world: World) -> None:
    with pytest.raises(NotFound, match="r1-batch"):
        world.told("approve")
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, PERSON)
    world.hears(pool)
    event = pool.event
    with world.ledger.transaction() as tx:
        tx.records.insert(
            ROUNDS,
            RoundRow("r1", 1, "halted", event.policy, "", 5, "c0", None, event.snapshot, 40, "o"),
        )
    with pytest.raises(DomainError, match="found halted"):
        world.told("approve")


def test_money_without_a_task_comes_back_after_its_deadline(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, POLICY))
    assert world.row.evidence is not None
    ordered = AnnotationBatch.model_validate_json(world.blobs.get(world.row.evidence))
    first = ordered.tasks[0]
    with world.ledger.transaction() as tx:
        tx.records.insert(TASKS, TaskRow(
            first.task_id, "r1-batch", "r1", first.frame_id, world.row.manifest, 0, 1, 0, PRICE,
            "submitted",
        ))  # fmt: skip
    world.clock.advance(hours=335)
    world.ticks()
    assert world.money.reserved == 10 * PRICE
    world.clock.advance(hours=2)
    world.ticks()
    world.ticks()
    assert world.money.reserved == PRICE  # the gateway's
    assert world.money.available == 99 * PRICE


def test_label_keys_are_those_of_the_first_revision(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, POLICY))
    key = LabelKey(FrameId(world.frames[0]), "classification", 1)
    with world.ledger.snapshot() as view:
        (begun,) = view.labels.history(key)
    assert begun.actor == Actor("selection", Role.SELECTOR)
    assert json.loads(begun.evidence)["sha256"] == world.batch.candidates.sha256

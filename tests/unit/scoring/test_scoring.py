"""Scoring: given a snapshot and a committee, then scores, a fact and money spent as measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from scoring.handlers import on_parts_tick, on_round_opened
from tests.unit.training.toy_world import CLASSES, frame_columns, put_frames
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import read_manifest, read_table, write_manifest, write_table
from winnow.contracts.manifests import Member, Members, Scores, Snapshot, SnapshotPart
from winnow.contracts.tables import SCORES, SNAPSHOT_PART
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import IntegrityError, Retryable, SchemaMismatch
from winnow.domain.events import Event, PoolScored, RoundHalted, RoundOpened, ScoreKind, Stage
from winnow.domain.ids import (
    BudgetId,
    CommitteeVersion,
    Micros,
    Period,
    RoundId,
    derived_uuid,
    inference_reservation_id,
)
from winnow.domain.labels import CLASSIFICATION
from winnow.domain.money import Allocate, Balances, Budget, BudgetKind, Reserve, Unit
from winnow.domain.tables import COMMITTEES, SCORING_RUNS, CommitteeRow
from winnow.policy.model import Policy
from winnow.ports.committee import CommitteeAnswer
from winnow.testing.manual_clock import ManualClock

ROUND = RoundId("r1")
BUDGET, PERIOD = BudgetId("auto_label_inference"), Period("2026")
START = datetime(2026, 1, 1, tzinfo=UTC)
MEMBERS = ("m0", "m1", "m2")


AT_ONCE = '{"scoring": {"rescoring": {"score_age_max": 0, "again_max": 2}}}'


@dataclass
class ScriptedCommittee:
    """Answers with numbers that follow from the bytes; members fail when told to."""

    fails_at_call: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    raises_at_call: dict[int, Exception] = field(default_factory=dict)
    compute_ms: int = 7
    calls: list[int] = field(default_factory=list)

    def load(self, version: CommitteeVersion, members: BlobRef) -> Sequence[str]:
        return MEMBERS

    def score(self, version: CommitteeVersion, frames: Sequence[bytes]) -> CommitteeAnswer:
        call = len(self.calls)
        self.calls.append(len(frames))
        if call in self.raises_at_call:
            raise self.raises_at_call.pop(call)
        answering = tuple(m for m in MEMBERS if m not in self.fails_at_call.get(call, ()))
        seeds = [sum(frame) % 97 + 1 for frame in frames]
        raw = np.array(
            [[[s + MEMBERS.index(m), 2 * c + 1, 3] for m in answering] for c, s in enumerate(seeds)]
        )
        probs = (raw / raw.sum(axis=2, keepdims=True)).astype(np.float32)
        return CommitteeAnswer(answering, self.compute_ms, probs)

    def maps(self, version: CommitteeVersion, frames: Sequence[bytes]) -> NDArray[np.float16]:
        raise SchemaMismatch("classes have no maps")


@dataclass
class World:
    """Everything around the handlers."""

    blobs: FileBlobs
    ledger: SqliteLedger
    clock: ManualClock

    def tick(self, committee: ScriptedCommittee, *, frames_per_call: int = 4) -> Sequence[Event]:
        with self.ledger.transaction() as tx:
            return on_parts_tick(
                tx=tx,
                ledger=self.ledger,
                blobs=self.blobs,
                committee=committee,
                clock=self.clock,
                frames_per_call=frames_per_call,
            )

    def open(self, event: RoundOpened) -> Sequence[Event]:
        with self.ledger.transaction() as tx:
            return on_round_opened(event, tx=tx, blobs=self.blobs, clock=self.clock)

    def balances(self) -> Balances:
        with self.ledger.snapshot() as view:
            return view.money.balances(BUDGET, PERIOD)

    def run_to_the_end(
        self, committee: ScriptedCommittee, *, frames_per_call: int = 4
    ) -> Sequence[Event]:
        for _ in range(20):
            if events := self.tick(committee, frames_per_call=frames_per_call):
                return events
        raise AssertionError("the barrier never closed")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    yield World(FileBlobs(tmp_path / "blobs"), ledger, ManualClock(START))
    ledger.close()


def reserve(world: World, amount: int) -> None:
    with world.ledger.transaction() as tx:
        tx.money.put_budget(
            Budget(BUDGET, BudgetKind.AUTO_LABEL_INFERENCE, "owner", Unit("gpu_ms"))
        )
        tx.money.allocate(
            Allocate(derived_uuid("a"), BUDGET, PERIOD, Micros(1000), "owner", "ok", START)
        )
        tx.money.reserve(
            [
                Reserve(
                    transfer_id=inference_reservation_id(ROUND),
                    budget_id=BUDGET,
                    period=PERIOD,
                    amount=Micros(amount),
                    expires_at=START + timedelta(days=1),
                    subject=ROUND,
                    round_id=ROUND,
                    at=START,
                )
            ]
        )


def part(world: World, start: int, gates: Sequence[str]) -> SnapshotPart:
    _, refs = put_frames(world.blobs, start, start + len(gates))
    columns = {
        **frame_columns(start, refs),
        "row": list(range(len(gates))),
        "gate": list(gates),
        "gate_detail": [""] * len(gates),
        "cluster": [""] * len(gates),
        "cluster_size": [1] * len(gates),
    }
    table = pa.table(columns, schema=SNAPSHOT_PART)
    ref = write_table(world.blobs, table, SNAPSHOT_PART, prefix="rounds")
    return SnapshotPart(part=ref, embedded=ref, n_frames=len(gates))


def members_of(
    world: World, version: str = "c0", *, class_names: tuple[str, ...] = CLASSES
) -> BlobRef:
    empty = world.blobs.put(b"", prefix="models", media_type="x")
    members = [
        Member(
            name=name,
            seed=0,
            checkpoint=empty,
            temperatures=(1.0 + pos / 8,),
            step=1,
            metrics={},
            compute_ms=1,
        )
        for pos, name in enumerate(MEMBERS)
    ]
    manifest = Members(
        committee_version=version,
        round_id="r0",
        task="classification",
        class_names=class_names,
        config={},
        dataset_sha256="",
        members=tuple(members),
        metrics={},
    )
    return write_manifest(world.blobs, manifest, prefix="models")


def opened(
    world: World,
    gates: Sequence[Sequence[str]],
    *,
    committee: bool = True,
    policy: str = "{}",
    label_kind: str = CLASSIFICATION,
) -> RoundOpened:
    """Give the fact of a round over parts with these gates."""
    parts = tuple(part(world, 100 * pos, gate) for pos, gate in enumerate(gates))
    n_frames = sum(len(gate) for gate in gates)
    snapshot = Snapshot(
        round_id=ROUND,
        label_task="classification",
        class_names=CLASSES,
        encoder_version="e",
        embedding_dimension=1,
        parts=parts,
        n_frames=n_frames,
        n_eligible=sum(not gate for one in gates for gate in one),
        labeled=None,
        committee_version="c0" if committee else "",
        members=members_of(world) if committee else None,
        holdouts=(),
        budget_ids=(("auto_label_inference", BUDGET),),
        label_kind=label_kind,
    )
    canonical = Policy.model_validate_json(policy).canonical()
    return RoundOpened(
        round_id=ROUND,
        committee_version=CommitteeVersion("c0" if committee else ""),
        n_frames=n_frames,
        policy=world.blobs.put(canonical, prefix="policies", media_type="application/json"),
        policy_sha256="",
        seed=3,
        budget_ids=(),
        snapshot=write_manifest(world.blobs, snapshot, prefix="rounds"),
    )


def scores_of(world: World, fact: Event) -> Scores:
    assert isinstance(fact, PoolScored)
    assert fact.scores is not None
    return read_manifest(world.blobs, fact.scores, Scores)


TWO_PARTS = [["", "duplicate", "", "", "", "dark"], ["", "", ""]]


def test_a_round_without_committee_passes_at_once(world: World) -> None:
    (fact,) = world.open(opened(world, TWO_PARTS, committee=False))
    assert isinstance(fact, PoolScored)
    assert (fact.kind, fact.n_frames, fact.n_scored, fact.scores) == (ScoreKind.NONE, 7, 0, None)
    assert world.tick(ScriptedCommittee()) == []


def test_eligible_frames_are_scored_part_by_part_and_paid_as_measured(world: World) -> None:
    reserve(world, 100)
    event = opened(world, TWO_PARTS)
    assert world.open(event) == []
    assert world.open(event) == [], "redelivered"
    committee = ScriptedCommittee()

    assert world.tick(committee, frames_per_call=3) == []
    assert committee.calls == [3, 1], "one part per tick, a bounded number of frames per call"
    (fact,) = world.tick(committee, frames_per_call=3)

    assert isinstance(fact, PoolScored)
    assert (fact.n_frames, fact.n_scored, fact.gpu_ms) == (7, 7, 21)
    assert fact.members_answered == fact.members_expected == MEMBERS
    scores = scores_of(world, fact)
    assert scores.temperatures == tuple((m, (1.0 + pos / 8,)) for pos, m in enumerate(MEMBERS))
    table = read_table(world.blobs, scores.parts[0], SCORES)
    assert table.num_rows == 4
    assert len(table.column("probs")[0]) == 9
    assert np.array(table.column("probs")[0].as_py()).reshape(3, 3).sum(axis=1) == pytest.approx(1)
    assert world.balances().spent == 21
    assert world.balances().available == 979
    assert world.tick(committee) == []


def test_killed_between_parts_it_goes_on_and_gives_the_same_scores(
    world: World, tmp_path: Path
) -> None:
    world.open(opened(world, TWO_PARTS))
    world.tick(ScriptedCommittee())
    committee = ScriptedCommittee()  # a new process
    resumed = scores_of(world, world.run_to_the_end(committee)[0])
    assert committee.calls == [3], "the first part is not scored again"

    other = World(FileBlobs(tmp_path / "b2"), SqliteLedger(tmp_path / "l2.db"), ManualClock(START))
    other.open(opened(other, TWO_PARTS))
    assert scores_of(other, other.run_to_the_end(ScriptedCommittee())[0]) == resumed
    other.ledger.close()


def test_more_than_reserved_is_not_committed(world: World) -> None:
    reserve(world, 10)
    world.open(opened(world, TWO_PARTS))
    (fact,) = world.run_to_the_end(ScriptedCommittee())
    assert isinstance(fact, PoolScored)
    assert fact.gpu_ms == 14
    assert (world.balances().spent, world.balances().reserved) == (10, 0)


def test_a_member_that_missed_one_call_is_asked_again(world: World) -> None:
    world.open(opened(world, TWO_PARTS))
    (fact,) = world.run_to_the_end(ScriptedCommittee(fails_at_call={1: ("m1",)}))
    assert isinstance(fact, PoolScored)
    assert fact.members_answered == MEMBERS
    assert fact.gpu_ms == 3 * 7


def test_a_member_whose_call_comes_after_one_that_fails_again_is_asked_again(world: World) -> None:
    world.open(opened(world, [("", "", "")]))
    failing = {0: ("m1",), 2: ("m0",), 3: ("m1",)}
    (fact,) = world.run_to_the_end(ScriptedCommittee(fails_at_call=failing), frames_per_call=1)
    assert isinstance(fact, PoolScored)
    assert fact.members_answered == ("m0", "m2")


def test_a_member_that_missed_a_part_is_cut_out_of_all(world: World) -> None:
    world.open(opened(world, TWO_PARTS))
    (fact,) = world.run_to_the_end(ScriptedCommittee(fails_at_call={1: ("m1",), 2: ("m1",)}))
    assert isinstance(fact, PoolScored)
    assert fact.members_expected == MEMBERS
    assert fact.members_answered == ("m0", "m2")
    scores = scores_of(world, fact)
    assert scores.members == ("m0", "m2")
    assert [name for name, _ in scores.member_digests] == ["m0", "m2"]
    for ref in scores.parts:
        assert {len(p) for p in read_table(world.blobs, ref, SCORES).column("probs")} == {6}


def test_digests_of_members_do_not_depend_on_who_else_answered(world: World) -> None:
    world.open(opened(world, TWO_PARTS))
    (fact,) = world.run_to_the_end(ScriptedCommittee(fails_at_call={1: ("m1",), 2: ("m1",)}))
    partial = dict(scores_of(world, fact).member_digests)
    with world.ledger.transaction() as tx:
        tx.records.update(
            SCORING_RUNS,
            ROUND,
            lambda row: replace(
                row, state="scoring", parts=(), answered=(), members_answered=(), gpu_ms=0
            ),
        )
    (fact,) = world.run_to_the_end(ScriptedCommittee())
    full = dict(scores_of(world, fact).member_digests)
    assert {name: full[name] for name in partial} == partial


def test_too_few_members_halt_the_round(world: World) -> None:
    reserve(world, 100)
    world.open(opened(world, TWO_PARTS))
    failing = {call: ("m0", "m1") for call in range(5)}  # noqa: C420 - of its own type
    (fact,) = world.run_to_the_end(ScriptedCommittee(fails_at_call=failing))
    assert isinstance(fact, RoundHalted)
    assert fact.stage is Stage.SCORING
    assert fact.reason == "expected answers of 2 members, found m2"
    assert world.balances().spent == 21, "what was computed is paid, the call made again, too"


def test_the_deadline_closes_the_barrier_and_says_what_is_missing(world: World) -> None:
    world.open(opened(world, TWO_PARTS))
    committee = ScriptedCommittee(raises_at_call={1: Retryable("no member answered")})
    assert world.tick(committee) == []
    with pytest.raises(Retryable):
        world.tick(committee)
    world.clock.advance(minutes=121)
    (fact,) = world.tick(committee)
    assert isinstance(fact, RoundHalted)
    assert "expected 98% of 7 eligible frames" in fact.reason
    assert "found 4 (57.1%); 1 of 2 parts" in fact.reason


def test_enough_coverage_at_the_deadline_is_a_result(world: World) -> None:
    world.open(opened(world, TWO_PARTS, policy='{"scoring": {"coverage_min": 0.5}}'))
    world.tick(ScriptedCommittee())
    world.clock.advance(minutes=121)
    (fact,) = world.tick(ScriptedCommittee())
    assert isinstance(fact, PoolScored)
    assert (fact.n_frames, fact.n_scored) == (7, 4)
    parts = scores_of(world, fact).parts
    assert [read_table(world.blobs, ref, SCORES).num_rows for ref in parts] == [4, 0]


def test_damaged_bytes_halt_the_round(world: World) -> None:
    world.open(opened(world, TWO_PARTS))
    committee = ScriptedCommittee(raises_at_call={0: IntegrityError("checkpoint m1 is damaged")})
    (fact,) = world.tick(committee)
    assert isinstance(fact, RoundHalted)
    assert fact.reason == "checkpoint m1 is damaged"
    assert world.tick(committee) == []


def test_a_part_without_eligible_frames_is_an_empty_table(world: World) -> None:
    world.open(opened(world, [["dark"], ["", ""]]))
    (fact,) = world.run_to_the_end(ScriptedCommittee())
    parts = scores_of(world, fact).parts
    assert [read_table(world.blobs, ref, SCORES).num_rows for ref in parts] == [0, 2]


@dataclass
class SlowCommittee(ScriptedCommittee):
    """While it answers, something else happens."""

    meanwhile: Callable[[], Sequence[Event]] = tuple

    def score(self, version: CommitteeVersion, frames: Sequence[bytes]) -> CommitteeAnswer:
        self.meanwhile()
        return super().score(version, frames)


def test_a_barrier_that_another_process_closed_stays_closed(world: World) -> None:
    world.open(opened(world, TWO_PARTS))
    stated: list[Event] = []

    def deadline_passes() -> Sequence[Event]:
        world.clock.advance(minutes=121)
        stated.extend(world.tick(ScriptedCommittee()))
        return stated

    assert world.tick(SlowCommittee(meanwhile=deadline_passes)) == []
    assert [type(event) for event in stated] == [RoundHalted]
    with world.ledger.snapshot() as view:
        (row,) = view.records.find(SCORING_RUNS)
    assert (row.state, row.parts) == ("incomplete", ())
    assert world.tick(ScriptedCommittee()) == []


def roll(world: World, version: str, *, class_names: tuple[str, ...] = CLASSES) -> None:
    """Make another committee the active one."""
    ref = members_of(world, version, class_names=class_names)
    with world.ledger.transaction() as tx:
        for row in tx.records.find(COMMITTEES, state="active"):
            tx.records.update(COMMITTEES, row.key, lambda old: replace(old, state="retired"))
        tx.records.insert(COMMITTEES, CommitteeRow(version, "r0", "active", ref, ""))


def test_scores_that_age_while_they_are_made_are_made_anew(world: World) -> None:
    reserve(world, 100)
    world.open(opened(world, TWO_PARTS, policy=AT_ONCE))
    roll(world, "c0")
    assert world.tick(ScriptedCommittee()) == []
    roll(world, "c1")
    (fact,) = world.run_to_the_end(ScriptedCommittee())
    assert isinstance(fact, PoolScored)
    assert scores_of(world, fact).committee_version == "c1"
    assert fact.n_scored == fact.n_frames
    assert fact.gpu_ms == 3 * 7, "the part that was given up is paid too"
    assert world.balances().spent == 21


@pytest.mark.parametrize(
    ("again_max", "reserved", "class_names"),
    [(0, 100, CLASSES), (2, 20, CLASSES), (2, 100, ("other", "classes"))],
    ids=["not asked for", "not affordable", "not the same classes"],
)
def test_scores_are_made_anew_only_where_that_can_be(
    world: World, again_max: int, reserved: int, class_names: tuple[str, ...]
) -> None:
    reserve(world, reserved)
    policy = AT_ONCE.replace("2", str(again_max))
    world.open(opened(world, TWO_PARTS, policy=policy))
    world.tick(ScriptedCommittee())
    roll(world, "c1", class_names=class_names)
    (fact,) = world.run_to_the_end(ScriptedCommittee())
    assert isinstance(fact, PoolScored)
    assert scores_of(world, fact).committee_version == "c0"


def test_a_pool_is_scored_anew_so_often_and_no_more(world: World) -> None:
    world.open(opened(world, TWO_PARTS, policy=AT_ONCE))
    for version in ("c1", "c2"):
        world.tick(ScriptedCommittee())
        roll(world, version)
        assert world.tick(ScriptedCommittee()) == []
    world.tick(ScriptedCommittee())
    roll(world, "c3")
    (fact,) = world.tick(ScriptedCommittee())
    assert isinstance(fact, PoolScored)
    assert scores_of(world, fact).committee_version == "c2"


def test_a_part_that_another_process_scores_meanwhile_does_not_undo_the_beginning(
    world: World,
) -> None:
    world.open(opened(world, TWO_PARTS, policy=AT_ONCE))

    def committee_rolls() -> Sequence[Event]:
        roll(world, "c1")
        return world.tick(ScriptedCommittee())

    assert world.tick(SlowCommittee(meanwhile=committee_rolls)) == []
    with world.ledger.snapshot() as view:
        (row,) = view.records.find(SCORING_RUNS)
    assert (row.committee_version, row.parts, row.n_again) == ("c1", (), 1)

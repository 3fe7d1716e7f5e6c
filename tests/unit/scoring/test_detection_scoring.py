"""Scoring by detectors: what they say together cannot be taken apart when one is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from tests.unit.scoring.test_scoring import (
    MEMBERS,
    START,
    ScriptedCommittee,
    World,
    opened,
    scores_of,
)
from tests.unit.training.toy_world import CLASSES
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import read_manifest, read_table
from winnow.contracts.manifests import Members
from winnow.contracts.tables import DETECTION_SCORES
from winnow.domain.errors import Retryable
from winnow.domain.events import Event, PoolScored, RoundHalted
from winnow.domain.ids import CommitteeVersion
from winnow.domain.labels import DETECTION
from winnow.ports.committee import CommitteeAnswer
from winnow.testing.manual_clock import ManualClock

ALL_BUT_M1 = ("m0", "m2")
TWO_PARTS = [["", "dark", "", "", ""], ["", ""]]
ANY_COVERAGE = '{"scoring": {"coverage_min": 0.1}}'


@dataclass
class ScriptedDetectors(ScriptedCommittee):
    """Says of each frame, in its box, who looked at it."""

    information: float = 0.1
    """What each member adds to that of the maps."""
    score_of_boxes: float = 0.5

    def score(self, version: CommitteeVersion, frames: Sequence[bytes]) -> CommitteeAnswer:
        failing = self.fails_at_call.get(len(self.calls), ())
        self.calls.append(len(frames))
        answered = tuple(member for member in MEMBERS if member not in failing)
        information_NC = np.full(
            (len(frames), len(CLASSES)), len(answered) * self.information, np.float32
        )
        box = {"box": [0, 0, 2, 2], "class": "+".join(answered), "score": self.score_of_boxes}
        boxes = (json.dumps([box]),) * len(frames)
        return CommitteeAnswer(answered, self.compute_ms, None, information_NC, boxes)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    yield World(FileBlobs(tmp_path / "blobs"), ledger, ManualClock(START))
    ledger.close()


def scored_by(
    world: World,
    committee: ScriptedDetectors,
    *,
    frames_per_call: int,
    policy: str = ANY_COVERAGE,
) -> Event:
    world.open(opened(world, TWO_PARTS, policy=policy, label_kind=DETECTION))
    for _ in range(len(TWO_PARTS) + 1):
        if events := world.tick(committee, frames_per_call=frames_per_call):
            return events[0]
    raise AssertionError("the barrier never closed")


def rows_of(world: World, fact: Event) -> list[list[dict[str, object]]]:
    parts = scores_of(world, fact).parts
    return [read_table(world.blobs, part, DETECTION_SCORES).to_pylist() for part in parts]


def lookers(rows: Sequence[dict[str, object]]) -> set[str]:
    return {json.loads(str(row["boxes"]))[0]["class"] for row in rows}


def test_all_members_answer_and_every_frame_has_information_and_boxes(world: World) -> None:
    fact = scored_by(world, ScriptedDetectors(), frames_per_call=3)
    assert isinstance(fact, PoolScored)
    assert (fact.n_frames, fact.n_scored, fact.members_answered) == (6, 6, MEMBERS)
    first, second = rows_of(world, fact)
    assert (len(first), len(second)) == (4, 2)
    assert first[0]["information"] == pytest.approx([0.3] * len(CLASSES))
    assert [name for name, _ in scores_of(world, fact).member_digests] == ["m0+m1+m2"]


def digest_by(folder: Path, committee: ScriptedDetectors, parts: list[list[str]]) -> str:
    """Let a committee score a pool in a world of its own; give the digest of what it said."""
    ledger = SqliteLedger(folder / f"{len(list(folder.iterdir()))}.db")
    world = World(FileBlobs(folder / "blobs"), ledger, ManualClock(START))
    world.open(opened(world, parts, policy=ANY_COVERAGE, label_kind=DETECTION))
    (fact,) = world.run_to_the_end(committee)
    ((_, digest),) = scores_of(world, fact).member_digests
    ledger.close()
    return digest


def test_two_committees_have_one_digest_only_if_all_they_said_is_the_same(tmp_path: Path) -> None:
    digest = digest_by(tmp_path, ScriptedDetectors(), TWO_PARTS)
    assert digest_by(tmp_path, ScriptedDetectors(), TWO_PARTS) == digest
    more = ScriptedDetectors(information=0.1 + 1e-7)
    assert digest_by(tmp_path, more, TWO_PARTS) != digest
    surer = ScriptedDetectors(score_of_boxes=0.5001)
    assert digest_by(tmp_path, surer, TWO_PARTS) != digest
    assert digest_by(tmp_path, ScriptedDetectors(), TWO_PARTS[:1]) != digest


def test_digests_do_not_depend_on_where_parts_end(tmp_path: Path) -> None:
    whole = [[gate for part in TWO_PARTS for gate in part]]
    digest = digest_by(tmp_path, ScriptedDetectors(), TWO_PARTS)
    assert digest_by(tmp_path, ScriptedDetectors(), whole) == digest


def test_scores_name_the_networks_that_they_are_of(world: World) -> None:
    fact = scored_by(world, ScriptedDetectors(), frames_per_call=3)
    committee = scores_of(world, fact).committee
    assert committee is not None
    named = read_manifest(world.blobs, committee, Members).members
    assert tuple(one.name for one in named) == MEMBERS


def test_a_call_that_a_member_missed_is_made_again(world: World) -> None:
    committee = ScriptedDetectors(fails_at_call={1: ("m1",)})  # the part's last frame
    fact = scored_by(world, committee, frames_per_call=3)
    assert isinstance(fact, PoolScored)
    assert (fact.n_scored, fact.members_answered) == (6, MEMBERS)
    assert committee.calls == [3, 1, 1, 2]
    assert fact.gpu_ms == 4 * committee.compute_ms, "what was made again is paid twice"


def test_the_only_call_of_a_part_that_a_member_missed_is_made_again(world: World) -> None:
    committee = ScriptedDetectors(fails_at_call={1: ("m1",)})  # all of the last part
    fact = scored_by(world, committee, frames_per_call=4)
    assert isinstance(fact, PoolScored)
    assert (fact.n_scored, fact.members_answered) == (6, MEMBERS)


def test_calls_made_before_a_member_ended_are_made_again_without_it(world: World) -> None:
    committee = ScriptedDetectors(fails_at_call=dict.fromkeys(range(1, 20), ("m1",)))
    fact = scored_by(world, committee, frames_per_call=1)
    assert isinstance(fact, PoolScored)
    assert (fact.n_scored, fact.members_answered) == (6, ALL_BUT_M1)
    assert committee.calls == [1] * (4 + 2 + 2), "two more, and none for a member that is missing"


def test_a_call_that_fails_again_keeps_no_later_one_from_being_made_again(world: World) -> None:
    committee = ScriptedDetectors(fails_at_call=dict.fromkeys((0, 2, 4, 5), ("m1",)))
    fact = scored_by(world, committee, frames_per_call=1)
    assert isinstance(fact, PoolScored)
    assert (fact.n_scored, fact.members_answered) == (6, MEMBERS)
    assert committee.calls == [1] * (4 + 2 + 2 + 2), "calls 0 and 2 are made three times"


def test_frames_of_a_call_that_a_member_missed_twice_are_left_out_and_counted(
    world: World,
) -> None:
    committee = ScriptedDetectors(fails_at_call=dict.fromkeys((1, 2, 3), ("m1",)))
    with capture_logs() as logs:
        fact = scored_by(world, committee, frames_per_call=3)
    (told,) = (one for one in logs if one["event"] == "scoring.left_out")
    assert (told["part"], told["n_frames"]) == (0, 1)
    assert isinstance(fact, PoolScored)
    assert (fact.n_scored, fact.members_answered) == (5, MEMBERS)
    first, second = rows_of(world, fact)
    assert (len(first), len(second)) == (3, 2)
    assert lookers([*first, *second]) == {"m0+m1+m2"}
    assert fact.gpu_ms == 5 * committee.compute_ms, "what is left out was computed and is paid"


def test_parts_of_other_members_than_most_frames_had_are_left_out(world: World) -> None:
    committee = ScriptedDetectors(fails_at_call={0: ("m1",), 1: ("m1",)})  # all of the larger part
    fact = scored_by(world, committee, frames_per_call=4)
    assert isinstance(fact, PoolScored)
    assert (fact.n_scored, fact.members_answered) == (4, ALL_BUT_M1)
    assert scores_of(world, fact).members == ALL_BUT_M1
    first, second = rows_of(world, fact)
    assert (len(first), second) == (4, [])
    assert lookers(first) == {"m0+m2"}


def test_of_two_halves_the_one_that_more_members_looked_at_is_kept(world: World) -> None:
    committee = ScriptedDetectors(fails_at_call=dict.fromkeys((0, 2, 3), ("m1",)))
    fact = scored_by(world, committee, frames_per_call=2)
    first, _ = rows_of(world, fact)
    assert (len(first), lookers(first)) == (2, {"m0+m1+m2"})


def test_too_little_that_one_committee_said_halts_the_round_and_says_how_little(
    world: World,
) -> None:
    committee = ScriptedDetectors(fails_at_call=dict.fromkeys((1, 2, 3), ("m1",)))
    fact = scored_by(world, committee, frames_per_call=3, policy="{}")
    assert isinstance(fact, RoundHalted)
    assert "expected 98% of 6 eligible frames" in fact.reason
    assert "found 5 (83.3%); 2 of 2 parts; frames that other members answered" in fact.reason


def test_a_part_that_nobody_looked_at_is_tried_again(world: World) -> None:
    world.open(opened(world, TWO_PARTS, label_kind=DETECTION))
    with pytest.raises(Retryable, match="expected a member that answers, found none"):
        world.tick(ScriptedDetectors(fails_at_call={0: MEMBERS, 1: MEMBERS}))
    fact = world.run_to_the_end(ScriptedDetectors())[0]
    assert isinstance(fact, PoolScored)
    assert fact.n_scored == fact.n_frames

"""Bytes that were sent once must be read for ever, and equal facts make equal bytes.

Origin of the files: this module, `make golden`; one per fact and released schema version.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from winnow.contracts.mapping import from_message, to_message
from winnow.domain import events
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import BatchId, CommitteeVersion, FrameId, RoundId, ShardId, TaskId

FOLDER = Path(__file__).parent / "events"
ROUND = RoundId("r3")
BATCH = BatchId("r3-batch")
FRAME = FrameId("00112233445566778899aabbccddeeff")
TASK = TaskId("7d444840-9dc0-11d1-b245-5ffdce74fad2")
COMMITTEE = CommitteeVersion("c2")


def _blob(prefix: str) -> BlobRef:
    sha256 = "ab" * 32
    return BlobRef("winnow", f"{prefix}/ab/{sha256}", sha256, 4096, "application/json", 1)


FACTS: tuple[events.Event, ...] = (
    events.FramesIngested(
        shard_id=ShardId("s-0001"),
        source="site-a",
        vehicle="v7",
        captured_from=datetime(2026, 3, 1, 8, 0, tzinfo=UTC),
        captured_to=datetime(2026, 3, 1, 8, 5, 0, 250_000, tzinfo=UTC),
        n_frames=512,
        manifest=_blob("shards"),
    ),
    events.FramesEmbedded(
        shard_id=ShardId("s-0001"),
        encoder_version="mini-1",
        n_frames=512,
        n_blocked_by_gate=(("dark", 3), ("privacy", 1)),
        embedded=_blob("embedded"),
    ),
    events.RoundOpened(
        round_id=ROUND,
        committee_version=COMMITTEE,
        n_frames=10_000,
        policy=_blob("policies"),
        policy_sha256="cd" * 32,
        seed=2**63 + 5,
        budget_ids=(("human_annotation", "human_annotation"), ("label_qa", "label_qa")),
        snapshot=_blob("snapshots"),
    ),
    events.PoolScored(
        round_id=ROUND,
        kind=events.ScoreKind.COMMITTEE,
        n_frames=10_000,
        n_scored=9_990,
        members_expected=("m0", "m1", "m2"),
        members_answered=("m0", "m2"),
        gpu_ms=123_456,
        scores=_blob("scores"),
        snapshot=_blob("snapshots"),
        policy=_blob("policies"),
        seed=17,
    ),
    events.BatchSelected(round_id=ROUND, batch_id=BATCH, n_tasks=200, manifest=_blob("batches")),
    events.TaskClosed(
        task_id=TASK,
        round_id=ROUND,
        batch_id=BATCH,
        frame_id=FRAME,
        outcome=events.TaskOutcome.LABELED,
        modality="image",
        annotator="a-04",
        schema_version=1,
        slot=0,
        attempt=2,
        effort_ms=5_500,
        answer=_blob("answers"),
    ),
    events.LabelReviewed(
        task_id=TASK,
        round_id=ROUND,
        batch_id=BATCH,
        frame_id=FRAME,
        verdict=events.VerdictKind.RETURNED,
        defects=("wrong_class", "loose_box"),
        attempt=2,
    ),
    events.DatasetPromoted(
        round_id=ROUND,
        promotion_seq=4,
        n_labels=600,
        allowed_use=events.AllowedUse.PRODUCTION_TRAINING,
        label_schema="digits-1",
        snapshot=_blob("datasets"),
    ),
    events.RoundTrained(
        round_id=ROUND,
        committee_version=CommitteeVersion("c3"),
        dataset_sha256="ab" * 32,
        metrics=(("accuracy", 0.9375), ("ece", 0.03125)),
        members=_blob("members"),
    ),
    events.CommitteeRolled(
        round_id=ROUND,
        committee_version=CommitteeVersion("c3"),
        endpoints=("grpc://m0:8001", "grpc://m1:8001"),
        generation=2,
        members=_blob("members"),
    ),
    events.RoundHalted(
        round_id=ROUND, stage=events.Stage.SELECTION, reason="pool exhausted", kept="scores"
    ),
    events.LabelApprovalEnded(
        round_id=ROUND,
        frame_id=FRAME,
        label_task="digit",
        revision=2,
        reason="consent withdrawn",
        dataset_ids=("r2", "r3"),
    ),
)


def _envelope(event: events.Event) -> events.Envelope:
    return events.Envelope(
        UUID(int=1), "golden", datetime(2026, 3, 2, tzinfo=UTC), event, "", "cause"
    )


def test_there_is_one_for_every_fact() -> None:
    assert tuple(type(fact) for fact in FACTS) == events.EVENT_TYPES


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: str(fact.type))
def test_the_bytes_of_a_fact_never_change(fact: events.Event) -> None:
    path = FOLDER / f"{fact.type}.bin"
    message = to_message(_envelope(fact), topic_prefix="winnow.")
    if os.environ.get("WINNOW_GOLDEN") == "rewrite":
        path.write_bytes(message.value)
    stored = path.read_bytes()
    assert message.value == stored
    old = type(message)(message.topic, message.key, message.headers, stored)
    assert from_message(old).data == fact

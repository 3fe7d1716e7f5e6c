"""Everything around a rollout's steps: committees and a platform that are told what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rollout import steps
from rollout.settings import RolloutSettings
from tests.unit.training.toy_world import put_holdout
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import write_manifest
from winnow.contracts.manifests import Evaluation, Member, Members
from winnow.contracts.mapping import from_message
from winnow.contracts.references import reference_text
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Retryable, SchemaMismatch
from winnow.domain.events import Event
from winnow.domain.ids import CommitteeVersion
from winnow.domain.rows import CommitteeRow, RoundRow
from winnow.domain.tables import COMMITTEES, ROUNDS
from winnow.policy.model import parse_policy
from winnow.ports.committee import CommitteeAnswer
from winnow.testing.manual_clock import ManualClock
from winnow.testing.memory_deployments import MemoryDeployments

CLASSES = ("bar", "cross", "ring")


@dataclass
class ScriptedCommittee:
    """Prefers one class in every frame; is not ready, or gone, when it is told so."""

    prefers: int = 0
    not_ready: list[str] = field(default_factory=list)
    gone: str = ""
    members: tuple[str, ...] = ("m0", "m1")
    n_classes: int = len(CLASSES)
    asked: list[int] = field(default_factory=list)
    n_open: int = 0
    """Contexts that hold a connection to it."""

    def __enter__(self) -> ScriptedCommittee:
        self.n_open += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.n_open -= 1

    def load(self, version: CommitteeVersion, members: BlobRef) -> Sequence[str]:
        if self.not_ready:
            raise Retryable(self.not_ready.pop(0))
        return self.members

    def score(self, version: CommitteeVersion, frames: Sequence[bytes]) -> CommitteeAnswer:
        assert self.n_open == 1
        if self.gone:
            raise Retryable(self.gone)
        self.asked.append(len(frames))
        probs = np.full((len(frames), len(self.members), self.n_classes), 0.1, np.float32)
        probs[:, :, self.prefers] = 1.1 - 0.1 * self.n_classes
        return CommitteeAnswer(self.members, 1, probs_NMC=probs)

    def maps(self, version: CommitteeVersion, frames: Sequence[bytes]) -> npt.NDArray[np.float16]:
        raise SchemaMismatch("no maps")


@dataclass
class World:
    """Everything around the steps."""

    context: steps.Context
    deployments: MemoryDeployments
    committees: dict[str, ScriptedCommittee]
    pauses: list[float]

    def trained(
        self,
        number: int,
        *,
        accuracy: float = 0.8,
        metrics: dict[str, float] | None = None,
        n_holdout: int = 1000,
        holdout_from: int = 1000,
        class_names: tuple[str, ...] = CLASSES,
    ) -> str:
        """Store a committee's manifest; give its reference."""
        blobs = self.context.blobs
        empty = blobs.put(b"", prefix="models", media_type="x")
        evaluation = Evaluation(
            committee_version=f"c{number}",
            round_id=f"r{number}",
            holdouts=(put_holdout(blobs, start=holdout_from),),
            n_holdout=n_holdout,
            n_left_out=0,
            committee={},
            members={},
            classes={},
        )
        members = tuple(
            Member(
                name=name,
                seed=0,
                checkpoint=empty,
                temperatures=(1.0,),
                step=1,
                metrics={},
                compute_ms=1,
            )
            for name in ("m0", "m1")
        )
        manifest = Members(
            committee_version=f"c{number}",
            round_id=f"r{number}",
            task="classification",
            class_names=class_names,
            config={},
            dataset_sha256="",
            members=members,
            metrics={"accuracy": accuracy} if metrics is None else metrics,
            evaluation=write_manifest(blobs, evaluation, prefix="models"),
        )
        return reference_text(write_manifest(blobs, manifest, prefix="models"))

    def serves(self, number: int, committee: ScriptedCommittee) -> None:
        self.committees[f"grpc://committee-r{number}-c{number}"] = committee

    def roll(self, number: int, members: str) -> str:
        """Run all steps; give the decision in Markdown."""
        endpoints = steps.deploy(self.context, members=members)
        probed = steps.probe(self.context, members=members, endpoints=endpoints)
        return steps.conclude(self.context, round_id=f"r{number}", members=members, probed=probed)

    def rows(self) -> dict[str, str]:
        with self.context.ledger.snapshot() as view:
            return {row.key: row.state for row in view.records.find(COMMITTEES)}

    def row(self, version: str) -> CommitteeRow:
        with self.context.ledger.snapshot() as view:
            row = view.records.get(COMMITTEES, version)
        assert row is not None
        return row

    def facts(self) -> list[Event]:
        with self.context.ledger.snapshot() as view:
            return [from_message(row.message).data for row in view.boxes.unsent("rollout", 9)]

    def policy(self, number: int, text: str) -> None:
        """Open a round with this policy."""
        policy = parse_policy(text)
        ref = self.context.blobs.put(policy.canonical(), prefix="policies", media_type="x")
        row = RoundRow(
            key=f"r{number}",
            number=number,
            state="training",
            policy=ref,
            policy_sha256="",
            seed=0,
            committee_version="",
            members=None,
            snapshot=None,
            n_frames=0,
            opened_by="",
        )
        with self.context.ledger.transaction() as tx:
            tx.records.insert(ROUNDS, row)


@contextmanager
def made(tmp_path: Path) -> Iterator[World]:
    ledger, clock, pauses = SqliteLedger(tmp_path / "ledger.db"), ManualClock(), []
    deployments = MemoryDeployments(endpoint="grpc://")
    committees: dict[str, ScriptedCommittee] = {}

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds=seconds)

    context = steps.Context(
        FileBlobs(tmp_path / "blobs"),
        ledger,
        deployments,
        lambda endpoints: committees.setdefault(endpoints[0], ScriptedCommittee()),
        clock,
        RolloutSettings.embedded(tmp_path, ready_seconds_max=10.0, ready_poll_seconds=2.0),
        pause,
    )
    yield World(context, deployments, committees, pauses)
    ledger.close()

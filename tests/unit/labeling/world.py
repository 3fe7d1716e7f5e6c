"""A world of one approved batch: ledger, blobs, money, gateway, qa, two scripted crowds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from labeling_gateway import handlers as gateway
from qa import handlers as qa
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import JSON, write_manifest, write_table
from winnow.contracts.manifests import Batch
from winnow.contracts.orders import orders_of, prices_of_tasks, reservations_of
from winnow.contracts.tables import batch_schema
from winnow.domain.blob_ref import BlobRef
from winnow.domain.boxes import Box, label_of
from winnow.domain.events import BatchSelected, Event, LabelReviewed, TaskClosed
from winnow.domain.ids import BatchId, BudgetId, FrameId, Micros, Period, RoundId, derived_uuid
from winnow.domain.labels import Actor, LabelRevision, Role
from winnow.domain.money import Allocate, Balances, Budget, BudgetKind, Unit
from winnow.domain.rows import CommandRow
from winnow.domain.tables import QA_BATCHES, QA_ITEMS, TASKS, QaItemRow, TaskRow
from winnow.evidence.artifact import Producer
from winnow.policy.model import Policy, parse_policy
from winnow.ports.labeling_tool import LabelingTool
from winnow.ports.ledger import Ledger, Transaction
from winnow.testing.manual_clock import ManualClock
from winnow.testing.scripted_annotators import ScriptedAnnotators
from winnow.testing.scripted_crowd import CrowdOptions, CrowdRole

CLASSES = ("cat", "dog", "owl")
WIDTH, HEIGHT = 48, 32
PERIOD = Period("2026-01")
USD = Unit("currency:USD")
FUNDS = 100_000_000
PERFECT = CrowdOptions(accuracy=1.0, accuracy_spread=0.0)
PERFECT_REVIEW = PERFECT.model_copy(update={"role": CrowdRole.REVIEW, "n_annotators": 3})
TURNS_MAX = 200


def frame_of(number: int) -> FrameId:
    return FrameId(f"{number:032x}")


def truth(frame_id: FrameId) -> str:
    return CLASSES[int(frame_id, 16) % 3]


def true_boxes(frame_id: FrameId) -> str:
    """Give what a frame shows in a world of boxes: one animal."""
    return label_of([Box(truth(frame_id), 4, 4, 20, 12)])


@dataclass
class World:
    """Everything, and the facts that were stated so far."""

    folder: Path
    annotators: CrowdOptions = PERFECT
    reviewers: CrowdOptions = PERFECT_REVIEW
    funds: Mapping[str, int] = field(default_factory=dict)
    chunk: int = 100
    truth: Callable[[FrameId], str] = truth

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.ledger: Ledger = SqliteLedger(self.folder / "ledger.db")
        self.blobs = FileBlobs(self.folder / "blobs")
        self.facts: list[Event] = []
        self.told = 0
        self.tool: LabelingTool = self._crowd("annotators.db", self.annotators)
        self.review_tool: LabelingTool = self._crowd("reviewers.db", self.reviewers)
        self._fund()

    def _crowd(self, name: str, options: CrowdOptions) -> ScriptedAnnotators:
        return ScriptedAnnotators(self.folder / name, options, truth=self.truth, clock=self.clock)

    def _fund(self) -> None:
        with self.ledger.transaction() as tx:
            for kind in ("human_annotation", "label_qa", "expert_review"):
                tx.money.put_budget(Budget(BudgetId(kind), BudgetKind(kind), "olga", USD))
        for kind in ("human_annotation", "label_qa", "expert_review"):
            self.fund(kind, self.funds.get(kind, FUNDS), name="first")

    def fund(self, kind: str, amount: int, *, name: str) -> None:
        """Allocate money."""
        request = Allocate(
            derived_uuid("fund", kind, name), BudgetId(kind), PERIOD, Micros(amount), "olga", "ok",
            self.clock.now(),
        )  # fmt: skip
        with self.ledger.transaction() as tx:
            tx.money.allocate(request)

    @property
    def gateway(self) -> gateway.Ports:
        producer = Producer(service="labeling_gateway", version="0", commit="")
        return gateway.Ports(self.ledger, self.blobs, self.clock, self.tool, producer, self.chunk)

    @property
    def qa(self) -> qa.Ports:
        producer = Producer(service="qa", version="0", commit="")
        return qa.Ports(self.ledger, self.blobs, self.clock, self.review_tool, producer, self.chunk)

    def do(
        self, work: Callable[..., Sequence[Event]], *args: object, **ports: object
    ) -> list[Event]:
        """Run a handler in a transaction of its own; remember what it states."""
        with self.ledger.transaction() as tx:
            events = list(work(*args, tx=tx, **ports))
        self.facts += events
        return events

    def selected(
        self, n_frames: int = 12, *, policy: str = "", pre_labels: Mapping[int, str] | None = None,
        round_number: int = 1, first: int = 0,
    ) -> BatchSelected:  # fmt: skip
        """Approve a batch as selection does: money reserved, frames candidates."""
        parsed = parse_policy(policy or "{}")
        batch, manifest = self._batch(parsed, n_frames, pre_labels or {}, round_number, first)
        orders, now = orders_of(self.blobs, batch), self.clock.now()
        with self.ledger.transaction() as tx:
            due_at = now + timedelta(hours=parsed.label.task_timeout_hours)
            prices = prices_of_tasks(self.blobs, batch)
            requests = reservations_of(batch, orders, prices, period=PERIOD, at=now, due_at=due_at)
            assert all(outcome.applied for outcome in tx.money.reserve(requests))
            tx.labels.begin(
                [frame_of(first + n) for n in range(n_frames)], batch.label_task,
                round_id=batch.round_id, batch_id=batch.batch_id,
                actor=Actor("selection", Role.SELECTOR), evidence="chosen", at=now,
            )  # fmt: skip
        return BatchSelected(
            RoundId(batch.round_id), BatchId(batch.batch_id), len(orders), manifest
        )

    def _batch(
        self, policy: Policy, n_frames: int, pre_labels: Mapping[int, str], round_number: int,
        first: int,
    ) -> tuple[Batch, BlobRef]:  # fmt: skip
        rows = []
        for rank in range(n_frames):
            frame = self.blobs.put(
                f"{first + rank}".encode(), prefix="frames", media_type="image/png"
            )
            pre_label = pre_labels.get(rank, "")
            rows.append({
                "rank": rank, "frame_id": frame_of(first + rank), "bucket": frame.bucket,
                "key": frame.key, "sha256": frame.sha256, "size_bytes": frame.size_bytes,
                "media_type": frame.media_type, "session": "s", "site": f"site-{rank % 2}",
                "cluster": frame_of(first + rank), "arm": "random" if rank % 5 == 0 else "policy",
                "score": 0.5, "utility": 0.5, "reason": "uncertain",
                "inclusion_probability": None, "draw_probability": None,
                "price_micros": 80_000 * policy.label.slots, "pre_label": pre_label,
                "pre_label_score": 0.9 if pre_label else None, "width": WIDTH, "height": HEIGHT,
            })  # fmt: skip
        schema = batch_schema(policy.label.kind)
        table = write_table(
            self.blobs, pa.Table.from_pylist(rows, schema=schema), schema, prefix="selection"
        )
        batch = Batch(
            round_id=f"r{round_number}", batch_id=f"r{round_number}-batch",
            label_task=policy.label.task, class_names=CLASSES, instructions="Choose.",
            label_schema_sha256="ab" * 32, snapshot=table, scores=None,
            policy=self.blobs.put(policy.canonical(), prefix="policies", media_type=JSON),
            seed=round_number, selector_version="1", table=table, candidates=table,
            n_frames=n_frames, slots=policy.label.slots,
            price_micros=n_frames * 80_000 * policy.label.slots,
            pre_label_model="c0" if pre_labels else "", holdouts=(), budget_ids=(),
            label_kind=policy.label.kind,
        )  # fmt: skip
        return batch, write_manifest(self.blobs, batch, prefix="selection")

    def order(self, event: BatchSelected) -> None:
        """Let both services hear of the batch."""
        self.do(gateway.on_batch_selected, event, ports=self.gateway)
        self.do(qa.on_batch_selected, event)

    def label(self) -> list[TaskClosed]:
        """Let the gateway work until it has nothing to do; qa hears nothing yet."""
        found: list[Event] = []
        for _ in range(TURNS_MAX):
            before = self._tasks()
            self.do(gateway.on_submit_tick, ports=self.gateway)
            found += self.do(gateway.on_collect_tick, ports=self.gateway)
            if self._tasks() == before:
                break
        return [event for event in found if isinstance(event, TaskClosed)]

    def settle(self) -> list[Event]:
        """Deliver facts and tick everything until nothing moves any more; give all facts."""
        position, before = len(self.facts), None
        for _ in range(TURNS_MAX):
            self.do(gateway.on_submit_tick, ports=self.gateway)
            self.do(gateway.on_collect_tick, ports=self.gateway)
            while self.told < len(self.facts):
                self.tell(self.facts[self.told])
                self.told += 1
            for tick in (qa.on_advance_tick, qa.on_inspect_tick, qa.on_verdicts_tick):
                self.do(tick, ports=self.qa)
            state = (len(self.facts), self._digest())
            if state == before:
                return self.facts[position:]
            before = state
        raise AssertionError("expected rest")

    def tell(self, event: Event) -> None:
        """Deliver a fact to who consumes it."""
        if isinstance(event, TaskClosed):
            self.do(qa.on_task_closed, event, ports=self.qa)
        if isinstance(event, LabelReviewed):
            self.do(gateway.on_label_reviewed, event, ports=self.gateway)

    def promote(self, *, actor: str = "stella", role: Role = Role.DATA_STEWARD,
                round_id: str = "r1") -> dict[str, object]:  # fmt: skip
        """Give the data steward's command."""
        command = CommandRow(
            "c1", "qa", "label.promote", f'{{"round_id": "{round_id}", "reason": "looked"}}',
            actor, role.value, "pending",
        )  # fmt: skip
        with self.ledger.transaction() as tx:
            events, answer = qa.on_promote(command, tx=tx)
        assert events == []
        return dict(answer)

    def view(self, look: Callable[[Transaction], object]) -> object:
        with self.ledger.snapshot() as view:
            return look(view)

    def labels(self, round_id: str = "r1") -> list[LabelRevision]:
        with self.ledger.snapshot() as view:
            return list(view.labels.find(round_id=round_id))

    def states(self, round_id: str = "r1") -> dict[str, int]:
        """Count the latest label revisions by state."""
        counts: dict[str, int] = {}
        for label in self.labels(round_id):
            counts[label.state.value] = counts.get(label.state.value, 0) + 1
        return counts

    def tasks(self) -> list[TaskRow]:
        with self.ledger.snapshot() as view:
            return list(view.records.find(TASKS))

    def items(self) -> list[QaItemRow]:
        with self.ledger.snapshot() as view:
            return list(view.records.find(QA_ITEMS))

    def balances(self, kind: str) -> Balances:
        with self.ledger.snapshot() as view:
            found = view.money.balances(BudgetId(kind), PERIOD)
            view.money.verify_chain(BudgetId(kind))
        return found

    def facts_of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.facts if isinstance(event, kind)]

    def _tasks(self) -> list[tuple[str, str]]:
        return [(task.key, task.state) for task in self.tasks()]

    def _digest(self) -> object:
        with self.ledger.snapshot() as view:
            counts = (view.records.count(TASKS), view.records.count(QA_ITEMS))
            rows = view.records.find(QA_BATCHES)
            return counts, [(row.key, row.state, row.stage) for row in rows], view.labels.counts()

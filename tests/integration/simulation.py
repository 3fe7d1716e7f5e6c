"""A whole embedded world in one thread: all services, SQLite, files, and a clock turned by hand.

The composition roots are the real ones; only the names through which they reach the world
(ledger, bus, blobs, clock, runner) are exchanged, so that every write can be watched and broken.
"""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_bus import SqliteBus
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli.demo.world import BUDGETS, command
from winnow.contracts.mapping import from_message
from winnow.contracts.topics import TOPICS
from winnow.domain import tables
from winnow.domain.labels import LabelState
from winnow.domain.money import Account
from winnow.ports.blobs import Blobs
from winnow.ports.bus import Bus
from winnow.ports.ledger import Ledger
from winnow.ports.pipeline_runner import RunState
from winnow.runtime.worker import Worker
from winnow.testing.faults import CrashingBlobs, CrashingBus, CrashingLedger, CrashPlan
from winnow.testing.manual_clock import ManualClock

SERVICES = (
    "console", "embedding", "rounds", "scoring", "selection", "labeling_gateway", "qa", "retrain",
    "rollout",
)  # fmt: skip
ROUNDS = 2
INGEST = ("--source", "squares", "--holdout", "0.2", "--by", "cluster")
METERED = "auto_label_inference"
"""Spent as measured: two runs never take the same milliseconds."""
N_FRAMES, N_CLASSES, PIXELS = 40, 2, 12

POLICY = {
    "name": "tiny",
    "seed": 3,
    "selection": {"batch_size": 6},
    "training": {"members": 2, "epochs": 1, "steps_min": 0, "input_pixels": 8, "width": 4},
    "stopping": {"rounds_max": 2},
    "qa": {"defect_rate_max": 1.0},
}


class SyncRunner:
    """Runs a pipeline at once, in the caller's thread: a crash inside is the caller's crash."""

    def __init__(self, pipelines: Mapping[str, Callable[[Mapping[str, str]], None]]) -> None:
        self._pipelines = pipelines
        self._done: set[tuple[str, str]] = set()

    def start(self, pipeline: str, run_name: str, arguments: Mapping[str, str]) -> None:
        self._pipelines[pipeline](dict(arguments))
        self._done.add((pipeline, run_name))

    def state(self, pipeline: str, run_name: str) -> tuple[RunState, str]:
        done = (pipeline, run_name) in self._done
        return (RunState.SUCCEEDED if done else RunState.UNKNOWN), ""

    def close(self) -> None:
        self._done.clear()


@dataclass
class DurableCrashPlan(CrashPlan):
    """Counts besides how many writes brought the world forward."""

    n_durable: int = 0

    def after(self, name: str) -> None:
        """Count commits: what the others did may come again, and a duplicate is no progress."""
        self.n_durable += name == "commit"
        super().after(name)


@dataclass
class Simulation:
    """One state folder, and the processes that come and go on it."""

    state_dir: Path
    monkeypatch: pytest.MonkeyPatch
    plan: DurableCrashPlan = field(default_factory=DurableCrashPlan)
    clock: ManualClock = field(default_factory=ManualClock)

    def start(self) -> list[Worker]:
        """Start all services, as after a reboot."""
        self.monkeypatch.setenv("WINNOW_RETRAIN_RUNNER", "inline")
        self.monkeypatch.setenv("WINNOW_ROLLOUT_RUNNER", "inline")
        workers = []
        for name in SERVICES:
            module = importlib.import_module(f"{name}.app")
            for world_name, replacement in self._world().items():
                if hasattr(module, world_name):
                    self.monkeypatch.setattr(module, world_name, replacement)
            app = module.app
            workers.append(Worker(app.build(app.settings.embedded(self.state_dir))))
        return workers

    def stop(self, workers: list[Worker]) -> None:
        """Let go of files, and of leases: after a real kill -9 the owner is seen to be dead."""
        for worker in workers:
            worker.close()
            worker.service.close()

    def ledger(self) -> SqliteLedger:
        return SqliteLedger(self.state_dir / "ledger.db")

    def _world(self) -> dict[str, object]:
        return {
            "connect_ledger": self._crashing_ledger,
            "connect_bus": self._crashing_bus,
            "connect_blobs": self._crashing_blobs,
            "SystemClock": lambda: self.clock,
            "InlineRunner": SyncRunner,
        }

    def _crashing_ledger(self, url: str) -> Ledger:
        return CrashingLedger(SqliteLedger(Path(url.removeprefix("sqlite://"))), self.plan)

    def _crashing_bus(self, url: str) -> Bus:
        return CrashingBus(SqliteBus(Path(url.removeprefix("sqlite://"))), self.plan)

    def _crashing_blobs(self, url: str) -> Blobs:
        return CrashingBlobs(FileBlobs(Path(url.removeprefix("file://"))), self.plan)


def prepare(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, policy: Mapping[str, object] | None = None
) -> Simulation:
    """Given budgets, forty ingested frames and a round that a person asked for."""
    policy_file = folder / "policy.yaml"
    policy_file.write_text(yaml.safe_dump({**POLICY, **(policy or {})}))
    ask_for_rounds(folder, policy_file)
    return Simulation(state_dir=folder / "state", monkeypatch=monkeypatch)


def ask_for_rounds(folder: Path, policy_file: Path) -> None:
    """Type what a user types before `winnow up`."""
    state, log = ["--state", str(folder / "state")], folder / "cli.log"
    frames = write_frames(folder / "frames.npz")
    for kind, amount in BUDGETS:
        command(["budget", "allocate", kind, amount, *state], log=log)
    command(["ingest", str(frames), *INGEST, *state], log=log)
    command(["round", "open", "--policy", str(policy_file), *state], log=log)


def write_frames(path: Path) -> Path:
    """Write bright and dark squares that even one epoch can tell apart."""
    rng = np.random.default_rng(5)
    labels = np.arange(N_FRAMES) % N_CLASSES
    noise = rng.integers(0, 90, size=(N_FRAMES, PIXELS, PIXELS))
    images = (labels[:, None, None] * 120 + noise + 30).astype(np.uint8)
    np.savez(path, images=images, labels=labels, class_names=np.array(["dim", "lit"]))
    return path


def loop_ended(ledger: Ledger, *, rounds: int) -> bool:
    """Tell whether all rounds closed (or one halted) and nothing waits in any outbox."""
    with ledger.snapshot() as tx:
        rows = tx.records.find(tables.ROUNDS)
        closed = [row for row in rows if row.state in ("closed", "halted")]
        return len(closed) >= rounds and tx.boxes.backlog() == 0


@dataclass(frozen=True)
class End:
    """What must be the same however often a world was killed."""

    facts: dict[str, tuple[str, ...]]
    """Topic → keys of its facts, each fact once however often it was delivered."""
    states: dict[tuple[str, LabelState], int]
    spent: dict[str, int]
    reserved: dict[str, int]
    n_spending_entries: dict[str, int]
    batches: dict[str, str]
    labels: dict[str, str]
    rounds: dict[str, str]


def same(found: End, expected: End) -> None:
    assert found.facts == expected.facts
    assert found.states == expected.states
    assert found.labels == expected.labels
    assert found.rounds == expected.rounds
    assert found.reserved == expected.reserved
    for budget, amount in expected.spent.items():
        if budget != METERED:
            assert found.spent[budget] == amount, budget
    assert found.n_spending_entries == expected.n_spending_entries


def end_of(simulation: Simulation) -> End:
    """Read the end of a world; every budget's chain and balances are verified on the way."""
    ledger, bus = simulation.ledger(), SqliteBus(simulation.state_dir / "bus.db")
    spent: dict[str, int] = {}
    reserved: dict[str, int] = {}
    entries: Counter[str] = Counter()
    with ledger.snapshot() as tx:
        for budget in tx.money.budgets():
            tx.money.verify_chain(budget.budget_id)
            period = tx.money.open_period(budget.budget_id)
            balances = tx.money.balances(budget.budget_id, period)
            spent[budget.budget_id] = balances.spent
            reserved[budget.budget_id] = balances.reserved
            for entry in tx.money.entries(budget.budget_id):
                entries[f"{budget.budget_id}:{entry.operation}"] += entry.credit is Account.SPENT
        end = End(
            facts={topic.name: _keys(bus, topic.name, topic.key) for topic in TOPICS},
            states={(round_id, state): count for round_id, state, count in tx.labels.counts()},
            spent=spent,
            reserved=reserved,
            n_spending_entries=dict(entries),
            batches={row.key: row.manifest.sha256 for row in tx.records.find(tables.BATCHES)},
            labels={
                row.key.frame_id: json.dumps([row.value, row.key.revision])
                for row in tx.labels.find()
            },
            rounds={row.key: row.state for row in tx.records.find(tables.ROUNDS)},
        )
    ledger.close()
    bus.close()
    return end


def _keys(bus: SqliteBus, topic: str, key: str) -> tuple[str, ...]:
    """Give the keys of the distinct facts; twice the same key would be a fact stated twice.

    The facts themselves may differ between worlds: an answer says when it came.
    """
    envelopes = [from_message(one.message) for one in bus.read(f"winnow.{topic}")]
    facts = {envelope.event_id: str(getattr(envelope.data, key)) for envelope in envelopes}
    return tuple(sorted(facts.values()))

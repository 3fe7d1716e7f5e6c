"""What must be true of a state folder at the end, whatever was done to the world before."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_bus import SqliteBus
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli.replay import replay_round
from winnow.contracts.artifacts import read_manifest
from winnow.contracts.inspections import UNLABELABLE, purse_of
from winnow.contracts.manifests import Batch, Dataset
from winnow.contracts.mapping import from_message
from winnow.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS
from winnow.domain import tables
from winnow.domain.label_rules import APPROVED, RULES
from winnow.domain.labels import LabelState
from winnow.domain.money import BudgetKind
from winnow.policy.model import parse_policy
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Transaction

ENDED = {LabelState.REJECTED, *APPROVED}


def check_end(state_dir: Path) -> None:
    """Check a world whose rounds all ended: money, labels, facts, replay."""
    ledger, blobs = SqliteLedger(state_dir / "ledger.db"), FileBlobs(state_dir / "blobs")
    bus = SqliteBus(state_dir / "bus.db")
    try:
        with ledger.snapshot() as tx:
            check_money(tx, blobs)
            check_labels(tx)
            check_frames(tx, blobs)
            check_facts(tx, bus)
            numbers = [r.number for r in tx.records.find(tables.ROUNDS) if r.state == "closed"]
        for number in numbers:
            assert replay_round(number, ledger=ledger, blobs=blobs).identical
    finally:
        bus.close()
        ledger.close()


def check_money(tx: Transaction, blobs: Blobs) -> None:
    """Every reservation is resolved, and what was spent is what was done."""
    spent: Counter[str] = Counter()
    for budget in tx.money.budgets():
        tx.money.verify_chain(budget.budget_id)
        balances = tx.money.balances(budget.budget_id, tx.money.open_period(budget.budget_id))
        assert balances.reserved == 0, budget.budget_id
        held = tx.money.reservations(budget_id=budget.budget_id, open_only=False)
        assert {one.state for one in held} <= {"committed", "released", "expired"}
        assert sum(one.committed for one in held) == balances.spent
        spent[budget.kind] += balances.spent
    assert spent[BudgetKind.HUMAN_ANNOTATION] == sum(
        row.price_micros for row in tx.records.find(tables.TASKS) if row.state == "labeled"
    )
    done = _inspected(tx, blobs)
    for kind in (BudgetKind.LABEL_QA, BudgetKind.EXPERT_REVIEW):
        assert spent[kind] == done[kind], kind


def _inspected(tx: Transaction, blobs: Blobs) -> Counter[str]:
    """Give the price of all inspections that were done, by the budget that pays."""
    done: Counter[str] = Counter()
    for row in tx.records.find(tables.QA_BATCHES):
        batch = read_manifest(blobs, row.manifest, Batch)
        price = parse_policy(blobs.get(batch.policy), where="policy").money.review_price_micros
        for item in tx.records.find(tables.QA_ITEMS, group=row.key):
            if item.reviewer and UNLABELABLE not in item.defects:
                done[purse_of(item)] += price
    return done


def check_labels(tx: Transaction) -> None:
    """Every label went a lawful way, step by step, and none is left on the way."""
    for label in tx.labels.find(latest_only=False):
        steps = tx.labels.history(label.key)
        assert [step.version for step in steps] == list(range(1, label.version + 1))
        assert steps[-1].to_state is label.state
        for before, after in pairwise(steps):
            assert after.from_state is before.to_state
        assert all((step.from_state, step.to_state) in RULES for step in steps)
    unfinished = [one for one in tx.labels.find() if one.state not in ENDED]
    assert unfinished == []


def check_frames(tx: Transaction, blobs: Blobs) -> None:
    """A frame is bought again only after its label was rejected; data sets name each label once."""
    last: dict[tuple[str, str], LabelState] = {}
    batches: dict[str, list[str]] = {}
    for label in tx.labels.find(latest_only=False):
        last[label.key.frame_id, label.batch_id] = label.state
        in_batches = batches.setdefault(label.key.frame_id, [])
        if label.batch_id not in in_batches:
            in_batches.append(label.batch_id)
    for frame_id, found in batches.items():
        assert {last[frame_id, one] for one in found[:-1]} <= {LabelState.REJECTED}
    ordered = {(row.frame_id, row.batch_id) for row in tx.records.find(tables.TASKS)}
    assert ordered == set(last)
    promotions = tx.records.find(tables.PROMOTIONS)
    approved = tx.labels.find(states=APPROVED)
    for promotion in promotions:
        dataset = read_manifest(blobs, promotion.snapshot, Dataset)
        assert dataset.n_labels == promotion.n_labels
    assert max((one.n_labels for one in promotions), default=0) == len(approved)


def check_facts(tx: Transaction, bus: SqliteBus) -> None:
    """No fact is stated twice or lost, and nothing lies in a dead-letter topic."""
    assert tx.boxes.backlog() == 0
    stated: dict[str, dict[str, str]] = {}
    for topic in TOPICS:
        facts: dict[str, str] = {}
        for delivery in bus.read(f"winnow.{topic.name}"):
            envelope = from_message(delivery.message)
            facts[str(envelope.event_id)] = str(getattr(envelope.data, topic.key))
        assert len(set(facts.values())) == len(facts), topic.name
        assert list(bus.read(f"winnow.{topic.name}{DEAD_LETTER_SUFFIX}")) == []
        stated[topic.name] = facts
    tasks = {row.key for row in tx.records.find(tables.TASKS)}
    assert set(stated["task.closed.v1"].values()) == tasks
    judged = {
        row.key for row in tx.records.find(tables.QA_ITEMS)
        if row.state in {"passed", "returned"} or (row.state == "rejected" and row.label)
    }  # fmt: skip
    assert set(stated["label.reviewed.v1"].values()) == judged

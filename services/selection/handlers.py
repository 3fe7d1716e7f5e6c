"""Scored pool → proposed batch → approved batch whose money is reserved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from selection import metrics
from winnow.contracts.amendments import amend, amendment_of
from winnow.contracts.artifacts import JSON, read_manifest
from winnow.contracts.batches import PREFIX, Sources
from winnow.contracts.manifests import Batch, Scores, Snapshot
from winnow.contracts.orders import (
    annotation_batch,
    budget_of,
    label_evidence,
    orders_of,
    prices_of_tasks,
    proposed_row,
    reservations_of,
    reserve,
)
from winnow.contracts.proposals import StoredProposal, store_proposal
from winnow.contracts.score_ages import why_score_again
from winnow.contracts.selection_terms import (
    SelectionTerms,
    approved_batches,
    available_micros,
    selection_terms,
)
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, Conflict, NotFound
from winnow.domain.events import BatchSelected, Event, PoolScored, RoundHalted, ScoreKind, Stage
from winnow.domain.ids import BatchId, FrameId, RoundId, batch_id_of, derived_uuid
from winnow.domain.labels import Actor, Role
from winnow.domain.money import BudgetKind, Release
from winnow.domain.tables import BATCHES, ROUNDS, TASKS, BatchRow, CommandRow
from winnow.evidence.annotation_batch import TaskOrder
from winnow.evidence.artifact import Producer
from winnow.kernels.protocol import DistanceKernel
from winnow.policy.model import Policy, stored_policy
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.ledger import Ledger, Transaction

AUTOMATIC = "policy"
"""Who approves where the policy says `automatic`."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the handlers need from the world."""

    ledger: Ledger
    blobs: Blobs
    clock: Clock
    producer: Producer
    kernel: DistanceKernel | None = None
    """Backend that measures distances; none: the CPU."""


def on_pool_scored(event: PoolScored, *, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Propose the round's batch; let it go at once if the policy says so.

    The choice is made from a read-only view. Only if another round took its frames or its money
    meanwhile is it made again inside the transaction, where nobody can.
    """
    if event.kind is ScoreKind.COMMITTEE and event.scores is None:
        return [_halted(event.round_id, "the pool was scored by a committee, but without scores")]
    policy = stored_policy(ports.blobs.get(event.policy), where=event.policy.key)
    snapshot = read_manifest(ports.blobs, event.snapshot, Snapshot)
    batch_id = batch_id_of(event.round_id)
    with ports.ledger.snapshot() as view:
        if view.records.get(BATCHES, batch_id) is not None:
            return []
        terms = selection_terms(view, ports.blobs, policy, snapshot)
        stale = why_score_again(
            view, ports.blobs, policy.scoring.rescoring, _scored_by(event, ports)
        )
    if stale:
        return [_halted(event.round_id, f"{stale}; open a round again")]
    try:
        stored, order = _prepare(event, terms, policy, ports)
        if stored.batch is not None and (
            stored.batch.price_micros > available_micros(tx, snapshot)
            or approved_batches(tx) != terms.approved
        ):
            stored, order = _prepare(
                event, selection_terms(tx, ports.blobs, policy, snapshot), policy, ports
            )
    except BadInput as error:  # a column that the policy names and no frame has: no retry helps
        return [_halted(event.round_id, str(error))]
    if stored.batch is None or stored.manifest is None:
        return [_halted(event.round_id, stored.why_empty())]
    row = proposed_row(stored.batch, stored.manifest)
    if not tx.records.insert(BATCHES, row):
        return []
    metrics.BATCHES.labels(outcome="proposed").inc()
    return [] if order is None else [_approve(row, stored.batch, order, tx=tx)]


def on_approve(
    command: CommandRow, *, tx: Transaction, ports: Ports
) -> tuple[Sequence[Event], Mapping[str, object]]:
    """Let a proposed batch go: `{"batch_id": …}`."""
    row = _proposed(tx, command)
    batch = read_manifest(ports.blobs, row.manifest, Batch)
    event = _approve(row, batch, _order(batch, row.manifest, command.actor, ports), tx=tx)
    return [event], {"batch_id": row.key, "state": "approved", "n_tasks": event.n_tasks}


def on_amend(
    command: CommandRow, *, tx: Transaction, ports: Ports
) -> tuple[Sequence[Event], Mapping[str, object]]:
    """Change a proposed batch, then let it go.

    `{"batch_id": …, "removed": [frame ids], "added": [frame ids], "reason": …}`.
    """
    row = _proposed(tx, command)
    change = amendment_of(_arguments(command), author=command.actor, at=ports.clock.now())
    batch, manifest = amend(ports.blobs, row.manifest, change)
    row = proposed_row(batch, manifest)
    event = _approve(row, batch, _order(batch, row.manifest, command.actor, ports), tx=tx)
    answer = {"batch_id": row.key, "state": "approved", "n_tasks": event.n_tasks}
    return [event], {**answer, "n_frames": row.n_frames}


def on_reject(
    command: CommandRow, *, tx: Transaction, ports: Ports
) -> tuple[Sequence[Event], Mapping[str, object]]:
    """Refuse a proposed batch, `{"batch_id": …, "reason": …}`: its round halts."""
    row = _proposed(tx, command)
    tx.records.update(
        BATCHES, row.key, lambda old: replace(old, state="rejected", decided_by=command.actor)
    )
    metrics.BATCHES.labels(outcome="rejected").inc()
    said = str(_arguments(command).get("reason", "")) or "no reason given"
    reason = f"batch {row.key} rejected by {command.actor}: {said}"
    return [_halted(RoundId(row.round_id), reason)], {"batch_id": row.key, "state": "rejected"}


def on_expiry_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Give back annotation money whose deadline passed before its task existed.

    Reservations that have a task are the labeling gateway's, which knows whether it is answered.
    """
    now = ports.clock.now()
    with ports.ledger.snapshot() as view:
        overdue = [
            reservation
            for budget in view.money.budgets()
            if budget.kind is BudgetKind.HUMAN_ANNOTATION
            for reservation in view.money.reservations(budget_id=budget.budget_id, expired_at=now)
            if view.records.get(TASKS, reservation.subject) is None
        ]
    for reservation in overdue:
        if tx.records.get(TASKS, reservation.subject) is None:
            transfer_id = derived_uuid("expire", reservation.reservation_id)
            reason = "no task was made of it before its deadline"
            tx.money.release(
                Release(transfer_id, reservation.reservation_id, reason, now, expired=True)
            )
            metrics.EXPIRED.inc()
    return []


def _scored_by(event: PoolScored, ports: Ports) -> str:
    """Give the committee version of the scores, which is that of the snapshot or a newer one."""
    if event.scores is None:
        return ""
    return read_manifest(ports.blobs, event.scores, Scores).committee_version


def _propose(event: PoolScored, terms: SelectionTerms, ports: Ports) -> StoredProposal:
    started = ports.clock.now()
    sources = Sources(
        round_id=event.round_id,
        snapshot=event.snapshot,
        scores=event.scores,
        policy=event.policy,
        seed=event.seed,
        affordable_micros=terms.available,
        held=terms.held,
        n_asked=terms.n_asked,
    )
    stored = store_proposal(
        ports.blobs, sources, producer=ports.producer, at=started, kernel=ports.kernel
    )
    seconds = (ports.clock.now() - started).total_seconds()
    metrics.SECONDS.labels(strategy=stored.proposal.strategy).observe(seconds)
    return stored


@dataclass(frozen=True, slots=True)
class _Order:
    """All of an approval that needs no transaction."""

    tasks: tuple[TaskOrder, ...]
    prices: Mapping[str, int]
    evidence: BlobRef
    strategy: str
    by: str
    at: datetime
    due_at: datetime


def _prepare(
    event: PoolScored, terms: SelectionTerms, policy: Policy, ports: Ports
) -> tuple[StoredProposal, _Order | None]:
    """Give the proposal and, if nobody is to be asked, its order."""
    stored = _propose(event, terms, ports)
    if stored.batch is None or stored.manifest is None or policy.approval.mode == "person":
        return stored, None
    return stored, _order(stored.batch, stored.manifest, AUTOMATIC, ports)


def _order(batch: Batch, manifest: BlobRef, by: str, ports: Ports) -> _Order:
    policy = stored_policy(ports.blobs.get(batch.policy), where=batch.policy.key)
    at = ports.clock.now()
    due_at = at + timedelta(hours=policy.label.task_timeout_hours)
    tasks = orders_of(ports.blobs, batch)
    evidence = annotation_batch(
        batch, manifest, tasks, approved_by=by, producer=ports.producer, at=at, due_at=due_at
    )
    ref = ports.blobs.put(
        evidence.model_dump_json().encode(), prefix=f"{PREFIX}/evidence", media_type=JSON
    )
    return _Order(tasks, prices_of_tasks(ports.blobs, batch), ref, batch.strategy, by, at, due_at)


def _approve(row: BatchRow, batch: Batch, order: _Order, *, tx: Transaction) -> BatchSelected:
    """Reserve all of a batch's money or nothing, make its frames candidates, state the fact."""
    period = tx.money.open_period(budget_of(batch))
    requests = reservations_of(
        batch, order.tasks, order.prices, period=period, at=order.at, due_at=order.due_at
    )
    reserve(tx.money, batch, requests)
    tx.labels.begin(
        [FrameId(task.frame_id) for task in order.tasks if task.slot == 0],
        batch.label_task,
        round_id=batch.round_id,
        batch_id=batch.batch_id,
        actor=Actor("selection", Role.SELECTOR),
        evidence=label_evidence(batch),
        at=order.at,
    )
    approved = replace(row, state="approved", decided_by=order.by, evidence=order.evidence)
    tx.records.update(BATCHES, row.key, lambda _: approved)
    metrics.BATCHES.labels(outcome="approved").inc()
    metrics.FRAMES.labels(strategy=order.strategy).inc(row.n_frames)
    return BatchSelected(
        round_id=RoundId(batch.round_id),
        batch_id=BatchId(batch.batch_id),
        n_tasks=len(order.tasks),
        manifest=row.manifest,
    )


def _proposed(tx: Transaction, command: CommandRow) -> BatchRow:
    """Give the batch that a command is about, if it still waits and its round still runs."""
    batch_id = str(_arguments(command).get("batch_id", ""))
    row = tx.records.get(BATCHES, batch_id)
    if row is None:
        msg = f"batch: expected the id of a proposed batch, found {batch_id!r}"
        raise NotFound(msg)
    turn = tx.records.get(ROUNDS, row.round_id)
    state = row.state if turn is None or turn.state not in {"halted", "closed"} else turn.state
    if state != "proposed":
        msg = f"batch {batch_id}: expected state proposed, found {state}"
        raise Conflict(msg)
    return row


def _arguments(command: CommandRow) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads(command.arguments)
    return found


def _halted(round_id: RoundId, reason: str) -> RoundHalted:
    metrics.BATCHES.labels(outcome="halted").inc()
    return RoundHalted(
        round_id=round_id, stage=Stage.SELECTION, reason=reason, kept="snapshot and scores"
    )

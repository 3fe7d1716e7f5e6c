"""What rounds does with its inputs: one function each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pydantic import TypeAdapter, ValidationError

from rounds import metrics
from winnow.constraints.gates import Gate
from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Members
from winnow.contracts.round_money import release_round, reserve_inference
from winnow.contracts.round_opening import (
    WrittenSnapshot,
    check_may_open,
    look,
    why_not_yet,
    write_snapshot,
)
from winnow.contracts.round_progress import progress_after
from winnow.contracts.round_stage import stage_of
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, Conflict, DomainError, NotFound
from winnow.domain.events import (
    CommitteeRolled,
    Event,
    FramesEmbedded,
    LabelApprovalEnded,
    RoundHalted,
    RoundOpened,
)
from winnow.domain.ids import CommitteeVersion, RoundId
from winnow.domain.tables import (
    POOL_SHARDS,
    ROUNDS,
    ROUNDS_EXCEPTIONS,
    CommandRow,
    EmbeddedShardRow,
    ExceptionRow,
    RoundRow,
)
from winnow.policy.model import Policy, parse_policy, stored_policy
from winnow.policy.rounds import ENDED, closed_round, next_round, opened_once, waits_for_rounds
from winnow.policy.stopping import stop_record, verdicts_of
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.ledger import Ledger, Transaction
from winnow.stopping import first_to_stop
from winnow.telemetry import logs

log = logs.get_logger()

MONEY_PAUSE = timedelta(seconds=30)
"""A snapshot that was too expensive is not taken again before this."""
_REF = TypeAdapter(BlobRef)


@dataclass(frozen=True, slots=True)
class Ports:
    """What the handlers need from the world, and their limits."""

    ledger: Ledger
    blobs: Blobs
    clock: Clock
    open_max: int = 2
    stuck_after: timedelta = timedelta(hours=48)


def on_frames_embedded(event: FramesEmbedded, /, *, tx: Transaction) -> Sequence[Event]:
    """Take a shard into the pool; one that was embedded again takes its own place."""
    row = EmbeddedShardRow(
        key=event.shard_id,
        encoder_version=event.encoder_version,
        n_frames=event.n_frames,
        n_blocked_by_gate=event.n_blocked_by_gate,
        embedded=event.embedded,
    )
    if tx.records.insert(POOL_SHARDS, row):
        metrics.POOL_SHARDS.inc()
    else:
        tx.records.update(POOL_SHARDS, row.key, lambda _: row)
    return []


def on_round_open(
    command: CommandRow, *, tx: Transaction, ports: Ports
) -> tuple[Sequence[Event], Mapping[str, object]]:
    """Ask for a round: `{"policy": reference, "opened_by": name}`, maybe a lower `open_max`."""
    arguments = json.loads(command.arguments)
    open_max = min(ports.open_max, arguments.get("open_max", ports.open_max))
    try:
        ref = _REF.validate_python(arguments.get("policy"))
    except ValidationError as error:
        msg = f"round.open: expected the reference of a policy, found {arguments.get('policy')!r}"
        raise BadInput(msg) from error
    policy = parse_policy(ports.blobs.get(ref), where=ref.key)
    rounds = tx.records.find(ROUNDS)
    check_may_open(tx, policy, rounds, open_max=open_max)
    row = next_round(rounds, policy, ref, opened_by=arguments.get("opened_by") or command.actor)
    if not tx.records.insert(ROUNDS, row):
        msg = f"round {row.key}: somebody else opened it at the same moment; try again"
        raise Conflict(msg)
    metrics.ROUNDS.labels("requested").inc()
    return [], {"round_id": row.key, "number": row.number, "state": row.state}


def on_open_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Open the oldest requested round as soon as the whole pool is embedded."""
    with ports.ledger.snapshot() as view:
        rounds = view.records.find(ROUNDS)
        requested = sorted((r for r in rounds if r.state == "requested"), key=lambda r: r.number)
        metrics.WAITING.set(len(requested))
        if not requested or _pauses(requested[0], ports):
            return []
        row = requested[0]
        policy = stored_policy(ports.blobs.get(row.policy), where=row.policy.key)
        waits = waits_for_rounds(rounds, open_max=ports.open_max) or why_not_yet(view)
        world = None if waits else look(view, policy)
    if world is None:
        return _wait(tx, row, waits, ports=ports)
    try:
        written = write_snapshot(ports.blobs, row, policy, world)
    except DomainError as error:  # damaged tables stay damaged: no retry can open this round
        return _halt_unopened(tx, row, f"snapshot: {error}")
    return _open(tx, row, policy, written, ports)


def on_committee_rolled(
    event: CommitteeRolled, /, *, tx: Transaction, ports: Ports
) -> Sequence[Event]:
    """Close the round, ask the stopping rules, ask for the next round unless one says stop."""
    members = read_manifest(ports.blobs, event.members, Members)
    with ports.ledger.snapshot() as view:
        row = _existing(view, event.round_id)
        policy = stored_policy(ports.blobs.get(row.policy), where=row.policy.key)
        others = [other for other in view.records.find(ROUNDS) if other.key != row.key]
        rounds = [*others, closed_round(row, members.metrics)]
        progress = progress_after(view, ports.blobs, rounds, policy, newest=members)
    row = _existing(tx, event.round_id)
    if row.state in ENDED:
        return []
    closed = closed_round(row, members.metrics)
    others = [other for other in tx.records.find(ROUNDS) if other.key != row.key]
    verdicts = verdicts_of(policy.stopping, progress)
    tx.records.update(ROUNDS, row.key, lambda _: replace(closed, stop=stop_record(verdicts)))
    metrics.ROUNDS.labels("closed").inc()
    if first_to_stop(verdicts) is None:
        after = f"after {row.key}"
        following = next_round([*others, closed], policy, row.policy, opened_by=after)
        tx.records.insert(ROUNDS, following)
        metrics.ROUNDS.labels("requested").inc()
    return []


def on_round_halted(event: RoundHalted, /, *, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Give back every open reservation of the round; it does not go on by itself."""
    row = _existing(tx, event.round_id)
    if row.state == "closed":
        return []
    reason = f"{event.stage}: {event.reason}" + (f"; kept: {event.kept}" if event.kept else "")
    at = ports.clock.now()
    release_round(tx.money, event.round_id, reason=f"round halted: {reason}", at=at)
    if row.state != "halted":
        halted = replace(row, state="halted", reason=reason, due_at=None)
        tx.records.update(ROUNDS, row.key, lambda _: halted)
        metrics.ROUNDS.labels("halted").inc()
    return []


def on_approval_ended(event: LabelApprovalEnded, /, *, tx: Transaction) -> Sequence[Event]:
    """Leave it to a person whether the data sets that used the label must be made again."""
    subject = f"{event.frame_id}/{event.label_task}/{event.revision}"
    detail = {"reason": event.reason, "dataset_ids": list(event.dataset_ids)}
    row = ExceptionRow(
        key=f"approval-ended/{subject}",
        service="rounds",
        kind="approval_ended",
        subject=subject,
        detail=json.dumps(detail, sort_keys=True, separators=(",", ":")),
        state="open",
        round_id=event.round_id,
    )
    if tx.records.insert(ROUNDS_EXCEPTIONS, row):
        metrics.APPROVALS_ENDED.inc()
    return []


def on_stuck_tick(*, tx: Transaction, ports: Ports) -> Sequence[Event]:
    """Say of rounds that have been open too long at which stage they hang."""
    now = ports.clock.now()
    with ports.ledger.snapshot() as view:
        overdue = view.records.find(ROUNDS, state="open", due_before=now)
        reasons = {row.key: stage_of(view.records, row.key) for row in overdue}
        stuck = [r for r in view.records.find(ROUNDS, state="open") if r.reason]
    metrics.STUCK.set(len({row.key for row in [*overdue, *stuck]}))
    for row in overdue:
        reason = f"stuck: {reasons[row.key]}"
        log.warning("round.stuck", round_id=row.key, reason=reason)
        due_at = now + ports.stuck_after
        tx.records.update(ROUNDS, row.key, partial(_hung, reason=reason, due_at=due_at))
    return []


def _hung(row: RoundRow, *, reason: str, due_at: datetime) -> RoundRow:
    return replace(row, reason=reason, due_at=due_at) if row.state == "open" else row


def _open(
    tx: Transaction, row: RoundRow, policy: Policy, written: WrittenSnapshot, ports: Ports
) -> Sequence[Event]:
    snapshot = written.snapshot
    _show(written)
    if snapshot.n_eligible == 0:
        gates = ", ".join(f"{gate} {n}" for gate, n in written.blocked.items()) or "no frames left"
        return _halt_unopened(tx, row, f"pool exhausted: 0 of {snapshot.n_frames} ({gates})")
    if _existing(tx, RoundId(row.key)).state != "requested":
        return []
    refusal = reserve_inference(
        tx.money,
        RoundId(row.key),
        policy,
        n_eligible=snapshot.n_eligible,
        n_members=written.n_members,
        at=ports.clock.now(),
    )
    if refusal:
        return _wait(tx, row, refusal, until=MONEY_PAUSE, ports=ports)
    opened = replace(
        row,
        state="open",
        committee_version=snapshot.committee_version,
        members=snapshot.members,
        snapshot=written.ref,
        n_frames=snapshot.n_eligible,
        reason="",
        due_at=ports.clock.now() + ports.stuck_after,
    )
    tx.records.update(ROUNDS, row.key, partial(opened_once, opened))
    metrics.ROUNDS.labels("opened").inc()
    return [_opened(opened, written)]


def _opened(row: RoundRow, written: WrittenSnapshot) -> RoundOpened:
    return RoundOpened(
        round_id=RoundId(row.key),
        committee_version=CommitteeVersion(row.committee_version),
        n_frames=row.n_frames,
        policy=row.policy,
        policy_sha256=row.policy_sha256,
        seed=row.seed,
        budget_ids=written.snapshot.budget_ids,
        snapshot=written.ref,
    )


def _wait(
    tx: Transaction, row: RoundRow, reason: str, *, until: timedelta | None = None, ports: Ports
) -> Sequence[Event]:
    """Keep the round requested and say why; write only what is new."""
    due_at = None if until is None else ports.clock.now() + until
    if (row.reason, row.due_at) != (reason, due_at):
        tx.records.update(ROUNDS, row.key, lambda r: replace(r, reason=reason, due_at=due_at))
    return []


def _halt_unopened(tx: Transaction, row: RoundRow, reason: str) -> Sequence[Event]:
    halted = replace(row, state="halted", reason=reason, due_at=None)
    tx.records.update(ROUNDS, row.key, lambda r: halted if r.state == "requested" else r)
    metrics.ROUNDS.labels("halted").inc()
    return []


def _pauses(row: RoundRow, ports: Ports) -> bool:
    return row.due_at is not None and ports.clock.now() < row.due_at


def _existing(tx: Transaction, round_id: RoundId) -> RoundRow:
    row = tx.records.get(ROUNDS, round_id)
    if row is None:
        msg = f"expected round {round_id!r}, found none of this id"
        raise NotFound(msg)
    return row


def _show(written: WrittenSnapshot) -> None:
    snapshot = written.snapshot
    metrics.SNAPSHOT_FRAMES.labels("eligible").set(snapshot.n_eligible)
    metrics.SNAPSHOT_FRAMES.labels("blocked").set(snapshot.n_frames - snapshot.n_eligible)
    for gate in Gate:
        metrics.BLOCKED.labels(gate).set(written.blocked.get(gate, 0))

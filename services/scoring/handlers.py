"""What scoring does with its inputs: one function each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from scoring.metrics import COVERAGE, FRAMES, OVERRUN, PART_SECONDS, RUNS
from winnow.contracts.artifacts import read_manifest, write_manifest
from winnow.contracts.manifests import Members, Scores, Snapshot
from winnow.contracts.score_ages import newest_committee, why_score_again
from winnow.contracts.scoring_runs import (
    coverage,
    nothing_scored,
    pool_scored,
    shortfall,
    temperatures_of,
)
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Conflict, DomainError
from winnow.domain.events import Event, RoundHalted, RoundOpened, Stage
from winnow.domain.ids import (
    CommitteeVersion,
    Micros,
    RoundId,
    derived_uuid,
    inference_reservation_id,
)
from winnow.domain.money import Commit
from winnow.domain.rows import ScoringRunRow
from winnow.domain.tables import SCORING_RUNS
from winnow.policy.model import stored_policy
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.committee import Committee
from winnow.ports.ledger import Ledger, Transaction
from winnow.tasks.part_scoring import gather_parts, score_part
from winnow.telemetry import logs

log = logs.get_logger()


def on_round_opened(
    event: RoundOpened, /, *, tx: Transaction, blobs: Blobs, clock: Clock
) -> Sequence[Event]:
    """Pass a round without committee on; for any other begin the barrier over its parts."""
    snapshot = read_manifest(blobs, event.snapshot, Snapshot)
    if snapshot.members is None:
        RUNS.labels("none").inc()
        return [nothing_scored(event, snapshot)]
    deadline = stored_policy(blobs.get(event.policy)).scoring.deadline_minutes
    row = ScoringRunRow(
        key=event.round_id,
        state="scoring",
        n_parts=len(snapshot.parts),
        parts=(),
        answered=(),
        gpu_ms=0,
        members_answered=(),
        committee_version=event.committee_version,
        members=snapshot.members,
        snapshot=event.snapshot,
        policy=event.policy,
        seed=event.seed,
        due_at=clock.now() + timedelta(minutes=deadline),
    )
    tx.records.insert(SCORING_RUNS, row)
    return []


def on_parts_tick(
    *,
    tx: Transaction,
    ledger: Ledger,
    blobs: Blobs,
    committee: Committee,
    clock: Clock,
    frames_per_call: int,
) -> Sequence[Event]:
    """Score the next part of the snapshot that is due first; close its barrier after the last."""
    with ledger.snapshot() as view:
        rows = view.records.find(SCORING_RUNS, state="scoring")
        if not rows:
            return []
        row = min(rows, key=lambda one: (one.due_at is None, one.due_at, one.key))
        again = _again(view, row, blobs, clock)
    if again is not None:
        tx.records.update(SCORING_RUNS, row.key, partial(_restarted, again))
        return []
    snapshot = read_manifest(blobs, row.snapshot, Snapshot)
    overdue = row.due_at is not None and clock.now() >= row.due_at
    if not overdue and len(row.parts) < row.n_parts:
        try:
            row = _with_next_part(row, snapshot, blobs, committee, frames_per_call)
        except DomainError as error:  # damaged bytes stay damaged: no retry can score them
            return _close(row, snapshot, tx=tx, blobs=blobs, clock=clock, halted=str(error))
    if overdue or len(row.parts) == row.n_parts:
        return _close(row, snapshot, tx=tx, blobs=blobs, clock=clock)
    tx.records.update(SCORING_RUNS, row.key, partial(_further, row))
    return []


def _again(
    view: Transaction, row: ScoringRunRow, blobs: Blobs, clock: Clock
) -> ScoringRunRow | None:
    """Give the run from its beginning with the newest committee, if its own is too old by now.

    None, too, where that could not be: it began anew often enough, the money does not reach, or
    the newest committee learned something else. Selection then halts the round and says why.
    """
    newest = newest_committee(view)
    if newest is None or newest.key == row.committee_version:
        return None
    section = stored_policy(blobs.get(row.policy)).scoring
    reason = why_score_again(view, blobs, section.rescoring, row.committee_version)
    if not reason or row.n_again >= section.rescoring.again_max or not _affords(view, row):
        return None
    members = (read_manifest(blobs, ref, Members) for ref in (row.members, newest.members))
    before, now = ((one.class_names, one.label_kind) for one in members)
    if before != now:
        return None
    log.info("scoring.again", round_id=row.key, committee=newest.key, reason=reason)
    return replace(
        row,
        parts=(),
        answered=(),
        members_answered=(),
        committee_version=newest.key,
        members=newest.members,
        due_at=clock.now() + timedelta(minutes=section.deadline_minutes),
        n_again=row.n_again + 1,
    )


def _affords(view: Transaction, row: ScoringRunRow) -> bool:
    """Tell whether what is left of the reservation pays all parts at the price so far."""
    reservation = view.money.reservation(inference_reservation_id(RoundId(row.key)))
    if reservation is None or not row.parts:
        return True
    return row.gpu_ms + row.gpu_ms / len(row.parts) * row.n_parts <= reservation.amount


def _restarted(new: ScoringRunRow, old: ScoringRunRow) -> ScoringRunRow:
    """Begin anew, unless another process did or closed the barrier; keep what it paid for."""
    if old.state != "scoring" or old.n_again != new.n_again - 1:
        return old
    RUNS.labels("again").inc()
    return replace(new, gpu_ms=old.gpu_ms)


def _further(new: ScoringRunRow, old: ScoringRunRow) -> ScoringRunRow:
    """Keep what another process got further with: a barrier that it closed or began anew."""
    same = old.state == "scoring" and old.n_again == new.n_again
    return new if same and len(new.parts) > len(old.parts) else old


def _with_next_part(
    row: ScoringRunRow,
    snapshot: Snapshot,
    blobs: Blobs,
    committee: Committee,
    frames_per_call: int,
) -> ScoringRunRow:
    done = {pos for pos, _ in row.parts}
    pos = next(pos for pos in range(row.n_parts) if pos not in done)
    scored = score_part(
        blobs,
        committee,
        snapshot.parts[pos],
        version=CommitteeVersion(row.committee_version),
        members=row.members,
        n_classes=len(snapshot.class_names),
        frames_per_call=frames_per_call,
        prefix=_prefix(row.key),
        label_kind=snapshot.label_kind,
        able=row.members_answered if row.parts else None,
    )
    if scored.n_left_out:
        log.warning("scoring.left_out", round_id=row.key, part=pos, n_frames=scored.n_left_out)
    FRAMES.inc(scored.n_scored)
    PART_SECONDS.observe(scored.compute_ms / 1000)
    first = not row.parts
    return replace(
        row,
        parts=(*row.parts, (pos, scored.scores)),
        answered=(*row.answered, scored.answered),
        gpu_ms=row.gpu_ms + scored.compute_ms,
        members_answered=tuple(
            member for member in scored.answered if first or member in row.members_answered
        ),
    )


def _close(
    row: ScoringRunRow,
    snapshot: Snapshot,
    *,
    tx: Transaction,
    blobs: Blobs,
    clock: Clock,
    halted: str = "",
) -> list[Event]:
    """Write the scores manifest, pay for what was computed, say how it ended."""
    scores, n_scored, members = _write_scores(row, snapshot, blobs)
    row = replace(row, members_answered=members)
    stored = tx.records.get(SCORING_RUNS, row.key)
    if stored is None or stored.state != "scoring" or stored.n_again != row.n_again:
        return []  # another process was faster; what it stated counts
    section = stored_policy(blobs.get(row.policy)).scoring
    reason = halted or shortfall(row, section, n_scored, snapshot.n_eligible)
    state = "incomplete" if reason else "scored"
    tx.records.update(
        SCORING_RUNS, row.key, partial(_ended, replace(row, state=state, due_at=None))
    )
    _pay(row, tx=tx, clock=clock)
    RUNS.labels(state).inc()
    COVERAGE.set(coverage(n_scored, snapshot.n_eligible))
    if reason:
        kept = f"scores of {n_scored} frames: {scores.key}"
        return [RoundHalted(RoundId(row.key), Stage.SCORING, reason, kept)]
    n_eligible = snapshot.n_eligible
    return [pool_scored(row, scores, n_scored=n_scored, n_eligible=n_eligible, blobs=blobs)]


def _ended(new: ScoringRunRow, old: ScoringRunRow) -> ScoringRunRow:
    """Close the barrier; where two processes close it at once, the later one rolls back."""
    if old.state != "scoring" or old.n_again != new.n_again:
        msg = f"scoring of {old.key}: expected state scoring, found {old.state}"
        raise Conflict(msg)
    return new


def _write_scores(
    row: ScoringRunRow, snapshot: Snapshot, blobs: Blobs
) -> tuple[BlobRef, int, tuple[str, ...]]:
    by_pos = {
        pos: (ref, answered) for (pos, ref), answered in zip(row.parts, row.answered, strict=True)
    }
    gathered = gather_parts(
        blobs,
        [by_pos.get(pos) for pos in range(row.n_parts)],
        members=row.members_answered,
        n_classes=len(snapshot.class_names),
        prefix=_prefix(row.key),
        label_kind=snapshot.label_kind,
    )
    scores = Scores(
        round_id=row.key,
        committee_version=row.committee_version,
        members=gathered.members,
        class_names=snapshot.class_names,
        parts=gathered.parts,
        n_scored=gathered.n_scored,
        member_digests=gathered.digests,
        committee=row.members,
        label_kind=snapshot.label_kind,
        temperatures=temperatures_of(row, gathered.members, blobs=blobs),
    )
    ref = write_manifest(blobs, scores, prefix=_prefix(row.key))
    return ref, gathered.n_scored, gathered.members


def _pay(row: ScoringRunRow, *, tx: Transaction, clock: Clock) -> None:
    """Commit what was measured, at most what was reserved; the rest flows back."""
    reservation_id = inference_reservation_id(RoundId(row.key))
    reservation = tx.money.reservation(reservation_id)
    if reservation is None:
        log.warning("scoring.unreserved", round_id=row.key, gpu_ms=row.gpu_ms)
        return
    beyond = max(0, row.gpu_ms - reservation.amount)
    commit = Commit(
        transfer_id=derived_uuid("commit", reservation_id),
        reservation_id=reservation_id,
        amount=Micros(row.gpu_ms - beyond),
        at=clock.now(),
    )
    outcome = tx.money.commit(commit)
    if beyond or not outcome.applied:
        OVERRUN.inc(beyond)
        log.warning("scoring.overrun", round_id=row.key, gpu_ms=beyond, outcome=outcome.kind.value)


def _prefix(round_id: str) -> str:
    return f"scores/{round_id}"

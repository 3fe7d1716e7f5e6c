"""What a scoring run comes to: its scores, how much of the pool they cover, what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Members, Snapshot
from winnow.domain.blob_ref import BlobRef
from winnow.domain.events import PoolScored, RoundOpened, ScoreKind
from winnow.domain.ids import RoundId
from winnow.domain.rows import ScoringRunRow
from winnow.policy.round_sections import ScoringSection
from winnow.ports.blobs import Blobs


def pool_scored(
    row: ScoringRunRow, scores: BlobRef, *, n_scored: int, n_eligible: int, blobs: Blobs
) -> PoolScored:
    """State what a committee scored."""
    members = read_manifest(blobs, row.members, Members).members
    return PoolScored(
        round_id=RoundId(row.key),
        kind=ScoreKind.COMMITTEE,
        n_frames=n_eligible,
        n_scored=n_scored,
        members_expected=tuple(member.name for member in members),
        members_answered=row.members_answered,
        gpu_ms=row.gpu_ms,
        scores=scores,
        snapshot=row.snapshot,
        policy=row.policy,
        seed=row.seed,
    )


def temperatures_of(
    row: ScoringRunRow, answered: Sequence[str], *, blobs: Blobs
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Give by what temperatures the outputs of the members that answered were calibrated."""
    members = read_manifest(blobs, row.members, Members).members
    return tuple((one.name, one.temperatures) for one in members if one.name in answered)


def nothing_scored(event: RoundOpened, snapshot: Snapshot) -> PoolScored:
    """State that a round has no committee to score its pool with."""
    return PoolScored(
        round_id=event.round_id,
        kind=ScoreKind.NONE,
        n_frames=snapshot.n_eligible,
        n_scored=0,
        members_expected=(),
        members_answered=(),
        gpu_ms=0,
        scores=None,
        snapshot=event.snapshot,
        policy=event.policy,
        seed=event.seed,
    )


def coverage(n_scored: int, n_eligible: int) -> float:
    """Give the share of eligible frames that have scores, 0 to 1; 1 of an empty pool."""
    return n_scored / n_eligible if n_eligible else 1.0


def shortfall(row: ScoringRunRow, section: ScoringSection, n_scored: int, n_eligible: int) -> str:
    """Say what is missing for selection to go on, or nothing."""
    share = coverage(n_scored, n_eligible)
    if share < section.coverage_min:
        whole = len(row.parts) == row.n_parts
        left_out = "; frames that other members answered than most are left out" if whole else ""
        return (
            f"expected {section.coverage_min:.0%} of {n_eligible} eligible frames scored before "
            f"the deadline, found {n_scored} ({share:.1%}); "
            f"{len(row.parts)} of {row.n_parts} parts{left_out}"
        )
    if len(row.members_answered) < section.members_min:
        names = ", ".join(row.members_answered) or "none"
        return f"expected answers of {section.members_min} members, found {names}"
    return ""

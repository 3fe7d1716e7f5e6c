"""Whether a round's scores are still those that its policy would choose by."""

from __future__ import annotations

from winnow.contracts.round_progress import agreement_of, trained_as
from winnow.domain.rows import CommitteeRow
from winnow.domain.tables import COMMITTEES
from winnow.policy.stopping import rescore
from winnow.policy.stopping_section import RescoringSection
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Transaction
from winnow.stopping import score_age

ACTIVE = "active"


def newest_committee(view: Transaction) -> CommitteeRow | None:
    """Give the active committee of the highest version; none before the first has rolled."""
    active = view.records.find(COMMITTEES, state=ACTIVE)
    return max(active, key=lambda row: _number(row.key), default=None)


def why_score_again(
    view: Transaction, blobs: Blobs, section: RescoringSection, scored_by: str
) -> str:
    """Say why a pool must be scored again before a batch is chosen; empty if it need not.

    Rounds overlap, so committees may have rolled since the version that scores it was named. How
    far that one agrees with the newest is only measured if the policy asks for it, and only decides
    if both were evaluated on the same frames.
    """
    newest = newest_committee(view)
    if not scored_by or newest is None:
        return ""
    age = score_age(
        scored_by=_number(scored_by), newest=max(_number(scored_by), _number(newest.key))
    )
    kappa = None
    if age and section.kappa_min is not None:
        older = view.records.get(COMMITTEES, scored_by)
        if older is not None:
            both = (trained_as(blobs, row.members) for row in (older, newest))
            kappa = agreement_of(blobs, *both)
    found = rescore(section, age, kappa=kappa)
    return found.reason if found.needed else ""


def _number(version: str) -> int:
    return int(version.removeprefix("c"))

"""Whether a round's scores are still those that its policy would choose by."""

from __future__ import annotations

from winnow.domain.rows import CommitteeRow
from winnow.domain.tables import COMMITTEES
from winnow.policy.stopping import rescore
from winnow.policy.stopping_section import RescoringSection
from winnow.ports.ledger import Transaction
from winnow.stopping import score_age

ACTIVE = "active"


def newest_committee(view: Transaction) -> CommitteeRow | None:
    """Give the active committee of the highest version; none before the first has rolled."""
    active = view.records.find(COMMITTEES, state=ACTIVE)
    return max(active, key=lambda row: _number(row.key), default=None)


def why_score_again(view: Transaction, section: RescoringSection, scored_by: str) -> str:
    """Say why a pool must be scored again before a batch is chosen; empty if it need not.

    Rounds overlap, so committees may have rolled since the version that scores it was named.
    """
    newest = newest_committee(view)
    if not scored_by or newest is None:
        return ""
    age = score_age(
        scored_by=_number(scored_by), newest=max(_number(scored_by), _number(newest.key))
    )
    found = rescore(section, age)
    return found.reason if found.needed else ""


def _number(version: str) -> int:
    return int(version.removeprefix("c"))

"""Whether a round's scores are still those that its policy would choose by."""

from __future__ import annotations

from winnow.contracts.artifacts import Snapshot
from winnow.domain.tables import COMMITTEES
from winnow.policy.model import Policy
from winnow.policy.stopping import rescore
from winnow.ports.ledger import Transaction
from winnow.stopping import score_age

ACTIVE = "active"


def why_score_again(view: Transaction, policy: Policy, snapshot: Snapshot) -> str:
    """Say why a pool must be scored again before a batch is chosen; empty if it need not.

    Rounds overlap, so committees may have rolled since the snapshot named the one that scores it.
    """
    active = [row.key for row in view.records.find(COMMITTEES, state=ACTIVE)]
    if not snapshot.committee_version or not active:
        return ""
    newest = max(active, key=_number)
    scored_by = _number(snapshot.committee_version)
    age = score_age(scored_by=scored_by, newest=max(scored_by, _number(newest)))
    found = rescore(policy.scoring.rescoring, age)
    if not found.needed:
        return ""
    return f"{found.reason}: open a round again, and {newest} scores the pool anew"


def _number(version: str) -> int:
    return int(version.removeprefix("c"))

"""How many frames a round asks for, where the policy lets that follow the committee."""

from __future__ import annotations

from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Members, Snapshot
from winnow.contracts.round_progress import progress_after
from winnow.domain.tables import ROUNDS
from winnow.policy.model import Policy
from winnow.policy.stopping import next_batch_size
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Transaction
from winnow.stopping import Progress


def frames_asked(view: Transaction, blobs: Blobs, policy: Policy, snapshot: Snapshot) -> int | None:
    """Give the size that an adaptive rule comes to now; none if the policy fixes it.

    Reads what rounds measured so far, as the stopping rules do.
    """
    section = policy.selection.batch_size
    if isinstance(section, int):
        return None
    if snapshot.members is None:
        return next_batch_size(section, Progress(0, ())).size
    newest = read_manifest(blobs, snapshot.members, Members)
    rounds = view.records.find(ROUNDS)
    return next_batch_size(section, progress_after(view, blobs, rounds, policy, newest=newest)).size

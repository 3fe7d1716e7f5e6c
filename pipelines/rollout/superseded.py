"""Ends the servers of committees that nobody will ask."""

from __future__ import annotations

from winnow.domain.ids import RoundId, committee_version_of
from winnow.domain.tables import COMMITTEES, ROLLOUT_RUNS
from winnow.ports.deployments import Deployments
from winnow.ports.ledger import Ledger


def remove_superseded(ledger: Ledger, deployments: Deployments) -> None:
    """End servers of decided and given-up versions: all but the active one and the one before.

    The one before serves on until the next takes over: rounds that opened with it are scored.
    A version whose rollout is still tried stays, and so does one that the ledger does not know.

    Raises
    ------
    Retryable
        The platform does not answer; what was not ended yet is ended the next time.
    """
    # The ledger first: what it calls superseded stays so, while versions that are applied
    # meanwhile are not known yet.
    with ledger.snapshot() as view:
        rows = view.records.find(COMMITTEES)
        failed = view.records.find(ROLLOUT_RUNS, state="failed")
    retired = sorted(
        (row for row in rows if row.state == "retired"), key=lambda row: row.generation
    )
    kept = {row.key for row in [*retired[-1:], *(row for row in rows if row.state == "active")]}
    known = {row.key for row in rows}
    known |= {committee_version_of(RoundId(run.round_id)) for run in failed}
    for version in deployments.versions():
        if version in known - kept:
            deployments.remove(version)

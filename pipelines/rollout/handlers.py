"""What rollout does with its inputs: one function each."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.metrics import RUNS
from rollout.superseded import remove_superseded
from winnow.contracts.references import reference_text
from winnow.domain.events import Event, RoundTrained, Stage
from winnow.domain.ids import RoundId, committee_version_of
from winnow.domain.rows import RunRow
from winnow.domain.tables import COMMITTEES, ROLLOUT_RUNS
from winnow.ports.deployments import Deployments
from winnow.ports.ledger import Ledger, Transaction
from winnow.ports.pipeline_runner import PipelineRunner
from winnow.runtime.pipeline_runs import Watched, request_run, watch_runs


def _rolled(view: Transaction, row: RunRow) -> bool:
    return view.records.get(COMMITTEES, committee_version_of(RoundId(row.round_id))) is not None


WATCHED = Watched(
    pipeline="rollout",
    table=ROLLOUT_RUNS,
    stage=Stage.ROLLOUT,
    done=_rolled,
    kept="trained members; the committee that served before still serves",
    observe=lambda outcome: RUNS.labels(outcome).inc(),
)


def on_round_trained(event: RoundTrained, /, *, tx: Transaction) -> Sequence[Event]:
    """Ask for the rollout of the trained members, named after the round."""
    arguments = (("members", reference_text(event.members)), ("round_id", event.round_id))
    request_run(tx, WATCHED, round_id=event.round_id, arguments=arguments)
    return []


def on_runs_tick(
    *, tx: Transaction, ledger: Ledger, runner: PipelineRunner, attempts_max: int
) -> Sequence[Event]:
    """Start, watch and, when they fail for good, give up runs."""
    return watch_runs(WATCHED, tx=tx, ledger=ledger, runner=runner, attempts_max=attempts_max)


def on_servers_tick(
    *, tx: Transaction, ledger: Ledger, deployments: Deployments
) -> Sequence[Event]:
    """End servers that nobody will ask, those of a run that failed for good among them.

    A run's last step does so where it comes to one; what failed, or was killed before, has none.
    """
    remove_superseded(ledger, deployments)
    return []

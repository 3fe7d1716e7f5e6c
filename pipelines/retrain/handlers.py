"""What retrain does with its inputs: one function each."""

from __future__ import annotations

from collections.abc import Sequence

from retrain.metrics import RUNS
from winnow.contracts.references import reference_text
from winnow.domain.events import DatasetPromoted, Event, Stage
from winnow.domain.ids import RoundId, committee_version_of
from winnow.domain.rows import RunRow
from winnow.domain.tables import MODELS, RETRAIN_RUNS
from winnow.ports.ledger import Ledger, Transaction
from winnow.ports.pipeline_runner import PipelineRunner
from winnow.runtime.pipeline_runs import Watched, request_run, watch_runs


def _registered(view: Transaction, row: RunRow) -> bool:
    version = committee_version_of(RoundId(row.round_id))
    return bool(view.records.find(MODELS, group=version, limit=1))


WATCHED = Watched(
    pipeline="retrain",
    table=RETRAIN_RUNS,
    stage=Stage.RETRAIN,
    done=_registered,
    kept="promoted labels and their dataset snapshot",
    observe=lambda outcome: RUNS.labels(outcome).inc(),
)


def on_dataset_promoted(event: DatasetPromoted, /, *, tx: Transaction) -> Sequence[Event]:
    """Ask for a training run on the dataset snapshot, named after the round."""
    arguments = (("dataset", reference_text(event.snapshot)), ("round_id", event.round_id))
    request_run(tx, WATCHED, round_id=event.round_id, arguments=arguments)
    return []


def on_runs_tick(
    *, tx: Transaction, ledger: Ledger, runner: PipelineRunner, attempts_max: int
) -> Sequence[Event]:
    """Start, watch and, when they fail for good, give up runs."""
    return watch_runs(WATCHED, tx=tx, ledger=ledger, runner=runner, attempts_max=attempts_max)

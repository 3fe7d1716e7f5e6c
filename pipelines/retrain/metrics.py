"""What retrain counts."""

from winnow.telemetry.metrics import counter

RUNS = counter(
    "winnow_retrain_runs_total",
    "Training runs by outcome: succeeded, retried, failed.",
    ["outcome"],
)

"""What rollout counts."""

from winnow.telemetry.metrics import counter

RUNS = counter(
    "winnow_rollout_runs_total", "Rollouts by outcome: succeeded, retried, failed.", ["outcome"]
)

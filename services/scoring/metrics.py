"""What scoring counts and measures."""

from winnow.telemetry.metrics import counter, gauge, histogram

FRAMES = counter("winnow_scoring_frames_total", "Frames that the committee answered.")
PART_SECONDS = histogram(
    "winnow_scoring_part_compute_seconds", "Compute time of the committee for one part."
)
RUNS = counter(
    "winnow_scoring_runs_total",
    "Snapshots by outcome: scored, incomplete, none; again: begun anew by a newer committee.",
    ["outcome"],
)
COVERAGE = gauge(
    "winnow_scoring_coverage_ratio", "Scored share of the last snapshot's eligible frames."
)
OVERRUN = counter(
    "winnow_scoring_overrun_milliseconds_total",
    "Measured compute beyond what the round had reserved; not committed.",
)

"""What rounds counts and measures."""

from winnow.telemetry.metrics import counter, gauge

ROUNDS = counter("winnow_rounds_total", "Rounds by what happened to them.", ["outcome"])
WAITING = gauge("winnow_rounds_waiting", "Rounds that are requested and cannot open yet.")
STUCK = gauge("winnow_rounds_stuck", "Rounds that have been open for longer than they should.")
POOL_SHARDS = counter("winnow_rounds_pool_shards_total", "Shards that joined the pool.")
SNAPSHOT_FRAMES = gauge(
    "winnow_rounds_snapshot_frames",
    "Frames of the newest snapshot: eligible or blocked.",
    ["state"],
)
BLOCKED = gauge(
    "winnow_rounds_snapshot_blocked_frames", "Frames of the newest snapshot by gate.", ["reason"]
)
APPROVALS_ENDED = counter(
    "winnow_rounds_approvals_ended_total", "Label approvals that ended and wait for a decision."
)

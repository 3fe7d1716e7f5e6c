"""What embedding counts."""

from winnow.telemetry.metrics import counter

FRAMES = counter("winnow_embedding_frames_total", "Frames of embedded shards.")
BLOCKED = counter(
    "winnow_embedding_blocked_frames_total",
    "Frames by the first gate that blocks them.",
    ["reason"],
)
SHARDS = counter("winnow_embedding_shards_total", "Embedded shards.")

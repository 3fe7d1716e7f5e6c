"""What selection counts."""

from winnow.telemetry.metrics import counter, histogram

BATCHES = counter(
    "winnow_selection_batches_total",
    "Batches by outcome: proposed, approved, rejected, halted.",
    ["outcome"],
)
FRAMES = counter(
    "winnow_selection_frames_total", "Frames of approved batches by strategy.", ["strategy"]
)
SECONDS = histogram(
    "winnow_selection_seconds", "Choosing and storing one batch, by strategy.", ["strategy"]
)
EXPIRED = counter(
    "winnow_selection_expired_reservations_total",
    "Reservations past their deadline that no task ever used.",
)

"""What the console counts and shows."""

from winnow.telemetry.metrics import counter, gauge

REQUESTS = counter(
    "winnow_console_requests_total",
    "Requests of people by outcome: answered, refused, unauthenticated, failed.",
    ["outcome"],
)
COMMANDS = gauge(
    "winnow_console_commands", "Acts by state: pending, proposed, done, refused.", ["state"]
)
AVAILABLE = gauge("winnow_budget_available", "Open period: not yet reserved.", ["budget", "unit"])
RESERVED = gauge("winnow_budget_reserved", "Open period: reserved.", ["budget", "unit"])
SPENT = gauge("winnow_budget_spent", "Open period: spent.", ["budget", "unit"])
LABELS = gauge("winnow_labels", "Latest label revisions by state.", ["state"])

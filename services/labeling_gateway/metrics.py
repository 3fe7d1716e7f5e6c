"""What the labeling gateway counts."""

from winnow.telemetry.metrics import counter, histogram

TASKS = counter(
    "winnow_labeling_tasks_total",
    "Tasks by outcome: ordered, labeled, skipped, cancelled, expired.",
    ["outcome"],
)
ANSWERS = counter(
    "winnow_labeling_answers_total", "Answers by outcome: taken, duplicate, exception.", ["outcome"]
)
EXCEPTIONS = counter(
    "winnow_labeling_exceptions_total", "What a person must decide, by reason.", ["reason"]
)
EFFORT_SECONDS = histogram(
    "winnow_labeling_effort_seconds", "Time that people spent on one accepted answer."
)

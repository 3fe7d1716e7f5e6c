"""What QA counts."""

from winnow.telemetry.metrics import counter

VERDICTS = counter(
    "winnow_qa_verdicts_total", "Verdicts on labels: passed, returned, rejected.", ["verdict"]
)
REVIEWS = counter(
    "winnow_qa_reviews_total",
    "Reviewers' answers by outcome: passed, defect, skipped, ignored; expired ones too.",
    ["outcome"],
)
BATCHES = counter("winnow_qa_batches_total", "Batches by outcome: promoted, halted.", ["outcome"])
APPROVALS_ENDED = counter("winnow_qa_approvals_ended_total", "Approvals that expired.")

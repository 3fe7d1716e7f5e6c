"""What the committee server counts, beside KServe's own request timings."""

from prometheus_client import Counter, Info

# In prometheus_client's default registry: that is the one which KServe's `/metrics` shows.
FRAMES = Counter("winnow_committee_frames_total", "Frames answered.")
MISSING = Counter(
    "winnow_committee_missing_answers_total", "Members that did not answer, summed over calls."
)
COMMITTEE = Info("winnow_committee", "Which committee version this server holds.")

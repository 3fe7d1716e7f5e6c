"""At which stage an open round is, read from the tables of the services behind it."""

from __future__ import annotations

from winnow.domain.tables import BATCHES, PROMOTIONS, QA_BATCHES, SCORING_RUNS, TASKS
from winnow.ports.ledger import Records

OPEN_TASKS = ("pending", "submitted")


def stage_of(records: Records, round_id: str) -> str:
    """Say in a few words what an open round waits for."""
    if records.find(PROMOTIONS, group=round_id):
        return "labels are promoted; waits for training or rollout"
    batches = records.find(BATCHES, group=round_id)
    if any(batch.state == "proposed" for batch in batches):
        return f"batch {batches[0].key} waits for a person's approval"
    counts = [records.count(TASKS, group=batch.key) for batch in batches]
    n_tasks = sum(sum(count.values()) for count in counts)
    n_open = sum(count.get(state, 0) for count in counts for state in OPEN_TASKS)
    if n_open:
        return f"waits for annotators: {n_open} of {n_tasks} tasks"
    if records.find(QA_BATCHES, group=round_id):
        return "waits for quality assurance"
    if batches:
        return "waits for tasks of its batch"
    if records.find(SCORING_RUNS, group=round_id, state="scoring"):
        return "waits for the committee's scores"
    return "waits for selection"

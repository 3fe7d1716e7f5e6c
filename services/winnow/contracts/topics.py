"""The table of topics as data: who states each fact, and who hears it."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.domain import events


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its fact, key field, producers and consumers."""

    event: type[events.Event]
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    back_edges: tuple[str, ...] = ()
    """Consumers upstream of the producer: the three declared cycles."""

    @property
    def name(self) -> str:
        """Name without prefix, e.g. `frames.ingested.v1`."""
        return self.event.type


TOPICS: tuple[Topic, ...] = (
    Topic(events.FramesIngested, "shard_id", ("ingest",), ("embedding",)),
    Topic(events.FramesEmbedded, "shard_id", ("embedding",), ("rounds",)),
    Topic(events.RoundOpened, "round_id", ("rounds",), ("scoring",)),
    Topic(events.PoolScored, "round_id", ("scoring",), ("selection",)),
    Topic(events.BatchSelected, "round_id", ("selection",), ("labeling_gateway", "qa")),
    Topic(events.TaskClosed, "task_id", ("labeling_gateway",), ("qa",)),
    Topic(
        events.LabelReviewed, "task_id", ("qa",), ("labeling_gateway",),
        back_edges=("labeling_gateway",),
    ),
    Topic(events.DatasetPromoted, "round_id", ("qa",), ("retrain",)),
    Topic(events.RoundTrained, "round_id", ("retrain",), ("rollout",)),
    Topic(
        events.CommitteeRolled, "committee_version", ("rollout",), ("rounds",),
        back_edges=("rounds",),
    ),
    Topic(
        events.RoundHalted, "round_id",
        ("scoring", "selection", "qa", "retrain", "rollout"), ("rounds",),
        back_edges=("rounds",),
    ),
    Topic(events.LabelApprovalEnded, "frame_id", ("qa",), ("rounds",), back_edges=("rounds",)),
)  # fmt: skip
TOPIC_BY_NAME = {topic.name: topic for topic in TOPICS}
TOPIC_BY_EVENT: dict[type[events.Event], Topic] = {topic.event: topic for topic in TOPICS}

DEAD_LETTER_SUFFIX = ".dlq"


def consumed_by(service: str) -> tuple[Topic, ...]:
    """Give the topics that a service subscribes to, in table order."""
    return tuple(topic for topic in TOPICS if service in topic.consumers)

"""What goes from step to step: text, because an engine turns whole numbers in lists into floats."""

from __future__ import annotations

from pydantic import JsonValue, TypeAdapter

from winnow.contracts.manifests import Manifest, Member
from winnow.domain.blob_ref import BlobRef
from winnow.policy.training_section import TrainingSection


class Order(Manifest):
    """One member to train."""

    round_id: str
    name: str
    seed: int
    network: str
    """Family of its network, see `winnow.tasks.task`."""
    train: BlobRef
    holdout: BlobRef
    """Packs, see `retrain.data`."""
    class_names: tuple[str, ...]
    training: TrainingSection


class Trained(Manifest):
    """What became of an order."""

    name: str
    member: Member | None
    error: str
    """Why there is no member, or empty."""
    train: BlobRef
    holdout: BlobRef
    config: dict[str, JsonValue]


ORDERS = TypeAdapter(list[Order])
TRAINED = TypeAdapter(list[Trained])


def prefix_of(round_id: str) -> str:
    """Give where a round's models, packs and evaluations lie."""
    return f"models/{round_id}"

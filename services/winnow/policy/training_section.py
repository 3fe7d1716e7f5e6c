"""The committee that a round's labels train, and how."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from winnow.policy.section import Section

Network = Annotated[str, Field(min_length=1, max_length=400)]


class TrainingSection(Section):
    """The committee that a round's labels train.

    Some defaults of a detection policy are others: the fields tell which.
    """

    members: int = Field(default=4, ge=1, le=64, description="Models in the committee.")
    members_min: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description=(
            "Members that must have trained; with fewer the round is halted, with some missing it "
            "goes on without them and says so. None: scoring.members_min."
        ),
    )
    networks: tuple[Network, ...] = Field(
        default=(),
        max_length=64,
        description=(
            "Families of networks, `name` or `name:argument`; member m takes the m-th, again from "
            "the first after the last. An argument is a network to start from, with its weights "
            "in a file, `resnet18@/models/resnet18.pth`, or in the object store, "
            "`resnet18@blob:KEY`. Empty: `classification` or `grid_detection`."
        ),
    )
    bagging: bool = Field(
        default=False,
        description="Each member trains on its own bootstrap sample of the labels.",
    )
    weights: Literal["none", "inclusion", "lure"] = Field(
        default="none",
        description=(
            "`inclusion`: frames count in the loss by the inverse of the probability with which "
            "they were chosen, so that the loss is that of the pool; frames without a known "
            "probability count once. `lure`: draws of the strategies power, softmax and rank count "
            "by LURE (Farquhar et al. 2021), frames of the random arm once, so that each round's "
            "labels have the loss of its pool; frames of rounds where that is not defined count "
            "once."
        ),
    )
    weight_max: float = Field(
        default=10.0, ge=1.0, description="Largest such weight before weights are scaled to mean 1."
    )
    labels_per_class_min: int = Field(
        default=0,
        ge=0,
        description="Labels (of detection: objects) of each class, or the round is halted.",
    )
    epochs: int = Field(
        default=40, ge=1, description="Passes over the labels; detection: 30 if not given."
    )
    steps_min: int = Field(
        default=300, ge=0, description="Few labels are gone through more often, for so many steps."
    )
    batch_size: int = Field(
        default=32, ge=1, description="Labels per training step; detection: 8 if not given."
    )
    learning_rate: float = Field(default=3e-3, gt=0, description="Highest learning rate.")
    weight_decay: float = Field(
        default=1e-4, ge=0, description="AdamW's weight decay; detection: 0.01 if not given."
    )
    mixed_precision: bool = Field(
        default=False,
        description=(
            "Multiply in 16 bits where that is faster (GPUs, CPUs with AVX-512 BF16 or AMX); "
            "detection: true if not given."
        ),
    )
    input_pixels: int = Field(default=32, ge=8, le=2048, description="Side of the square input.")
    input_height: int | None = Field(
        default=None,
        ge=8,
        le=2048,
        description="Height of the input; none: input_pixels; detection: 192 if not given.",
    )
    input_width: int | None = Field(
        default=None,
        ge=8,
        le=2048,
        description="Width of the input; none: input_pixels; detection: 320 if not given.",
    )
    width: int = Field(
        default=16,
        ge=4,
        le=256,
        description="Channels of the first block; larger on GPUs. Detection: 12 if not given.",
    )
    calibration_share: Annotated[float, Field(ge=0.0, lt=0.5)] = Field(
        default=0.1, description="Labels kept out of training to fit the temperatures."
    )

    @property
    def height_width(self) -> tuple[int, int]:
        """Height and width of the input, pixels."""
        return self.input_height or self.input_pixels, self.input_width or self.input_pixels

    def network_of(self, member: int, *, kind: str) -> str:
        """Give the network of member m."""
        networks = self.networks or (FAMILIES[kind][0],)
        return networks[member % len(networks)]


FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classification": (
            "classification",
            "evidential_classification",
            "heteroscedastic_classification",
            "frozen_features",
            "backbone",
        ),
        "detection": ("grid_detection", "fpn_detection"),
    }
)
"""Families of networks by the kind of labels that they learn from, the default first."""

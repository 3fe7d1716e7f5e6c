"""A published network, fine-tuned as a whole: `backbone:resnet18@/models/resnet18.pth`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from winnow.tasks.backbones import (
    imagenet_inputs,
    load_backbone,
    losses_of_any,
    make_backbone,
)
from winnow.tasks.classification import Classification, draw_weights
from winnow.tasks.examples import Pixels
from winnow.tasks.task import NetworkConfig, OpenWeights

if TYPE_CHECKING:
    import torch


class BackboneClassification(Classification):
    """A linear layer on a network of torchvision or timm; without a path it starts from nothing."""

    name = "backbone"

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make the network: element 0 the backbone, the last one the linear layer."""
        import torch

        backbone, width = make_backbone(config, rng=rng)
        head = torch.nn.Linear(width, config.n_classes)
        draw_weights(head, rng)
        return torch.nn.Sequential(backbone, head)

    def begin(
        self, network: torch.nn.Module, config: NetworkConfig, open_weights: OpenWeights
    ) -> None:
        """Load the published weights."""
        load_backbone(network.get_submodule("0"), config.argument, open_weights)

    def inputs(self, pixels: Pixels, config: NetworkConfig) -> torch.Tensor:
        """Centre and scale as for ImageNet, whatever the frames are: the weights expect it."""
        return imagenet_inputs(pixels, config)

    def losses(
        self, network: torch.nn.Module, inputs: torch.Tensor, wanted: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Give each frame's cross-entropy in nats."""
        return losses_of_any(super().losses, network, inputs, wanted)


TASK = BackboneClassification()

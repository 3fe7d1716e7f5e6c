"""A linear layer with dropout on a frozen network: `frozen_features:resnet18@/models/resnet18.pth`.

The published network stays as it is; only the layer learns, and what is dropped before it in
training is dropped in prediction too: the answer is the mean over twenty ways to drop. Where all
frames are at hand, `winnow.tasks.probe` does the same on features that are computed once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from winnow.tasks.backbone import BackboneClassification
from winnow.tasks.backbones import freeze, load_backbone, make_backbone
from winnow.tasks.classification import draw_weights
from winnow.tasks.probe import DEFAULT_CONFIG, SAMPLES
from winnow.tasks.task import NetworkConfig

if TYPE_CHECKING:
    import torch

_KEY: Final = 0x64726F70  # any fixed number: the samples of a member are the same in every call


class FrozenFeatures(BackboneClassification):
    """Monte Carlo dropout (Gal & Ghahramani, ICML 2016) before the only layer that learns."""

    name = "frozen_features"

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make the network: frozen backbone, scaling of its features, dropout and linear layer."""
        backbone, width = make_backbone(config, rng=rng)
        freeze(backbone)
        network = _network(backbone, width, config.n_classes)
        draw_weights(network.get_submodule("head"), rng)
        return network

    def begin(self, network: torch.nn.Module, config: NetworkConfig) -> None:
        """Load the published weights."""
        load_backbone(network.get_submodule("backbone"), config.argument)

    def outputs(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give ln of the mean probabilities [B, C] over the samples."""
        import torch

        log_probs = torch.log_softmax(self.samples(network, inputs), dim=2)
        return torch.logsumexp(log_probs, dim=1) - math.log(log_probs.shape[1])

    def samples(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give the logits of every sample, [B, K, C]: with them one member can disagree."""
        logits: torch.Tensor = network(inputs)
        return logits


TASK = FrozenFeatures()


def _network(backbone: torch.nn.Module, width: int, n_classes: int) -> torch.nn.Module:
    """Give a network that says [B, C] with features dropped in training, [B, K, C] otherwise."""
    import torch

    drawn = np.random.Generator(np.random.Philox(_KEY)).random((SAMPLES, width))
    kept = torch.from_numpy(drawn >= DEFAULT_CONFIG.dropout).float()

    class Probed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            # Cumulative: the features never change, so that all batches tell of the same moments.
            self.scaled = torch.nn.BatchNorm1d(width, eps=1e-10, momentum=None, affine=False)
            self.head = torch.nn.Linear(width, n_classes)
            self.register_buffer("masks", kept / (1.0 - DEFAULT_CONFIG.dropout))

        def train(self, mode: bool = True) -> Probed:
            super().train(mode)
            self.backbone.eval()
            return self

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            # One frame alone has no deviation.
            self.scaled.train(self.training and len(inputs) > 1)
            features = self.scaled(self.backbone(inputs))
            if self.training:
                dropped = torch.nn.functional.dropout(features, DEFAULT_CONFIG.dropout)
            else:
                dropped = features[:, None, :] * self.get_buffer("masks")
            logits: torch.Tensor = self.head(dropped)
            return logits

    return Probed()

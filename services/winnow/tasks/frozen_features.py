"""A linear layer with dropout on a frozen network: `frozen_features:resnet18@/models/resnet18.pth`.

The published network stays as it is; only the layer learns, and what is dropped before it in
training is dropped in prediction too: the answer is the mean over twenty ways to drop. Training
computes the features of a frame once; members and later rounds find them in the cache. Where all
frames are at hand, `winnow.tasks.probe` learns from features alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from winnow.tasks.backbone import BackboneClassification
from winnow.tasks.backbones import (
    freeze,
    imagenet_inputs,
    load_backbone,
    make_backbone,
    parts_of,
)
from winnow.tasks.class_outputs import class_indices
from winnow.tasks.classification import draw_weights
from winnow.tasks.examples import Examples, Rows
from winnow.tasks.features import FeatureCache
from winnow.tasks.probe import DEFAULT_CONFIG, SAMPLES
from winnow.tasks.task import NetworkConfig, OpenWeights

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

    def begin(
        self, network: torch.nn.Module, config: NetworkConfig, open_weights: OpenWeights
    ) -> None:
        """Load the published weights."""
        load_backbone(network.get_submodule("backbone"), config.argument, open_weights)

    def prepared(
        self, network: torch.nn.Module, examples: Examples, config: NetworkConfig, *, folder: Path
    ) -> Examples:
        """Give the examples with the features of their frames."""
        cache = FeatureCache(folder, FrozenEncoder(network, config))
        frames = [np.moveaxis(pixels, 0, 2) for pixels in examples.pixels]
        return replace(examples, features_ND=cache.features(frames))

    def batch(
        self,
        examples: Examples,
        rows: Rows,
        config: NetworkConfig,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Give features, where the examples have them, and class indices; nothing is augmented."""
        import torch

        if examples.features_ND is None:
            return super().batch(examples, rows, config)
        wanted = torch.from_numpy(class_indices(examples)[rows])
        return torch.from_numpy(examples.features_ND[rows]), (wanted,)

    def outputs(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give ln of the mean probabilities [B, C] over the samples."""
        import torch

        log_probs = torch.log_softmax(self.samples(network, inputs), dim=2)
        return torch.logsumexp(log_probs, dim=1) - math.log(log_probs.shape[1])

    def samples(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give the logits of every sample, [B, K, C]: with them one member can disagree."""
        logits: torch.Tensor = network(inputs)
        return logits


class FrozenEncoder:
    """The frozen part of a network; frames have the size of its input."""

    def __init__(self, network: torch.nn.Module, config: NetworkConfig) -> None:
        import torch

        self._backbone = network.get_submodule("backbone").eval()
        self._config = config
        self._device = next(self._backbone.buffers()).device
        name, _ = parts_of(config.argument)
        self.version = f"{name} {_digest(self._backbone)} {self._device.type} {torch.__version__}"
        self.dimension = network.get_parameter("head.weight").shape[1]

    def encode(self, frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Give the features of frames [height, width, 3], float32 [N, D].

        One by one: in a batch the last bits may depend on the company, and what a member learns on
        what the cache happened to hold.
        """
        import torch

        pixels = np.moveaxis(np.stack(frames), 3, 1)
        with torch.inference_mode():
            inputs = imagenet_inputs(pixels, self._config).to(self._device)
            features = torch.cat([self._backbone(one[None]) for one in inputs])
        return features.cpu().numpy()


def _digest(network: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


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
            features = self.scaled(self.backbone(inputs) if inputs.dim() > 2 else inputs)
            if self.training:
                dropped = torch.nn.functional.dropout(features, DEFAULT_CONFIG.dropout)
            else:
                dropped = features[:, None, :] * self.get_buffer("masks")
            logits: torch.Tensor = self.head(dropped)
            return logits

    return Probed()

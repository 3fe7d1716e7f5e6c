"""Image classification: a small convolutional network that learns from a few hundred frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from winnow.tasks.class_outputs import ClassOutputs, class_indices
from winnow.tasks.examples import Examples, Pixels, Rows
from winnow.tasks.task import NetworkConfig

if TYPE_CHECKING:
    import torch


class Classification(ClassOutputs):
    """One label per frame, learned from pixels."""

    name = "classification"

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make the network: a strided stem, halving blocks down to 4 pixels, a linear head."""
        import torch

        network = torch.nn.Sequential(*_layers(config))
        draw_weights(network, rng)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def inputs(self, pixels: Pixels, config: NetworkConfig) -> torch.Tensor:
        """Centre and scale by the training pixels' mean and deviation, float32 [B, 3, H, W]."""
        return normalised(pixels, config)

    def batch(
        self,
        examples: Examples,
        rows: Rows,
        config: NetworkConfig,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Give inputs, shifted a little if there is an `rng`, and class indices."""
        import torch

        inputs = self.inputs(examples.pixels[rows], config)
        wanted = torch.from_numpy(class_indices(examples)[rows])
        return inputs if rng is None else _shifted(inputs, rng), (wanted,)

    def losses(
        self, network: torch.nn.Module, inputs: torch.Tensor, wanted: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Give each frame's cross-entropy in nats."""
        import torch

        return torch.nn.functional.cross_entropy(network(inputs), wanted[0], reduction="none")

    def outputs(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give logits [B, C]."""
        logits: torch.Tensor = network(inputs)
        return logits


TASK = Classification()


def normalised(pixels: Pixels, config: NetworkConfig) -> torch.Tensor:
    """Centre and scale pixels as `config` says; float32 [B, 3, H, W], channels last in memory."""
    import torch

    centred = torch.tensor(pixels, dtype=torch.float32) - torch.tensor(config.mean).view(3, 1, 1)
    scaled = centred / torch.tensor(config.std).view(3, 1, 1)
    return scaled.contiguous(memory_format=torch.channels_last)


def draw_weights(network: torch.nn.Module, rng: np.random.Generator) -> None:
    """Fill with He-normal values (He et al. 2015, eq. 10) from NumPy's counter-based generator.

    torch's own initialisers draw from global state, which threads would share.
    """
    import torch

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                deviation = math.sqrt(2.0 / math.prod(module.weight.shape[1:]))
                values = rng.standard_normal(tuple(module.weight.shape), dtype=np.float32)
                module.weight.copy_(torch.from_numpy(values * deviation))
                if module.bias is not None:
                    module.bias.zero_()


def _layers(config: NetworkConfig) -> list[torch.nn.Module]:
    from torch import nn

    # The stem halves the side at once: a third of the time, within noise of the accuracy.
    side = -(-min(config.input_height, config.input_width) // 2)
    channels, width = 3, config.width
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 5, stride=2, padding=2, bias=False)]
    while True:
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = width, side // 2
        width = min(2 * width, 4 * config.width)
        layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=False))
        if side <= 4:
            break
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return [*layers, nn.Linear(4 * width, config.n_classes)]


def _shifted(inputs: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Move a batch by up to a 32nd of each side: the lightest augmentation, safe for any class."""
    import torch

    reach = np.maximum(1, np.array(inputs.shape[2:]) // 32)
    down, right = rng.integers(-reach, reach + 1).tolist()
    return torch.roll(inputs, (down, right), dims=(2, 3))

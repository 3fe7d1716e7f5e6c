"""Image classification: a small convolutional network that learns from a few hundred frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from winnow.tasks.decode import decode_rgb
from winnow.tasks.task import NetworkConfig

if TYPE_CHECKING:
    import torch


class Classification:
    """One label per frame."""

    name = "classification"

    def pixels(self, frame: bytes, *, input_pixels: int) -> npt.NDArray[np.uint8]:
        """Decode and resize one frame, uint8 [3, P, P]; grey frames get three equal channels."""
        from PIL import Image

        rgb = Image.fromarray(decode_rgb(frame))
        square = rgb.resize((input_pixels, input_pixels), Image.Resampling.BILINEAR)
        return np.asarray(square, dtype=np.uint8).transpose(2, 0, 1)

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make the network: a strided stem, halving blocks down to 4 pixels, a linear head."""
        import torch

        network = torch.nn.Sequential(*_layers(config))
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                    _draw(module.weight, rng)
                if isinstance(module, torch.nn.Linear):
                    module.bias.zero_()  # torch drew it from global state
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def inputs(self, pixels: npt.NDArray[np.uint8], config: NetworkConfig) -> torch.Tensor:
        """Centre and scale by the training pixels' mean and deviation, float32 [N, 3, P, P]."""
        import torch

        centred = torch.tensor(pixels, dtype=torch.float32) - torch.tensor(config.mean).view(
            3, 1, 1
        )
        scaled = centred / torch.tensor(config.std).view(3, 1, 1)
        return scaled.contiguous(memory_format=torch.channels_last)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Give the cross-entropy in nats."""
        import torch

        return torch.nn.functional.cross_entropy(outputs, targets)

    def logits(
        self,
        network: torch.nn.Module,
        pixels: npt.NDArray[np.uint8],
        config: NetworkConfig,
        *,
        batch_size: int = 256,
    ) -> npt.NDArray[np.float32]:
        """Give `logits_NC`, float32; batches bound the memory."""
        import torch

        network.eval()
        logits_NC = np.empty((len(pixels), config.n_classes), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(pixels), batch_size):
                rows = slice(start, start + batch_size)
                logits_NC[rows] = network(self.inputs(pixels[rows], config)).numpy()
        return logits_NC


TASK = Classification()


def _layers(config: NetworkConfig) -> list[torch.nn.Module]:
    from torch import nn

    # The stem halves the side at once: a third of the time, within noise of the accuracy.
    channels, width, side = 3, config.width, -(-config.input_pixels // 2)
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


def _draw(weight: torch.Tensor, rng: np.random.Generator) -> None:
    """Fill with He-normal values (He et al. 2015, eq. 10) from NumPy's counter-based generator.

    torch's own initialisers draw from global state, which threads would share.
    """
    import torch

    fan_in = math.prod(weight.shape[1:])
    values = rng.standard_normal(tuple(weight.shape), dtype=np.float32) * math.sqrt(2.0 / fan_in)
    weight.copy_(torch.from_numpy(values))

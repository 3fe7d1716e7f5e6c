"""The detector's network: down by halves, up again with what was seen on the way down."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from winnow.tasks.map_decoding import BOX_CHANNELS
from winnow.tasks.task import NetworkConfig

if TYPE_CHECKING:
    import torch

STRIDE = 4
"""Input pixels that one map cell covers."""
LEVELS_MAX = 4
SIDE_MIN = 4
"""The lowest level is no smaller than this many cells."""
ONE_CELL_SIDE = 2 * STRIDE
"""Inputs of no longer a side have a lowest level of one cell."""
PRIOR = 0.1
"""What an untrained map says everywhere; nearer to 1 the background would swamp the first steps."""


def grid_shape(height: int, width: int) -> tuple[int, int]:
    """Give rows and columns of the maps of an input.

    Examples
    --------
    >>> grid_shape(192, 320)
    (48, 80)
    """
    return -(-height // STRIDE), -(-width // STRIDE)


def make_network(config: NetworkConfig) -> torch.nn.Module:
    """Make a U-net (Ronneberger et al., MICCAI 2015) between quarters of the input's side.

    Output: [B, C + 4, h, w]: logits of the C maps; then of each cell the way to the object's
    centre (x, y) and the logarithms of its width and height, in cells.
    """
    import torch
    from torch import nn

    def block(channels: int, width: int, *, stride: int = 1) -> nn.Sequential:
        conv = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            rows, columns = grid_shape(config.input_height, config.input_width)
            halvings = max(1, int(math.log2(max(2, min(rows, columns) / SIDE_MIN))))
            widths = [config.width * min(2 << n, 8) for n in range(min(LEVELS_MAX, halvings) + 1)]
            stem = nn.Conv2d(3, config.width, 5, stride=2, padding=2, bias=False)
            self.stem = nn.Sequential(stem, nn.BatchNorm2d(config.width), nn.ReLU(inplace=True))
            self.down = nn.ModuleList()
            self.up = nn.ModuleList()
            below = config.width
            for width in widths:
                self.down.append(nn.Sequential(block(below, width, stride=2), block(width, width)))
                below = width
            for width in reversed(widths[:-1]):
                self.up.append(block(below + width, width))
                below = width
            self.head = block(below, below)
            self.maps = nn.Conv2d(below, config.n_classes, 1)
            self.boxes = nn.Conv2d(below, BOX_CHANNELS, 1)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            values, seen = self.stem(inputs), []
            for down in self.down:
                values = down(values)
                seen.append(values)
            for up, beside in zip(self.up, seen[-2::-1], strict=True):
                higher = nn.functional.interpolate(values, size=beside.shape[2:], mode="nearest")
                values = up(torch.cat([higher, beside], dim=1))
            values = self.head(values)
            return torch.cat([self.maps(values), self.boxes(values)], dim=1).float()

    return UNet()


def set_priors(network: torch.nn.Module) -> None:
    """Let an untrained network say `PRIOR` in each cell, and boxes of one cell."""
    import torch

    with torch.no_grad():
        network.maps.weight.mul_(0.1)  # type: ignore[union-attr,operator]
        network.maps.bias.fill_(math.log(PRIOR / (1 - PRIOR)))  # type: ignore[union-attr,operator]
        network.boxes.weight.mul_(0.1)  # type: ignore[union-attr,operator]

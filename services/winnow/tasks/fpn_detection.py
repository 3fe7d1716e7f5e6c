"""The second detector: a published ResNet under torchvision's feature pyramid (BSD-3-Clause).

`fpn_detection:resnet18@/models/resnet18.pth` starts from published weights, without a path from
drawn ones. It says the same as the grid detector: maps of object centres and boxes on the finest
level of the pyramid, a quarter of the input's side. So its maps are calibrated alike, and the
disagreement of a committee that mixes both families is defined cell by cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from winnow.domain.errors import BadInput
from winnow.tasks.backbones import imagenet_inputs, load_backbone, losses_of_any, parts_of
from winnow.tasks.classification import draw_weights
from winnow.tasks.examples import Pixels
from winnow.tasks.grid.detection import GridDetection
from winnow.tasks.grid.network import set_priors
from winnow.tasks.map_decoding import BOX_CHANNELS
from winnow.tasks.task import NetworkConfig, OpenWeights

if TYPE_CHECKING:
    import torch

BACKBONES: Final = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
LEVELS: Final = {"layer1": "0", "layer2": "1", "layer3": "2", "layer4": "3"}
"""Of a ResNet, at a quarter to a 32nd of the input's side."""


class FpnDetection(GridDetection):
    """Targets, loss and layout of the grid detector, another network.

    References
    ----------
    Lin et al.: Feature Pyramid Networks for Object Detection, CVPR 2017, arXiv 1612.03144.
    """

    name = "fpn_detection"

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make the network; its pyramid is 8 · `config.width` channels wide.

        Raises
        ------
        BadInput
            The argument names no ResNet.
        """
        network = _network(config)
        draw_weights(network, rng)
        set_priors(network)
        return network

    def begin(
        self, network: torch.nn.Module, config: NetworkConfig, open_weights: OpenWeights
    ) -> None:
        """Load the published weights of the ResNet."""
        load_backbone(network.get_submodule("pyramid.body"), config.argument, open_weights)

    def inputs(self, pixels: Pixels, config: NetworkConfig) -> torch.Tensor:
        """Centre and scale as for ImageNet, whatever the frames are: the weights expect it."""
        return imagenet_inputs(pixels, config)

    def losses(
        self, network: torch.nn.Module, inputs: torch.Tensor, wanted: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Give the grid detector's losses."""
        return losses_of_any(super().losses, network, inputs, wanted)


TASK = FpnDetection()


def _network(config: NetworkConfig) -> torch.nn.Module:
    import torch
    from torch import nn
    from torchvision.models import get_model
    from torchvision.models.detection.backbone_utils import BackboneWithFPN

    name, _ = parts_of(config.argument)
    if name not in BACKBONES:
        msg = "network fpn_detection: expected fpn_detection:NAME or fpn_detection:NAME@PATH with "
        raise BadInput(msg + f"NAME one of {', '.join(BACKBONES)}, found {config.argument!r}")
    width = 8 * config.width

    class PyramidDetector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            resnet = get_model(name, weights=None)
            above = resnet.fc.in_features // 8
            self.pyramid = BackboneWithFPN(
                resnet, LEVELS, [above, 2 * above, 4 * above, 8 * above], width
            )
            for level in range(1, len(LEVELS)):  # of which nothing is asked
                self.pyramid.fpn.layer_blocks[level] = nn.Identity()
            conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.head = nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
            self.maps = nn.Conv2d(width, config.n_classes, 1)
            self.boxes = nn.Conv2d(width, BOX_CHANNELS, 1)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            values = self.head(self.pyramid(inputs)["0"])
            return torch.cat([self.maps(values), self.boxes(values)], dim=1).float()

    with torch.random.fork_rng(devices=[]):  # constructors draw; what they drew is replaced
        return PyramidDetector()

"""The small detector: maps of object centres and boxes, learned in minutes on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from winnow.tasks.backbones import losses_of_any
from winnow.tasks.classification import draw_weights, normalised
from winnow.tasks.examples import Examples, Pixels, Rows
from winnow.tasks.grid.augment import draw_light, draw_moves, moved_inputs, moved_objects
from winnow.tasks.grid.network import ONE_CELL_SIDE, grid_shape, make_network, set_priors
from winnow.tasks.map_decoding import BOX_CHANNELS
from winnow.tasks.map_outputs import MapOutputs
from winnow.tasks.map_targets import render
from winnow.tasks.task import NetworkConfig

if TYPE_CHECKING:
    import torch


class GridDetection(MapOutputs):
    """Objects as points (Zhou et al. 2019): their centres are the peaks of a map."""

    name = "grid_detection"

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make the U-net."""
        import torch

        network = make_network(config)
        draw_weights(network, rng)
        set_priors(network)
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
        """Give inputs and (heat [B, C, h, w], boxes [B, 4, h, w], box weights [B, h, w])."""
        import torch

        inputs = self.inputs(examples.pixels[rows], config)
        objects = [examples.of(row) for row in rows.tolist()]
        if rng is not None:
            moves, light = draw_moves(rng, len(rows)), torch.from_numpy(draw_light(rng, len(rows)))
            inputs = inputs * light[:, :1, None, None] + light[:, 1:, None, None]
            inputs = moved_inputs(inputs, moves)
            objects = [moved_objects(*one) for one in zip(objects, moves, strict=True)]
        shape = grid_shape(config.input_height, config.input_width)
        drawn = [render(one, n_classes=config.n_classes, shape=shape) for one in objects]
        return inputs, tuple(torch.from_numpy(np.stack(one)) for one in zip(*drawn, strict=True))

    def losses(
        self, network: torch.nn.Module, inputs: torch.Tensor, wanted: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Give the penalty-reduced focal loss of the maps plus the boxes' L1, in nats and cells.

        Both are per object of the mean frame of the batch, so that their mean over the batch is
        that of Zhou et al. 2019, equation 1; of a batch with fewer objects than frames per frame.
        """
        if max(inputs.shape[2:]) <= ONE_CELL_SIDE:  # larger ones have a deviation of one frame
            return losses_of_any(_losses, network, inputs, wanted)
        return _losses(network, inputs, wanted)

    def outputs(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give [B, C + 4, h, w]: see `winnow.tasks.map_outputs`."""
        outputs: torch.Tensor = network(inputs)
        return outputs


TASK = GridDetection()


def _losses(
    network: torch.nn.Module, inputs: torch.Tensor, wanted: tuple[torch.Tensor, ...]
) -> torch.Tensor:
    import torch

    heat, boxes, box_weights = wanted
    outputs = network(inputs)
    logits, found = outputs[:, :-BOX_CHANNELS], outputs[:, -BOX_CHANNELS:]
    probs = torch.sigmoid(logits)
    log_hit = torch.nn.functional.logsigmoid(logits)
    log_miss = log_hit - logits
    at_centre = heat == 1.0
    hits = torch.where(at_centre, (1 - probs) ** 2 * log_hit, 0.0)
    misses = torch.where(at_centre, 0.0, (1 - heat) ** 4 * probs**2 * log_miss)
    focal = -(hits + misses).sum(dim=(1, 2, 3))
    away = ((found - boxes).abs().sum(dim=1) * box_weights).sum(dim=(1, 2))
    objects = at_centre.sum() / len(heat)
    losses: torch.Tensor = (focal + away) / objects.clamp(min=1.0)
    return losses

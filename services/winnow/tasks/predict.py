"""A network over many frames: batches bound the memory, and outputs come back as one array."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from winnow.tasks.examples import Pixels
from winnow.tasks.task import NetworkConfig, Outputs, Task

if TYPE_CHECKING:
    import torch

BATCH_BYTES = 1 << 20
"""Pixels of one batch, about: 341 frames of 32 x 32, 5 of 256 x 256; beyond, caches overflow."""


def batches_of(pixels: Pixels) -> list[slice]:
    """Cut frames into batches of about `BATCH_BYTES`; at least one, which may be empty."""
    size = max(1, BATCH_BYTES // pixels[:1].nbytes) if len(pixels) else 1
    n = len(pixels)
    return [slice(start, min(start + size, n)) for start in range(0, max(1, n), size)]


def outputs_of(
    task: Task, network: torch.nn.Module, pixels: Pixels, config: NetworkConfig
) -> Outputs:
    """Give uncalibrated outputs of frames, in their order; float32 [N, ...].

    Parameters
    ----------
    pixels
        uint8 [N, 3, H, W]; may be memory-mapped. N may be 0.
    """
    import torch

    network.eval()
    device = next(network.parameters()).device
    outputs = []
    with torch.inference_mode():
        for rows in batches_of(pixels):
            inputs = task.inputs(pixels[rows], config).to(device)
            outputs.append(task.outputs(network, inputs).float().cpu().numpy())
    return np.concatenate(outputs)

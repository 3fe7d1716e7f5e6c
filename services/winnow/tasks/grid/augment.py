"""Frames that might have been seen: mirrored, moved, nearer or farther, darker or lighter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from winnow.tasks.examples import Values

if TYPE_CHECKING:
    import torch

SHIFT_MAX: Final = 0.1
"""Share of the side."""
ZOOM_MAX: Final = 1.25
LIGHT_MAX: Final = 0.2
"""Share of contrast, and of a deviation of brightness."""
VISIBLE_MIN: Final = 0.3
"""An object of which less is left in the frame is not to be found."""


def draw_moves(rng: np.random.Generator, n: int) -> Values:
    """Draw n moves, float32 [n, 2, 2]: for x and y the factor and the shift of shares of the frame.

    A share s goes to factor * s + shift; a negative factor mirrors. Only x is mirrored: roads are
    never upside down.
    """
    zoom = ZOOM_MAX ** rng.uniform(-1.0, 1.0, size=n)
    mirrored = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    factors = np.stack([zoom * mirrored, zoom], axis=1)
    shifts = rng.uniform(-SHIFT_MAX, SHIFT_MAX, size=(n, 2))
    # The middle stays the middle but for the shift.
    return np.stack([factors, 0.5 - 0.5 * factors + shifts], axis=2).astype(np.float32)


def moved_objects(objects: Values, move: Values) -> Values:
    """Give the objects [K, 5] where a move [2, 2] takes them, cut at the frame's edges.

    Those of which too little is left are gone.
    """
    if not len(objects):
        return objects
    low = objects[:, 1:3] * move[:, 0] + move[:, 1]
    high = (objects[:, 1:3] + objects[:, 3:5]) * move[:, 0] + move[:, 1]
    low, high = np.minimum(low, high), np.maximum(low, high)
    low_cut, high_cut = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    left = (high_cut - low_cut).prod(axis=1)
    kept = left >= VISIBLE_MIN * (high - low).prod(axis=1)
    moved: Values = np.concatenate([objects[:, :1], low_cut, high_cut - low_cut], axis=1)
    kept_moved: Values = moved[kept].astype(np.float32)
    return kept_moved


def moved_inputs(inputs: torch.Tensor, moves: Values) -> torch.Tensor:
    """Give the inputs [B, 3, H, W] moved; what comes in from outside has the mean colour, 0."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    # Where a pixel comes from: shares s' = (s - shift) / factor; torch counts from -1 to 1.
    factors, shifts = moves[:, :, 0], moves[:, :, 1]
    theta = np.zeros((len(moves), 2, 3), dtype=np.float32)
    theta[:, 0, 0], theta[:, 1, 1] = 1.0 / factors[:, 0], 1.0 / factors[:, 1]
    theta[:, :, 2] = (1.0 - 2.0 * shifts) / factors - 1.0
    grid = affine_grid(torch.from_numpy(theta), list(inputs.shape), align_corners=False)
    moved: torch.Tensor = grid_sample(
        inputs, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return moved.contiguous(memory_format=torch.channels_last)


def draw_light(rng: np.random.Generator, n: int) -> npt.NDArray[np.float32]:
    """Draw contrast (factor) and brightness (added) of n frames, float32 [n, 2]."""
    drawn: Values = rng.uniform(-LIGHT_MAX, LIGHT_MAX, size=(n, 2)).astype(np.float32)
    return drawn + np.array([1.0, 0.0], dtype=np.float32)

"""What a committee learns: the shape of a kind of task, and where each kind lives.

Nothing here imports torch: who only plans or scores elsewhere does not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import NotFound

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that gives a member's network its shape; stored with its weights."""

    task: str
    n_classes: int
    input_pixels: int
    """Side of the square input."""
    width: int
    """Channels of the first block."""
    mean: tuple[float, float, float]
    """Of the training pixels, each channel, 0-255: what the input is centred by."""
    std: tuple[float, float, float]


class Task(Protocol):
    """One kind of task: pixels, network, loss and outputs."""

    @property
    def name(self) -> str:
        """Name under which `task_named` finds it."""
        ...

    def pixels(self, frame: bytes, *, input_pixels: int) -> npt.NDArray[np.uint8]:
        """Decode one frame to the network's input, uint8 [3, P, P].

        Raises
        ------
        BadInput
            The bytes are no complete image.
        """
        ...

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make a network whose weights come from `rng` alone."""
        ...

    def inputs(self, pixels: npt.NDArray[np.uint8], config: NetworkConfig) -> torch.Tensor:
        """Turn uint8 pixels [N, 3, P, P] into what the network takes."""
        ...

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Give the mean loss of a batch."""
        ...

    def logits(
        self,
        network: torch.nn.Module,
        pixels: npt.NDArray[np.uint8],
        config: NetworkConfig,
        *,
        batch_size: int = 256,
    ) -> npt.NDArray[np.float32]:
        """Give uncalibrated `logits_NC` of frames, in their order."""
        ...


_MODULES = {"classification": "winnow.tasks.classification"}


def task_named(name: str) -> Task:
    """Give the task of this kind.

    Raises
    ------
    NotFound
        No such kind.
    """
    if name not in _MODULES:
        msg = f"task: expected one of {', '.join(_MODULES)}, found {name!r}"
        raise NotFound(msg)
    return cast(Task, import_module(_MODULES[name]).TASK)


def stacked(task: Task, frames: Sequence[bytes], *, input_pixels: int) -> npt.NDArray[np.uint8]:
    """Decode frames to one array uint8 [N, 3, P, P]; raises as `Task.pixels` does."""
    shape = (len(frames), 3, input_pixels, input_pixels)
    pixels = np.empty(shape, dtype=np.uint8)
    for pos, frame in enumerate(frames):
        pixels[pos] = task.pixels(frame, input_pixels=input_pixels)
    return pixels

"""How most families begin: drawn weights, and pixels that every epoch changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from winnow.tasks.examples import Examples
from winnow.tasks.task import NetworkConfig, OpenWeights

if TYPE_CHECKING:
    import torch


class FromPixels:
    """What families share that neither load weights nor compute anything ahead; see `Task`."""

    def begin(
        self, network: torch.nn.Module, config: NetworkConfig, open_weights: OpenWeights
    ) -> None:
        """Start from the drawn weights."""

    def prepared(
        self, network: torch.nn.Module, examples: Examples, config: NetworkConfig, *, folder: Path
    ) -> Examples:
        """Give the examples: every epoch sees other inputs."""
        return examples

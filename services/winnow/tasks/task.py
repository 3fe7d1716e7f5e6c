"""What a committee learns: the shape of a family of networks, and where each family lives.

Nothing here imports torch: who only plans or scores elsewhere does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import NotFound
from winnow.tasks.examples import Examples, Pixels, Rows, Values

if TYPE_CHECKING:
    import torch

OpenWeights = Callable[[str], BinaryIO]
"""Opens weights by where they lie; what it raises says why it cannot."""
Outputs = npt.NDArray[np.float32]
"""[N, ...]: what a network says of N frames; the rest of the shape is the kind's."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that gives a member's network its shape; stored with its weights."""

    task: str
    """Family, or `family:argument` where the family takes one, as in a policy."""
    class_names: tuple[str, ...]
    """Meaning of class index c."""
    input_height: int
    input_width: int
    """Pixels; frames are resized to it, not keeping their proportions."""
    width: int
    """Channels of the first block."""
    mean: tuple[float, float, float]
    """Of the training pixels, each channel, 0-255: what the input is centred by."""
    std: tuple[float, float, float]

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def argument(self) -> str:
        """What follows the colon of `task`, or nothing."""
        return self.task.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Said:
    """What the members say of N frames together; which fields there are is the kind's."""

    probs_NMC: npt.NDArray[np.float32] | None = None
    information_NC: npt.NDArray[np.float32] | None = None
    boxes: tuple[str, ...] = ()


class Task(Protocol):
    """One family of networks.

    The second half depends on the kind alone: families inherit it (`winnow.tasks.class_outputs`,
    `winnow.tasks.map_outputs`), so that members of several families make one committee.
    """

    @property
    def name(self) -> str:
        """Name under which `task_named` finds the family."""
        ...

    @property
    def kind(self) -> str:
        """`classification` or `detection`: which labels it learns from."""
        ...

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make a network whose weights come from `rng` alone."""
        ...

    def begin(
        self, network: torch.nn.Module, config: NetworkConfig, open_weights: OpenWeights
    ) -> None:
        """Load what training starts from, if the family's argument names weights; else nothing.

        Members that are read back hold all their weights: this is not called for them.

        Raises
        ------
        BadInput
            The weights cannot be read, or are none for this network.
        """
        ...

    def prepared(
        self, network: torch.nn.Module, examples: Examples, config: NetworkConfig, *, folder: Path
    ) -> Examples:
        """Give the examples with all that training would compute anew in each epoch, the same.

        Parameters
        ----------
        network
            As training starts with it, where it will be trained.
        folder
            Keeps what is computed, for other members and trainings.
        """
        ...

    def inputs(self, pixels: Pixels, config: NetworkConfig) -> torch.Tensor:
        """Turn pixels uint8 [B, 3, H, W] into what the network takes."""
        ...

    def batch(
        self,
        examples: Examples,
        rows: Rows,
        config: NetworkConfig,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Give inputs and what is wanted for some frames; augmented if there is an `rng`."""
        ...

    def losses(
        self, network: torch.nn.Module, inputs: torch.Tensor, wanted: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Give each frame's loss, [B]."""
        ...

    def outputs(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give uncalibrated outputs [B, ...] in the layout of the kind."""
        ...

    def target(self, label: str, *, class_names: Sequence[str], size: tuple[int, int]) -> Values:
        """Turn a label's text into rows of `Examples.values`, float32 [K, W].

        Parameters
        ----------
        size
            Width and height of the upright frame, pixels.

        Raises
        ------
        BadInput
            The text is no label of this kind, or names a class that there is not.
        """
        ...

    def calibrate(self, outputs: Outputs, examples: Examples) -> tuple[float, ...]:
        """Fit temperatures on frames that the network was not trained on; all 1 for no frames."""
        ...

    def calibration_loss(
        self, outputs: Outputs, examples: Examples, temperatures: Sequence[float]
    ) -> float:
        """Give the negative log-likelihood of labels, nats; NaN where there is nothing to say."""
        ...

    def calibrated(self, outputs: Outputs, temperatures: Sequence[float]) -> Outputs:
        """Turn outputs into calibrated probabilities (and what else the kind's layout has)."""
        ...

    def valid(self, calibrated: Outputs) -> bool:
        """Tell whether a member's answer is one: finite, probabilities that are such."""
        ...

    def said(
        self,
        members: Sequence[Outputs],
        *,
        sizes_N2: npt.NDArray[np.int64],
        class_names: Sequence[str],
    ) -> Said:
        """Combine the calibrated outputs of the members that answered; at least one."""
        ...

    def maps(self, calibrated: Outputs) -> npt.NDArray[np.float32]:
        """Give the probability maps [N, C, h, w] in calibrated outputs.

        Raises
        ------
        SchemaMismatch
            The kind has none.
        """
        ...


_MODULES = {
    "classification": "winnow.tasks.classification",
    "evidential_classification": "winnow.tasks.evidential",
    "heteroscedastic_classification": "winnow.tasks.heteroscedastic",
    "frozen_features": "winnow.tasks.frozen_features",
    "backbone": "winnow.tasks.backbone",
    "grid_detection": "winnow.tasks.grid.detection",
    "fpn_detection": "winnow.tasks.fpn_detection",
}


def task_named(name: str) -> Task:
    """Give the family of this name; what follows a colon is its argument, see `NetworkConfig`.

    Raises
    ------
    NotFound
        No such family.
    """
    family = name.partition(":")[0]
    if family not in _MODULES:
        msg = f"network: expected one of {', '.join(_MODULES)}, found {name!r}"
        raise NotFound(msg)
    return cast(Task, import_module(_MODULES[family]).TASK)

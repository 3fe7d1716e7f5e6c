"""A member as bytes: weights, the config that shapes them, and what they were trained on."""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from winnow.domain.errors import IntegrityError, SchemaMismatch
from winnow.tasks.task import NetworkConfig, Task, task_named

if TYPE_CHECKING:
    import torch

FORMAT = 2
_UNREADABLE = (
    RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError,
    AttributeError, OverflowError, OSError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What is raised about other bytes by zipfile, by torch, and by taking apart what it read."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of a training after `step` optimizer steps."""

    config: NetworkConfig
    weights: Mapping[str, torch.Tensor]
    data_sha256: str
    """Digest of the pixels and targets that it saw."""
    seed: int
    step: int
    train_loss: float
    """Mean over the last epoch."""
    temperatures: tuple[float, ...] = ()
    """What calibrates its outputs; empty until it was calibrated."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """On the holdout, and of the calibration; empty until it was evaluated."""
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    """Empty in a finished member; what a training needs to go on."""
    compute_ms: int = 0
    """So far; 0 in a finished member, so that equal members are equal bytes."""


def checkpoint_bytes(checkpoint: Checkpoint) -> bytes:
    """Give the bytes; equal checkpoints give equal bytes."""
    import torch

    document = {
        "format": FORMAT,
        "config": asdict(checkpoint.config),
        "weights": dict(checkpoint.weights),
        "data_sha256": checkpoint.data_sha256,
        "seed": checkpoint.seed,
        "step": checkpoint.step,
        "train_loss": checkpoint.train_loss,
        "temperatures": tuple(checkpoint.temperatures),
        "metrics": dict(checkpoint.metrics),
        "optimizer": dict(checkpoint.optimizer),
        "compute_ms": checkpoint.compute_ms,
    }
    sink = io.BytesIO()
    torch.save(document, sink)
    return sink.getvalue()


def read_checkpoint(data: bytes, *, where: str) -> Checkpoint:
    """Read a checkpoint; only tensors and plain values are ever unpickled.

    Raises
    ------
    IntegrityError
        The bytes are no checkpoint, a damaged one, or one of another format.
    """
    import torch

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:  # torch itself takes a flipped bit
            if damaged := archive.testzip():
                msg = f"{where}: expected a checkpoint, found {damaged} in it damaged"
                raise IntegrityError(msg)
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if found.pop("format") != FORMAT:
            msg = f"{where}: expected a checkpoint of format {FORMAT}"
            raise IntegrityError(msg)
        config = NetworkConfig(**found.pop("config"))
        return Checkpoint(config=config, **found)
    except _UNREADABLE as error:
        msg = f"{where}: expected a checkpoint, found other bytes ({error})"
        raise IntegrityError(msg) from error


def restored(
    checkpoint: Checkpoint, *, where: str, class_names: Sequence[str] | None = None
) -> tuple[Task, torch.nn.Module]:
    """Give the task and the network with the checkpoint's weights.

    Parameters
    ----------
    class_names
        Classes that it must answer about, in this order; none: whatever it knows.

    Raises
    ------
    IntegrityError
        The weights do not fit the network that the config describes.
    SchemaMismatch
        It knows other classes.
    """
    known = checkpoint.config.class_names
    if class_names is not None and tuple(class_names) != known:
        msg = f"{where}: expected a checkpoint of the classes {', '.join(class_names)}, "
        raise SchemaMismatch(msg + f"found one of {', '.join(known)}")
    task = task_named(checkpoint.config.task)
    network = task.network(checkpoint.config, rng=np.random.Generator(np.random.Philox(0)))
    try:
        network.load_state_dict(dict(checkpoint.weights))
    except RuntimeError as error:
        msg = f"{where}: expected weights for {checkpoint.config}: {error}"
        raise IntegrityError(msg) from error
    network.eval()
    return task, network

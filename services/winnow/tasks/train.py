"""Train one member: the whole loop, top to bottom.

On one core, 300 frames of 32 x 32 pixels and 40 epochs take about 1.2 s. Killed at any moment
and started again with the same file, it goes on and ends with the very same weights; on a GPU,
whose kernels may add in any order, with nearly the same.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from winnow.domain.errors import IntegrityError, TrainingFailed
from winnow.tasks.backbones import open_path
from winnow.tasks.checkpoint import Checkpoint, checkpoint_bytes, read_checkpoint
from winnow.tasks.devices import has_fast_bfloat16
from winnow.tasks.examples import Examples, Rows
from winnow.tasks.loading import ahead
from winnow.tasks.task import NetworkConfig, OpenWeights, Task, task_named
from winnow.tasks.whole_files import write_whole

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Moments = list[tuple[Tensor, Tensor]]

WARMUP_STEPS = 10
"""Steps over which the learning rate rises."""
_ANEW = (0, math.nan, 0)  # step, loss and milliseconds of a training that has not begun
_WEIGHTS, _EPOCH, _AUGMENT, _LAYERS = range(4)  # what a random stream is for


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train; with data, threads and the kind of CPU it decides every bit of the result."""

    network: NetworkConfig
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    mixed_precision: bool = False
    """Multiply in 16 bits (bfloat16) where the device does that faster; sums stay in 32."""
    steps_min: int = 0
    """With few frames the epochs are repeated up to this; whole epochs, so maybe some more."""


def train(
    examples: Examples,
    config: TrainConfig,
    *,
    file: Path,
    checkpoint_seconds: float = 10.0,
    threads: int = 1,
    loaders: int = 1,
    device: str = "cpu",
    open_weights: OpenWeights = open_path,
    features: Path | None = None,
) -> Checkpoint:
    """Train on `examples`, at least one; give the member after its last step.

    Parameters
    ----------
    file
        Where the state is kept between checkpoints: what a restart goes on from.
    checkpoint_seconds
        Least time between two of them; 0 writes one after each epoch.
    threads
        Cores for torch. Members are trained side by side, so that one each is fastest. Sums are in
        another order with another number, so bits are the same with one number only.
    loaders
        Threads that prepare batches while others are learned from; 0: none. Changes no bit.
    device
        What torch computes on, `cpu` or `cuda`; on a GPU bits differ from run to run.
    open_weights
        Opens published weights, if the network starts from any.
    features
        Folder where the features of frozen networks are kept; none: `features` beside `file`.

    Raises
    ------
    TrainingFailed
        The loss is no number.
    BadInput
        Published weights cannot be read, or are none for this network.
    """
    import torch

    torch.set_num_threads(threads)
    task = task_named(config.network.task)
    data_sha256 = _digest(examples, config)
    network = task.network(config.network, rng=_rng(config.seed, _WEIGHTS, 0))
    task.begin(network, config.network, open_weights)
    network = network.to(device)
    examples = task.prepared(
        network, examples, config.network, folder=features or file.parent / "features"
    )
    parameters = list(network.parameters())
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    n_batches = math.ceil(len(examples) / config.batch_size)
    n_epochs = max(config.epochs, math.ceil(config.steps_min / n_batches))
    n_steps = n_epochs * n_batches
    mixed = config.mixed_precision and has_fast_bfloat16(device)

    step, train_loss, compute_ms = _resume(file, data_sha256, network, moments)

    def state(**optimizer: Moments) -> Checkpoint:
        return Checkpoint(
            config=config.network, weights=network.state_dict(), data_sha256=data_sha256,
            seed=config.seed, step=step, train_loss=train_loss, optimizer=optimizer,
            compute_ms=compute_ms,
        )  # fmt: skip

    saved = time.monotonic()
    network.train()
    while step < n_steps:
        # What layers draw (dropout) comes from torch's global state: set, so that nothing is saved.
        torch.manual_seed(int(_rng(config.seed, _LAYERS, step).integers(2**63)))
        order = _rng(config.seed, _EPOCH, step // n_batches).permutation(len(examples))
        batch_of = partial(_batch, task, examples, config, order)
        means = []
        for batch in ahead(batch_of, range(step, step + n_batches), threads=loaders):
            inputs, weights, *wanted = (one.to(device) for one in batch)
            with torch.autocast(device, torch.bfloat16, enabled=mixed):
                losses = task.losses(network, inputs, tuple(wanted))
            loss = (losses.float() * weights).mean()
            gradients = torch.autograd.grad(loss, parameters)
            rate = config.learning_rate * _schedule(step, n_steps)
            _adamw(parameters, gradients, moments, step=step, rate=rate, decay=config.weight_decay)
            means.append(loss.detach())
            step += 1
        # Not before: on a GPU each number that is read waits for all that was asked of it.
        train_loss = sum(mean.item() for mean in means) / n_batches
        if not math.isfinite(train_loss):
            msg = f"{file.stem}: expected a finite loss, found {train_loss} after step {step}"
            raise TrainingFailed(msg)
        now = time.monotonic()
        if step == n_steps or now - saved >= checkpoint_seconds:
            compute_ms, saved = compute_ms + round((now - saved) * 1000), now
            write_whole(file, checkpoint_bytes(state(moments=moments)))
    return state()


def _schedule(step: int, n_steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    return warm * 0.5 * (1.0 + math.cos(math.pi * step / n_steps))


def _adamw(
    parameters: Sequence[torch.Tensor],
    gradients: Sequence[torch.Tensor],
    moments: Moments,
    *,
    step: int,
    rate: float,
    decay: float,
) -> None:
    """Take one step of AdamW (Loshchilov & Hutter, ICLR 2019, algorithm 2), in place.

    `torch.optim` would do the same, but loads torch's compiler first: 2 s in every member's
    process, twice the time that a small member trains.
    """
    import torch

    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    unbias1, unbias2 = 1.0 - beta1 ** (step + 1), 1.0 - beta2 ** (step + 1)
    with torch.no_grad():
        for parameter, gradient, (first, second) in zip(
            parameters, gradients, moments, strict=True
        ):
            first.lerp_(gradient, 1.0 - beta1)
            second.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
            parameter.mul_(1.0 - rate * decay)
            denominator = second.sqrt().div_(math.sqrt(unbias2)).add_(epsilon)
            parameter.addcdiv_(first, denominator, value=-rate / unbias1)


def _batch(
    task: Task, examples: Examples, config: TrainConfig, order: Rows, step: int
) -> tuple[Tensor, ...]:
    """Give inputs, weights and what is wanted of the frames of a step; nothing else decides."""
    import torch

    n_batches = math.ceil(len(order) / config.batch_size)
    start = (step % n_batches) * config.batch_size
    rows = order[start : start + config.batch_size]
    rng = _rng(config.seed, _AUGMENT, step)
    inputs, wanted = task.batch(examples, rows, config.network, rng=rng)
    return inputs, torch.from_numpy(examples.weights_N[rows]), *wanted


def _rng(seed: int, stream: int, count: int) -> np.random.Generator:
    """Give a generator for one use: nothing to save, nothing to restore."""
    counter = np.array([0, 0, count, stream], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


def _digest(examples: Examples, config: TrainConfig) -> str:
    digest = hashlib.sha256(repr(config).encode())
    for array in (examples.pixels, examples.values, examples.counts_N, examples.weights_N):
        for start in range(0, len(array), 1024):  # a memory-mapped array is never read whole
            digest.update(np.ascontiguousarray(array[start : start + 1024]).data)
    return digest.hexdigest()


def _resume(
    file: Path, data_sha256: str, network: torch.nn.Module, moments: Moments
) -> tuple[int, float, int]:
    """Put back weights and optimizer; a file that is damaged or of other data starts anew.

    So does one of an earlier version of Winnow whose network had other layers.
    """
    if not file.exists():
        return _ANEW
    try:
        found = read_checkpoint(file.read_bytes(), where=str(file))
    except IntegrityError:
        return _ANEW
    if found.data_sha256 != data_sha256 or _shapes(found.weights) != _shapes(network.state_dict()):
        return _ANEW
    network.load_state_dict(dict(found.weights))
    for (first, second), state in zip(moments, found.optimizer["moments"], strict=True):
        first.copy_(state[0])
        second.copy_(state[1])
    return found.step, found.train_loss, found.compute_ms


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: one.shape for name, one in weights.items()}

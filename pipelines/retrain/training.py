"""The life of one member: its sample of the labels, training, temperatures, checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrain.calibration_split import calibration_mask
from retrain.data import Pack, label_weights, unpack
from retrain.orders import Order, Trained, prefix_of
from retrain.settings import RetrainSettings
from retrain.weights import opener
from winnow.contracts.manifests import Member
from winnow.domain.errors import TrainingFailed
from winnow.ports.blobs import Blobs
from winnow.tasks.checkpoint import Checkpoint, checkpoint_bytes, restored
from winnow.tasks.devices import chosen_device
from winnow.tasks.examples import Examples, Pixels, channel_moments
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import NetworkConfig, Outputs
from winnow.tasks.train import TrainConfig, train

if TYPE_CHECKING:
    import torch

CHECKPOINT = "application/x-torch"
FRAMES_ASKED = 8
"""What a member that calibrates nothing must answer about, to be one."""
_BOOTSTRAP = 100  # what the random stream is for; the loop's own start at 0


def train_member(blobs: Blobs, settings: RetrainSettings, order: Order) -> Trained:
    """Train one member and fit its temperatures; a member that fails is told, not raised."""
    member, error = None, ""
    try:
        member = _member(blobs, settings, order)
    except (TrainingFailed, RuntimeError, MemoryError) as failure:
        # RuntimeError is what torch raises when an engine or a GPU's memory gives way.
        error = f"{type(failure).__name__}: {failure}"
    return Trained(
        name=order.name,
        member=member,
        error=error,
        train=order.train,
        holdout=order.holdout,
        config={k: v for k, v in order.training.model_dump(mode="json").items() if k != "members"},
    )


def _member(blobs: Blobs, settings: RetrainSettings, order: Order) -> Member:
    document, examples = unpack(blobs, order.train)
    kept_out = calibration_mask(document, examples, order.training.calibration_share)
    learned = learned_examples(order, document, examples, kept_out)
    checkpoint = train(
        learned,
        _config(order, learned),
        file=settings.work_dir / order.round_id / f"{order.name}.pt",
        checkpoint_seconds=settings.checkpoint_seconds,
        threads=settings.torch_threads,
        loaders=settings.loader_threads,
        device=chosen_device(settings.device),
        open_weights=opener(blobs),
        features=settings.work_dir / "features",
    )
    finished = _calibrated(order, checkpoint, learned, examples.take(np.flatnonzero(kept_out)))
    data = checkpoint_bytes(finished)
    return Member(
        name=order.name,
        seed=order.seed,
        checkpoint=blobs.put(data, prefix=prefix_of(order.round_id), media_type=CHECKPOINT),
        temperatures=finished.temperatures,
        step=finished.step,
        metrics=dict(finished.metrics) | {"train_loss": finished.train_loss},
        compute_ms=checkpoint.compute_ms,
    )


def learned_examples(
    order: Order, document: Pack, examples: Examples, kept_out: npt.NDArray[np.bool_]
) -> Examples:
    """Give what the member learns from: all that calibrates nothing, or a bootstrap sample of it.

    With `training.weights` each counts by how likely it was that its frame was chosen.
    """
    rows = np.flatnonzero(~kept_out)
    weights_N = np.ones(len(examples), dtype=np.float32)
    weights_N[rows] = label_weights(document, order.training, rows)
    examples = replace(examples, weights_N=weights_N)
    if order.training.bagging:
        counter = np.array([0, 0, 0, _BOOTSTRAP], dtype=np.uint64)
        rng = np.random.Generator(np.random.Philox(key=order.seed, counter=counter))
        rows = np.sort(rng.choice(rows, size=len(rows)))
    return examples.take(rows)


def _config(order: Order, learned: Examples) -> TrainConfig:
    training = order.training
    height, width = training.height_width
    mean, std = channel_moments(learned.pixels)
    return TrainConfig(
        network=NetworkConfig(
            task=order.network,
            class_names=order.class_names,
            input_height=height,
            input_width=width,
            width=training.width,
            mean=mean,
            std=std,
        ),
        seed=order.seed,
        epochs=training.epochs,
        steps_min=training.steps_min,
        batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        mixed_precision=training.mixed_precision,
    )


def _calibrated(
    order: Order, checkpoint: Checkpoint, learned: Examples, calibrating: Examples
) -> Checkpoint:
    """Fit temperatures; without optimizer and clock equal members are equal bytes.

    Raises
    ------
    TrainingFailed
        The member's answers are no numbers: its last step, whose loss nobody saw, broke it.
    """
    task, network = restored(checkpoint, where=order.name)

    def asked(pixels: Pixels) -> Outputs:
        return outputs_of(task, network, pixels, checkpoint.config)

    outputs = asked(calibrating.pixels)
    if not np.isfinite(outputs if len(outputs) else asked(learned.pixels[:FRAMES_ASKED])).all():
        msg = f"{order.name}: expected finite answers after step {checkpoint.step}, found others"
        raise TrainingFailed(msg)
    temperatures = task.calibrate(outputs, calibrating)
    ones = (1.0,) * len(temperatures)
    metrics = {
        "n_calibration": float(len(calibrating)),
        "calibration_nll_before": task.calibration_loss(outputs, calibrating, ones),
        "calibration_nll_after": task.calibration_loss(outputs, calibrating, temperatures),
        "weight_norm": _weight_norm(network.parameters()),
    }
    return replace(
        checkpoint,
        temperatures=temperatures,
        metrics={name: value for name, value in metrics.items() if not math.isnan(value)},
        optimizer={},
        compute_ms=0,
    )


def _weight_norm(parameters: Iterable[torch.Tensor]) -> float:
    """Give the Euclidean length of all weights together, for `winnow.stopping.WeightStability`."""
    squares = (float(weights.detach().double().square().sum()) for weights in parameters)
    return math.sqrt(math.fsum(squares))

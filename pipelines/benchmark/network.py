"""The small convolutional network as a learner: a few members from different seeds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.frames import Numbers
from benchmark.learning import CALIBRATION_MIN, Answers, Probs, kept_out_of
from benchmark.pools import Pool
from winnow.domain.errors import BadInput
from winnow.policy.training_section import TrainingSection
from winnow.tasks.checkpoint import Checkpoint, restored
from winnow.tasks.examples import Examples, Pixels, channel_moments, examples_of
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import NetworkConfig, task_named
from winnow.tasks.train import TrainConfig, train

TASK = "classification"


class NetworkLearner:
    """Members trained from scratch on pixels, each with its own temperature."""

    def __init__(self, *, members: int, steps: int) -> None:
        self._members, self._steps = members, steps

    def learn(self, pool: Pool, labeled: Numbers, *, seed: int) -> Answers:
        """See `Learner.learn`; a tenth of the labels is kept from training for temperatures."""
        if pool.pixels_N is None or pool.held_pixels_H is None:
            msg = "network: expected frames with pixels, found features alone"
            raise BadInput(msg)
        kept_out = kept_out_of(pool, labeled)
        if kept_out.sum() < CALIBRATION_MIN:
            kept_out[:] = False
        examples = _examples(pool, labeled)
        answers = [
            self._member(pool, examples, kept_out, 1000 * seed + member)
            for member in range(self._members)
        ]
        held = [one[1] for one in answers]
        return Answers(np.stack([one[0] for one in answers], axis=1), np.stack(held, axis=1))

    def _member(
        self, pool: Pool, examples: Examples, kept_out: npt.NDArray[np.bool_], seed: int
    ) -> tuple[Probs, Probs]:
        learned = examples.take(np.flatnonzero(~kept_out))
        checkpoint = _trained(learned, pool.class_names, seed=seed, steps=self._steps)
        task, network = restored(checkpoint, where="benchmark")

        def asked(pixels: Pixels) -> Probs:
            return outputs_of(task, network, pixels, checkpoint.config)

        temperatures: tuple[float, ...] = (1.0,)
        if kept_out.any():
            calibrating = examples.take(np.flatnonzero(kept_out))
            temperatures = task.calibrate(asked(calibrating.pixels), calibrating)
        assert pool.pixels_N is not None
        assert pool.held_pixels_H is not None
        return (
            task.calibrated(asked(pool.pixels_N), temperatures),
            task.calibrated(asked(pool.held_pixels_H), temperatures),
        )


def _examples(pool: Pool, labeled: Numbers) -> Examples:
    assert pool.pixels_N is not None
    pixels, task = pool.pixels_N[labeled], task_named(TASK)
    size = (pixels.shape[3], pixels.shape[2])
    targets = [
        task.target(pool.class_names[label], class_names=pool.class_names, size=size)
        for label in pool.labels_N[labeled].tolist()
    ]
    return examples_of(pixels, targets)


def _trained(
    examples: Examples, class_names: tuple[str, ...], *, seed: int, steps: int
) -> Checkpoint:
    """Train one member for so many steps; a run of the benchmark is short, so nothing is kept."""
    training = TrainingSection()
    mean, std = channel_moments(examples.pixels)
    config = TrainConfig(
        network=NetworkConfig(
            task=TASK,
            class_names=class_names,
            input_height=examples.pixels.shape[2],
            input_width=examples.pixels.shape[3],
            width=training.width,
            mean=mean,
            std=std,
        ),
        seed=seed,
        epochs=1,
        steps_min=steps,
        batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "member.pt"
        return train(examples, config, file=file, checkpoint_seconds=1e9, loaders=0)

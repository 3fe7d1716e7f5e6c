"""Detectors of a comparison: trained on rows of a place, resumable, asked about others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ab_test.frames import Positions
from ab_test.place import Place
from ab_test.setting import AbSetting
from winnow.acquisition.map_information import map_mutual_information
from winnow.tasks.checkpoint import restored
from winnow.tasks.examples import channel_moments
from winnow.tasks.map_decoding import BOX_CHANNELS, Boxes, decode
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import NetworkConfig, Outputs, Task
from winnow.tasks.train import TrainConfig, train

if TYPE_CHECKING:
    import torch

BLOCK_FRAMES = 256
"""Frames whose maps are in memory at once."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A trained network with what calibrates its maps."""

    task: Task
    network: torch.nn.Module
    config: NetworkConfig
    temperatures: tuple[float, ...]

    def answers(self, place: Place, rows: Positions) -> Outputs:
        """Give calibrated outputs of some frames, float32 [R, C + 4, h, w]."""
        outputs = outputs_of(self.task, self.network, place.examples.pixels[rows], self.config)
        return self.task.calibrated(outputs, self.temperatures)

    def boxes(self, place: Place, rows: Positions) -> list[Boxes]:
        """Give the boxes of some frames."""
        found: list[Boxes] = []
        for start in range(0, len(rows), BLOCK_FRAMES):
            said = self.answers(place, rows[start : start + BLOCK_FRAMES])
            found.extend(decode(self.task.maps(said), said[:, -BOX_CHANNELS:]))
        return found


def train_detector(
    place: Place, rows: Positions, setting: AbSetting, *, seed: int, file: Path
) -> Detector:
    """Train on some frames; a state in `file` of the same training is gone on from.

    A part of the reference frames among `rows` fits the temperatures instead of the weights, the
    same one for every model, so that all of them see the same reference labels.
    """
    kept_out = calibration_rows(place, setting)
    config = TrainConfig(
        network=_network(place, setting),
        seed=seed,
        epochs=setting.epochs,
        batch_size=setting.batch_size,
        learning_rate=setting.learning_rate,
        weight_decay=setting.weight_decay,
        mixed_precision=setting.mixed_precision,
    )
    examples = place.examples.take(np.setdiff1d(rows, kept_out))
    checkpoint = train(examples, config, file=file, loaders=0)
    task, network = restored(checkpoint, where=str(file))
    calibration = place.examples.take(kept_out)
    outputs = outputs_of(task, network, calibration.pixels, checkpoint.config)
    temperatures = task.calibrate(outputs, calibration)
    return Detector(task, network, checkpoint.config, temperatures)


def calibration_rows(place: Place, setting: AbSetting) -> Positions:
    """Give the reference frames that fit temperatures, spread over the reference set."""
    n = round(len(place.reference) * setting.calibration_share)
    rng = np.random.Generator(np.random.Philox(key=setting.seed, counter=[0, 0, 0, 1]))
    return np.sort(rng.choice(place.reference, size=n, replace=False))


def information_of(
    committee: Sequence[Detector], place: Place, rows: Positions
) -> npt.NDArray[np.float32]:
    """Give the mutual information of the members' maps, mean over cells, nats, [R, C]."""
    blocks = []
    for start in range(0, len(rows), BLOCK_FRAMES):
        maps_NMCHW = maps_of(committee, place, rows[start : start + BLOCK_FRAMES])
        blocks.append(map_mutual_information(maps_NMCHW))
    return np.concatenate(blocks).astype(np.float32)


def maps_of(
    committee: Sequence[Detector], place: Place, rows: Positions
) -> npt.NDArray[np.float16]:
    """Give the members' calibrated maps of some frames, [R, M, C, h, w]."""
    said = [one.task.maps(one.answers(place, rows)) for one in committee]
    return np.stack(said, axis=1).astype(np.float16)


def _network(place: Place, setting: AbSetting) -> NetworkConfig:
    mean, std = channel_moments(place.examples.pixels[place.reference])
    return NetworkConfig(
        task=setting.network,
        class_names=place.class_names,
        input_height=setting.input_height,
        input_width=setting.input_width,
        width=setting.width,
        mean=mean,
        std=std,
    )

"""The second family of detectors: it learns, and makes one committee with the first."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.tasks.scenes import CLASSES, CONFIG, scenes
from winnow.domain.errors import BadInput
from winnow.tasks.checkpoint import restored
from winnow.tasks.committee import CommitteeModel, LoadedMember
from winnow.tasks.grid.network import grid_shape
from winnow.tasks.map_decoding import decode
from winnow.tasks.map_outputs import mean_maps
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import NetworkConfig, task_named
from winnow.tasks.train import TrainConfig, train

RESNET = dataclasses.replace(CONFIG, task="fpn_detection:resnet18", width=2)


def training(config: NetworkConfig) -> TrainConfig:
    return TrainConfig(
        network=config,
        seed=1,
        epochs=3,
        batch_size=8,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


@pytest.mark.parametrize(("height", "width"), [(32, 48), (30, 50), (17, 33)])
def test_its_maps_lie_on_the_grid_of_the_first_family(height: int, width: int) -> None:
    config = dataclasses.replace(RESNET, input_height=height, input_width=width)
    task = task_named(config.task)
    network = task.network(config, rng=np.random.default_rng(0))
    pixels = np.zeros((2, 3, height, width), dtype=np.uint8)
    assert outputs_of(task, network, pixels, config).shape == (2, 6, *grid_shape(height, width))


def test_it_learns_from_published_weights_and_joins_the_grid_detector(tmp_path: Path) -> None:
    from torchvision.models import get_model

    path = tmp_path / "resnet18.pth"
    torch.manual_seed(0)
    torch.save(get_model("resnet18", weights=None).state_dict(), path)
    config = dataclasses.replace(RESNET, task=f"{RESNET.task}@{path}")
    checkpoint = train(scenes(0, 33), training(config), file=tmp_path / "m0.state", loaders=0)
    path.unlink()
    members = []
    for m, one in enumerate((config, CONFIG)):
        if one is CONFIG:
            task = task_named(one.task)
            network = task.network(one, rng=np.random.default_rng(0)).eval()
        else:
            task, network = restored(checkpoint, where="m0", class_names=CLASSES)
        members.append(LoadedMember(f"m{m}", task, network, one, (1.0, 1.0)))
    unseen = scenes(200, 216)
    answer = members[0].answer(unseen.pixels)
    assert answer is not None
    best = [found.classes_K[0] for found in decode(*mean_maps([answer]))]
    right = [c in unseen.of(pos)[:, 0] for pos, c in enumerate(best)]
    assert sum(right) >= 13, right
    together = CommitteeModel(members, class_names=CLASSES).score_pixels(unseen.pixels)
    assert together.members_answered == ("m0", "m1")
    assert together.map_information().shape == (16, 2)
    assert together.map_information().min() > 0.0


def test_another_network_than_a_resnet_is_told() -> None:
    with pytest.raises(BadInput, match="NAME one of resnet18"):
        task_named("fpn_detection").network(
            dataclasses.replace(CONFIG, task="fpn_detection:vgg"), rng=np.random.default_rng(0)
        )

"""Requests that come at once are computed one by one."""

from __future__ import annotations

import threading
from typing import cast

import numpy as np
import torch

from tests.unit.training.toy_world import frame
from winnow.tasks.committee import CommitteeModel, LoadedMember
from winnow.tasks.task import NetworkConfig, task_named

MAPS = NetworkConfig("grid_detection", ("bar", "ring"), 32, 48, 4, (90.0,) * 3, (50.0,) * 3)


class Meanwhile(torch.nn.Module):
    """Lets somebody ask for maps while it computes for the first time; notes who comes in."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.asks = threading.Thread()
        self.inside = threading.Event()
        self.came_in = list[bool]()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if threading.current_thread() is self.asks:
            self.inside.set()
        elif not self.came_in:
            self.asks.start()
            self.came_in.append(self.inside.wait(timeout=0.3))
        return cast(torch.Tensor, self.network(values))


def test_maps_are_computed_after_what_is_being_computed_whose_time_is_paid() -> None:
    task = task_named(MAPS.task)
    network = task.network(MAPS, rng=np.random.Generator(np.random.Philox(0))).eval()
    slow = Meanwhile(network)
    member = LoadedMember("m0", task, slow, MAPS, (1.0, 1.0))
    model = CommitteeModel([member], class_names=MAPS.class_names)
    slow.asks = threading.Thread(target=model.maps, args=([frame("bar", 0)],))
    model.score([frame("bar", 1)])
    slow.asks.join()
    assert slow.came_in == [False]
    assert slow.inside.is_set()

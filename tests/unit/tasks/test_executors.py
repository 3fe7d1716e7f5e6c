"""Ways to compute a committee: whichever is taken, each member says what it says alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch

from winnow.tasks import executors
from winnow.tasks.committee import CommitteeModel, LoadedMember
from winnow.tasks.executors import (
    AsOne,
    Loop,
    Networks,
    fastest_executor,
    fastest_of,
    make_executor,
    quickest,
)
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import NetworkConfig, task_named

MEAN, STD = (90.0, 90.0, 90.0), (50.0, 50.0, 50.0)
CLASSES = ("bar", "cross", "ring")
SMALL = NetworkConfig("classification", CLASSES, 16, 16, 4, MEAN, STD)
MAPS = NetworkConfig("grid_detection", CLASSES, 32, 48, 4, MEAN, STD)


def networks(*configs: NetworkConfig) -> Networks:
    """Give untrained networks whose batch statistics differ from the initial ones."""
    made = []
    for m, config in enumerate(configs):
        rng = np.random.Generator(np.random.Philox(m))
        network = task_named(config.task).network(config, rng=rng)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                n = module.num_features
                module.running_mean = torch.from_numpy(rng.normal(0, 0.1, n).astype(np.float32))
                module.running_var = torch.from_numpy(rng.uniform(0.5, 2, n).astype(np.float32))
        made.append(network.eval())
    tasks = tuple(task_named(config.task) for config in configs)
    return Networks(tasks, tuple(made), configs)


def frames(config: NetworkConfig, n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rng = np.random.default_rng(0)
    shape = (n, 3, config.input_height, config.input_width)
    return rng.integers(0, 256, size=shape, dtype=np.uint8)


@pytest.mark.parametrize("config", [SMALL, MAPS], ids=["classification", "grid_detection"])
@pytest.mark.parametrize("name", ["loop", "threads", "grouped", "vmap"])
@pytest.mark.parametrize("n_frames", [1, 7, 400])
def test_each_member_says_what_it_says_alone(
    name: str, config: NetworkConfig, n_frames: int
) -> None:
    of = networks(config, config, config)
    executor = make_executor(name, of)
    if executor is None:
        assert (name, config.task) == ("grouped", "grid_detection")
        return
    pixels = frames(config, n_frames if config is SMALL else min(n_frames, 30))
    found = executor.outputs(pixels)
    for task, network, outputs in zip(of.tasks, of.networks, found, strict=True):
        expected = outputs_of(task, network, pixels, config)
        assert outputs is not None
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


def test_no_frames_give_empty_outputs() -> None:
    for name in ("loop", "threads", "grouped", "vmap"):
        executor = make_executor(name, networks(SMALL, SMALL))
        assert executor is not None
        (one, other) = executor.outputs(frames(SMALL, 0))
        assert one is not None
        assert other is not None
        assert one.shape == other.shape == (0, 3)


@pytest.mark.parametrize(
    ("side", "n_frames", "expected"),
    [(96, 40, [10, 9, 9, 9, 3]), (256, 8, [3, 2, 3]), (256, 6, [3, 2])],
)
def test_values_of_all_networks_need_the_room_of_one(
    side: int, n_frames: int, expected: list[int]
) -> None:
    """And no frame is alone, which would give other bits, unless the loop's batch is one frame."""
    config = NetworkConfig("classification", CLASSES, side, side, 4, MEAN, STD)
    of = networks(config, config, config, config)
    asked = []

    def call(inputs: torch.Tensor) -> list[torch.Tensor]:
        asked.append(len(inputs))
        return [task.outputs(net, inputs) for task, net in zip(of.tasks, of.networks, strict=True)]

    pixels = frames(config, n_frames)
    found = AsOne(of, call).outputs(pixels)
    assert asked == expected
    for outputs, alone in zip(found, Loop(of).outputs(pixels), strict=True):
        assert outputs is not None
        assert alone is not None
        np.testing.assert_allclose(outputs, alone, rtol=1e-4, atol=1e-4)


def test_networks_of_several_shapes_are_asked_one_by_one() -> None:
    wide = NetworkConfig("classification", CLASSES, 16, 16, 8, MEAN, STD)
    mixed = networks(SMALL, wide)
    assert make_executor("grouped", mixed) is None
    assert make_executor("vmap", mixed) is None
    outputs = fastest_executor(mixed).outputs(frames(SMALL, 3))
    assert [one.shape for one in outputs if one is not None] == [(3, 3), (3, 3)]


def test_what_is_chosen_gives_the_bits_of_the_loop_and_is_found_once() -> None:
    of = networks(SMALL, SMALL, SMALL)
    fastest_of.cache_clear()
    pixels = frames(SMALL, 100)
    loop = make_executor("loop", of)
    assert loop is not None
    for _ in range(2):
        for found, expected in zip(
            fastest_executor(of).outputs(pixels), loop.outputs(pixels), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
    assert fastest_of.cache_info().misses == 1


class Clock:
    """Stands still but for what is said to have taken time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def way(self, *seconds: float) -> Callable[[], None]:
        """Give a way that takes these times, the last for ever."""
        left = list(seconds)

        def called() -> None:
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return called


def test_a_machine_that_is_busy_at_first_does_not_decide_which_way_is_quickest() -> None:
    clock = Clock()
    busy = [9.0, 9.0, 8.0, 7.0, 7.0, 7.0, 6.0]
    ways = {"loop": clock.way(*busy, 2.0), "threads": clock.way(9.0, 5.0)}
    assert quickest(ways, clock) == "loop"


def test_times_that_fall_for_ever_are_counted_to_an_end() -> None:
    clock = Clock()
    calls = [0.5**n for n in range(1000)]
    assert quickest({"loop": clock.way(*calls), "threads": clock.way(1e-3)}, clock) == "loop"
    assert clock.now < 3


class Breaking(torch.nn.Module):
    """Runs out of memory."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of memory")


class Meeting(torch.nn.Module):
    """Lets nobody through alone."""

    def __init__(self, all_here: Barrier) -> None:
        super().__init__()
        self._all_here = all_here

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self._all_here.wait(60)
        return values


class Interrupted(ThreadPoolExecutor):
    """On a machine so busy that what was handed over may be done before the next is."""

    def submit(self, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(*args, **kwargs)
        wait([future], timeout=0.05)
        return future


def test_threads_made_later_compute_on_all_that_torch_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, of, n = torch.get_num_threads(), networks(*[SMALL] * 5), 5
    meeting = Meeting(Barrier(n))
    meeting_first = tuple(torch.nn.Sequential(meeting, network) for network in of.networks)
    monkeypatch.setattr(executors, "ThreadPoolExecutor", Interrupted)
    torch.set_num_threads(n)
    try:
        executor = make_executor("threads", replace(of, networks=meeting_first))
        assert executor is not None
        assert all(one is not None for one in executor.outputs(frames(SMALL, 1)))
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == n
    finally:
        torch.set_num_threads(before)


def test_a_network_that_fails_is_none_and_costs_no_other() -> None:
    of = networks(SMALL, SMALL)
    broken = Networks(of.tasks, (of.networks[0], Breaking()), of.configs)
    for name in ("loop", "threads"):
        executor = make_executor(name, broken)
        assert executor is not None
        good, bad = executor.outputs(frames(SMALL, 3))
        assert good is not None
        assert bad is None


def test_a_call_for_all_that_fails_says_who_failed() -> None:
    model = CommitteeModel(
        [
            LoadedMember(f"m{m}", task_named("classification"), network, SMALL, (1.0,))
            for m, network in enumerate([*networks(SMALL, SMALL).networks, Breaking()])
        ],
        class_names=CLASSES,
    )
    answer = model.score_pixels(frames(SMALL, 20))
    assert answer.members_answered == ("m0", "m1")
    assert answer.class_probs().shape == (20, 2, 3)

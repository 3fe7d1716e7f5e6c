"""How the networks of a committee go through a batch: one after the other, side by side, or as one.

Which is fastest depends on the networks and on the machine. Of committees measured on one core,
one convolution whose groups are the members took 0.35 to 0.8 of the loop's time where members have
few channels, and 1.1 times as long where they have many; `vmap` took 1 to 3 times as long.
So a committee tries them on networks of its own shape, once in a process.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from winnow.tasks.blocks import FRAMES_AT_ONCE
from winnow.tasks.examples import Pixels
from winnow.tasks.grouping import grouped_network, stacked_call
from winnow.tasks.predict import BATCH_BYTES, batches_of, outputs_of
from winnow.tasks.task import NetworkConfig, Outputs, Task, task_named

if TYPE_CHECKING:
    import torch

STEADY_TURNS, TURNS_MAX = 5, 40
"""The ways take turns until no way's shortest time fell in so many, at most in so many."""
FALLEN = 0.99
"""A time has fallen if it takes less than this of the shortest before."""


class Executor(Protocol):
    """Goes through frames with all networks."""

    def outputs(self, pixels: Pixels) -> list[Outputs | None]:
        """Give each network's uncalibrated outputs, [N, ...]; None for one that failed."""
        ...


@dataclass(frozen=True)
class Networks:
    """Networks that are asked together; those in one shape may be computed as one."""

    tasks: tuple[Task, ...]
    networks: tuple[torch.nn.Module, ...]
    configs: tuple[NetworkConfig, ...]

    @property
    def of_one_shape(self) -> bool:
        """Whether task, sizes and the way of centring pixels are the same."""
        return len(set(self.configs)) == 1

    @property
    def device(self) -> str:
        """Where the weights are."""
        return str(next(self.networks[0].parameters()).device)


class Loop:
    """One network after the other, each on all threads that torch has."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def outputs(self, pixels: Pixels) -> list[Outputs | None]:
        """See `Executor`."""
        each = zip(
            self._networks.tasks, self._networks.networks, self._networks.configs, strict=True
        )
        return [_or_none(task, network, pixels, config) for task, network, config in each]


class Threads:
    """Networks side by side, each on one thread."""

    def __init__(self, networks: Networks) -> None:
        import torch

        self._networks = networks
        self._pool = _single_threads(torch.get_num_threads())

    def outputs(self, pixels: Pixels) -> list[Outputs | None]:
        """See `Executor`."""
        n = len(self._networks.networks)
        return list(
            self._pool.map(
                _or_none,
                self._networks.tasks,
                self._networks.networks,
                [pixels] * n,
                self._networks.configs,
            )
        )


class AsOne:
    """All networks of one shape in one call; if it fails, one after the other says who failed.

    Parameters
    ----------
    call
        Gives [M, B, ...] for inputs [B, ...].
    """

    def __init__(
        self, networks: Networks, call: Callable[[torch.Tensor], Sequence[torch.Tensor]]
    ) -> None:
        self._networks = networks
        self._call = call

    def outputs(self, pixels: Pixels) -> list[Outputs | None]:
        """See `Executor`."""
        try:
            return list(self._computed(pixels))
        except (RuntimeError, MemoryError):
            return Loop(self._networks).outputs(pixels)

    def _computed(self, pixels: Pixels) -> Sequence[Outputs]:
        import torch

        task, config = self._networks.tasks[0], self._networks.configs[0]
        parts: list[list[Outputs]] = [[] for _ in self._networks.networks]
        with torch.inference_mode():
            for rows in batches_of(pixels):
                inputs = task.inputs(pixels[rows], config).to(self._networks.device)
                # A single frame goes through other code of the engine, with other last bits.
                call = self._call if len(inputs) > 1 else self._one_by_one
                for piece in inputs.tensor_split(self._n_pieces(pixels[rows])):
                    for part, outputs in zip(parts, call(piece), strict=True):
                        part.append(outputs.float().cpu().numpy())
        return [np.concatenate(part) for part in parts]

    def _n_pieces(self, batch: Pixels) -> int:
        """Say how often to cut a batch so that all networks' values need the room of one's.

        On a CPU these values would leave the caches, and the allocator would give their memory
        back to the system after each batch. No piece is a single frame unless the batch is.
        """
        if self._networks.device != "cpu":
            return 1
        wanted = math.ceil(batch.nbytes * len(self._networks.networks) / BATCH_BYTES)
        return max(1, min(wanted, len(batch) // 2))

    def _one_by_one(self, inputs: torch.Tensor) -> Sequence[torch.Tensor]:
        task = self._networks.tasks[0]
        return [task.outputs(network, inputs) for network in self._networks.networks]


def make_executor(name: str, networks: Networks) -> Executor | None:
    """Give an executor by name, or None where these networks cannot be computed so."""
    if name == "loop":
        return Loop(networks)
    if name == "threads":
        return Threads(networks)
    if not networks.of_one_shape:
        return None
    make = {"grouped": grouped_network, "vmap": stacked_call}[name]
    call = make(networks.tasks[0], networks.networks)
    return None if call is None else AsOne(networks, call)


def fastest_executor(networks: Networks) -> Executor:
    """Give the executor that is fastest for networks of this shape, here."""
    import torch

    if len(networks.networks) == 1 or not networks.of_one_shape:
        return Loop(networks)
    neutral = replace(networks.configs[0], mean=(0.0,) * 3, std=(1.0,) * 3)
    name = fastest_of(neutral, len(networks.networks), networks.device, torch.get_num_threads())
    return make_executor(name, networks) or Loop(networks)


@lru_cache(maxsize=64)
def fastest_of(config: NetworkConfig, n_members: int, device: str, n_threads: int) -> str:
    """Try the executors on untrained networks; give the name of the fastest.

    On a CPU only those are taken that give the loop's very bits: what a round chooses must not
    depend on which was faster at that moment.

    Cost: some batches of about a megabyte of pixels through `n_members` networks.
    """
    task = task_named(config.task)
    made = [
        task.network(config, rng=np.random.Generator(np.random.Philox(m))).to(device).eval()
        for m in range(n_members)
    ]
    networks = Networks((task,) * n_members, tuple(made), (config,) * n_members)
    rng = np.random.Generator(np.random.Philox(0))
    frame = (3, config.input_height, config.input_width)
    many = np.broadcast_to(np.uint8(0), (FRAMES_AT_ONCE, *frame))
    n_frames = batches_of(many)[0].stop
    pixels = rng.integers(0, 256, size=(n_frames, *frame), dtype=np.uint8)
    loop = Loop(networks)
    ways: dict[str, Executor] = {"loop": loop}
    for name in _candidates(device, n_threads):
        executor = make_executor(name, networks)
        if executor is not None and (device != "cpu" or _same_bits(loop, executor, pixels)):
            ways[name] = executor
    # The thread's own time, where one thread does it all: it does not count who else is at work.
    clock = time.thread_time if (device, n_threads) == ("cpu", 1) else time.perf_counter
    return quickest({name: partial(way.outputs, pixels) for name, way in ways.items()}, clock)


def _candidates(device: str, n_threads: int) -> tuple[str, ...]:
    if device != "cpu":
        return ("grouped", "vmap")
    # On a CPU `vmap` never was the fastest; trying it costs as much as all others.
    return ("threads", "grouped") if n_threads > 1 else ("grouped",)


def _same_bits(loop: Executor, other: Executor, pixels: Pixels) -> bool:
    return all(
        a is not None and b is not None and a.tobytes() == b.tobytes()
        for rows in (pixels, pixels[:2], pixels[:1])
        for a, b in zip(loop.outputs(rows), other.outputs(rows), strict=True)
    )


def quickest(
    ways: Mapping[str, Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> str:
    """Give the name of the way whose shortest time is least.

    The ways take turns, so that a moment at which the machine is busy hits all alike, and they go
    on as long as a shortest time still falls: what others do at the time only adds to it.
    """
    for way in ways.values():
        way()
    shortest = dict.fromkeys(ways, math.inf)
    steady = 0
    for _ in range(TURNS_MAX):
        steady += 1
        for name, way in ways.items():
            started = clock()
            way()
            taken = clock() - started
            if taken < FALLEN * shortest[name]:
                steady = 0
            shortest[name] = min(taken, shortest[name])
        if steady == STEADY_TURNS:
            break
    return min(shortest, key=lambda name: shortest[name])


def _or_none(
    task: Task, network: torch.nn.Module, pixels: Pixels, config: NetworkConfig
) -> Outputs | None:
    try:
        return outputs_of(task, network, pixels, config)
    except (RuntimeError, MemoryError):  # what torch raises when an engine or memory gives way
        return None


@lru_cache(maxsize=4)
def _single_threads(n_threads: int) -> ThreadPoolExecutor:
    """Give threads each of which computes alone; one pool for all committees of a process."""
    import torch

    pool = ThreadPoolExecutor(
        max_workers=n_threads,
        thread_name_prefix="member",
        initializer=lambda: torch.set_num_threads(1),
    )
    # All are made now, so that each waits for the others: what one sets, later threads inherit.
    all_made = threading.Barrier(n_threads)
    list(pool.map(lambda _: all_made.wait(), range(n_threads)))
    torch.set_num_threads(n_threads)
    return pool

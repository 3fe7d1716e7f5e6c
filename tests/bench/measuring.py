"""How a benchmark takes its times, and the row that it prints."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

R = TypeVar("R")


def best_of(n_repeats: int, *jobs: Callable[[], object]) -> list[float]:
    """Give the shortest time of each job, the jobs taking turns."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(n_repeats):
        for job, taken in zip(jobs, times, strict=True):
            taken.append(timed(job)[0])
    return [min(taken) for taken in times]


def timed(job: Callable[[], R]) -> tuple[float, R]:
    gc.collect()
    started = time.perf_counter()
    result = job()
    return time.perf_counter() - started, result


def row(
    name: str, ours: float, peer: str, peer_seconds: float, *, goal: float | None, note: str = ""
) -> dict[str, object]:
    """Give what is printed; `goal` is the least ratio of the peer's time to ours."""
    ratio = peer_seconds / ours
    return {
        "name": name,
        "ours_seconds": ours,
        "peer": peer,
        "peer_seconds": peer_seconds,
        "ratio": ratio,
        "goal": note or ("" if goal is None else f"ratio >= {goal:g}"),
        "holds": goal is None or ratio >= goal,
        "peak_rss_bytes": peak_rss_bytes(),
        "cores": os.cpu_count(),
    }


def peak_rss_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def bandwidth(rows: npt.NDArray[np.float32]) -> float:
    """Give at how many bytes a second these rows can be read: the best of some products."""
    vector = rows[0].copy()
    return rows.nbytes / min(timed(lambda: rows @ vector)[0] for _ in range(5))


def hex_ids(n: int) -> npt.NDArray[np.str_]:
    return np.array([f"{i:032x}" for i in range(n)], dtype=np.str_)


def clustered(n: int, dimension: int, n_clusters: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Clouds of unit width around centers three times as far spread."""
    rng = np.random.default_rng(seed)
    middles = 3 * rng.standard_normal((n_clusters, dimension), dtype=np.float32)
    rows = rng.standard_normal((n, dimension), dtype=np.float32)
    for start in range(0, n, 1 << 16):
        block = rows[start : start + (1 << 16)]
        block += middles[rng.integers(0, n_clusters, len(block))]
    return rows

"""How many frames of simulated roads one core draws and encodes in a second."""

from __future__ import annotations

import resource
import time

from winnow.testing.roads.setting import RoadsSetting
from winnow.testing.roads.town import Town

N_FRAMES = 1500
PER_CORE_GOAL = 500.0
"""A thousand on two cores."""
SIZES = ((160, 96), (320, 192))


def run() -> list[dict[str, object]]:
    """Draw a town from nothing, its looks and streets included."""
    return [_row(width, height) for width, height in SIZES]


def _row(width: int, height: int) -> dict[str, object]:
    town = Town(RoadsSetting(town=1, frames=N_FRAMES, width=width, height=height))
    # Time of this process on its one thread: other processes on the machine do not count.
    started = time.process_time()
    n_bytes = sum(len(frame.data) for frame in town.frames())
    seconds = time.process_time() - started
    rate = N_FRAMES / seconds
    has_goal = (width, height) == SIZES[0]
    return {
        "name": f"roads {width}x{height}: {rate:.0f} frames/s a core, {n_bytes // N_FRAMES} bytes",
        "ours_seconds": round(seconds, 3),
        "peer": "goal a core",
        "peer_seconds": round(N_FRAMES / PER_CORE_GOAL, 3),
        "ratio": round(rate / PER_CORE_GOAL, 2),
        "goal": f">= {PER_CORE_GOAL:g} frames/s a core" if has_goal else "",
        "holds": not has_goal or rate >= PER_CORE_GOAL,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cores": 1,
    }

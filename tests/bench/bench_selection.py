"""Greedy k-center, 50,000 frames, 128 numbers each, a batch of 100."""

from __future__ import annotations

import os
import resource
import time

import numpy as np
import numpy.typing as npt

from winnow.strategies.k_center import KCenter
from winnow.strategies.protocol import Candidates

N_FRAMES, DIMENSION, BATCH, N_LABELED = 50_000, 128, 100, 100
REPEATS = 3
GOAL = 0.5
"""Of the bare loop's speed: the price of picks that no machine changes, with reasons."""

Rows = npt.NDArray[np.float32]


def run() -> list[dict[str, object]]:
    """Measure in one process, alternating, the best of some repeats each."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N_FRAMES, DIMENSION), dtype=np.float32)
    centers = rng.standard_normal((N_LABELED, DIMENSION), dtype=np.float32)
    ids = np.array([f"{i:032x}" for i in range(N_FRAMES)], dtype=np.str_)
    pool = Candidates(ids, embeddings_ND=rows, centers_LD=centers)
    ours, peer = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        picks = [pick.pos for pick in KCenter().choose(pool, BATCH, seed=0)]
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        expected = _bare_loop(rows, centers)
        peer.append(time.perf_counter() - started)
        if picks != expected:
            msg = "k-center: expected the picks of the bare loop, found others"
            raise AssertionError(msg)
    ratio = min(peer) / min(ours)
    return [
        {
            "name": f"k-center {N_FRAMES}x{DIMENSION} B={BATCH}",
            "ours_seconds": min(ours),
            "peer": "incremental NumPy loop",
            "peer_seconds": min(peer),
            "ratio": ratio,
            "goal": f"ratio >= {GOAL}",
            "holds": ratio >= GOAL,
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "cores": os.cpu_count(),
        }
    ]


def _bare_loop(rows: Rows, centers: Rows) -> list[int]:
    """Do no more than the arithmetic needs: float32, no ties, no checks, no reasons."""
    squares = np.einsum("nd,nd->n", rows, rows)
    nearest = np.full(len(rows), np.inf, dtype=np.float32)
    for start in range(0, len(rows), 4096):
        block = slice(start, start + 4096)
        distances = (centers * centers).sum(axis=1) - 2 * (rows[block] @ centers.T)
        nearest[block] = (distances + squares[block, None]).min(axis=1)
    picks: list[int] = []
    for _ in range(BATCH):
        pos = int(nearest.argmax())
        picks.append(pos)
        np.minimum(nearest, squares - 2 * (rows @ rows[pos]) + squares[pos], out=nearest)
        nearest[pos] = -np.inf
    return picks

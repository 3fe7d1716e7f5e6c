"""Exact greedy k-center, 19,000 frames out of 2,000,000 of 256 numbers, memory-mapped."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.bench.measuring import bandwidth, clustered, hex_ids, peak_rss_bytes, row, timed
from winnow.strategies.k_center import KCenter
from winnow.strategies.protocol import Candidates

Rows = npt.NDArray[np.float32]

N_FRAMES, DIMENSION, BATCH, N_LABELED = 2_000_000, 256, 19_000, 100
SECONDS_MAX, BYTES_MAX = 300.0, 4 * 10**9


def run() -> list[dict[str, object]]:
    """Measure once; the other side is what reading all bytes for each pick would take."""
    with mapped(clustered(N_FRAMES, DIMENSION, N_FRAMES // 200)) as rows:
        pool = Candidates(
            hex_ids(N_FRAMES), embeddings_ND=rows, centers_LD=np.array(rows[:N_LABELED])
        )
        limit = BATCH * rows.nbytes / bandwidth(rows)
        before = peak_rss_bytes()
        ours, picks = timed(lambda: KCenter().choose(pool, BATCH, seed=0))
    assert len({pick.pos for pick in picks}) == BATCH
    found = row(
        f"k-center 2M x {DIMENSION} B={BATCH}",
        ours,
        "streaming limit: all bytes for each pick",
        limit,
        goal=None,
        note=f"under {SECONDS_MAX:g} s and 4 GB",
    )
    found["holds"] = ours < SECONDS_MAX and max(before, peak_rss_bytes()) < BYTES_MAX
    return [found]


@contextmanager
def mapped(rows: Rows) -> Iterator[Rows]:
    """Put rows on disk and give them back as a memory map."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        np.save(path, rows)
        del rows
        yield np.load(path, mmap_mode="r")

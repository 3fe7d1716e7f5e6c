"""Greedy k-center on 100,000 frames of 512 numbers, 100 of them labeled."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from tests.bench.measuring import bandwidth, best_of, clustered, hex_ids, row, timed
from winnow.strategies.k_center import KCenter
from winnow.strategies.protocol import Candidates

Rows = npt.NDArray[np.float32]

N_FRAMES, DIMENSION, N_LABELED = 100_000, 512, 100
REPEATS = 3
SIZE = f"k-center {N_FRAMES // 1000}k x {DIMENSION}"


def run() -> list[dict[str, object]]:
    """Measure in one process, alternating; the picks must be the same."""
    cloud = np.random.default_rng(0).standard_normal((N_FRAMES, DIMENSION), dtype=np.float32)
    clusters = clustered(N_FRAMES, DIMENSION, N_FRAMES // 200)
    rows = [*_short_batch(cloud), *_long_batch("clusters", clusters, goal=20.0)]
    return [*rows, *_long_batch("one cloud", cloud, goal=None)]


def _short_batch(rows: Rows) -> list[dict[str, object]]:
    batch = 100
    ours, loop = best_of(REPEATS, _ours(rows, batch), lambda: plain_loop(rows, batch))
    limit = batch * rows.nbytes / bandwidth(rows)
    name = f"{SIZE} B={batch}"
    found = [
        row(name, ours, "incremental NumPy loop", loop, goal=1.8),
        row(name, ours, "streaming limit: all bytes for each pick", limit, goal=1 / 1.2),
    ]
    for peer, job, goal in _peers(rows, batch):
        found.append(row(name, ours, peer, timed(job)[0], goal=goal))
    return found


def _long_batch(kind: str, rows: Rows, *, goal: float | None) -> list[dict[str, object]]:
    batch = 2000
    job = _ours(rows, batch)
    ours, loop = best_of(REPEATS, job, lambda: plain_loop(rows, batch))
    _check(rows, job(), plain_loop(rows, batch))
    limit = batch * rows.nbytes / bandwidth(rows)
    name = f"{SIZE} B={batch}, {kind}"
    return [
        row(name, ours, "incremental NumPy loop", loop, goal=goal),
        row(name, ours, "streaming limit: all bytes for each pick", limit, goal=None),
    ]


def _ours(rows: Rows, batch: int) -> Callable[[], list[int]]:
    pool = Candidates(hex_ids(len(rows)), embeddings_ND=rows, centers_LD=rows[:N_LABELED])
    return lambda: [pick.pos for pick in KCenter().choose(pool, batch, seed=0)]


def plain_loop(rows: Rows, batch: int) -> list[int]:
    """Do no more than the arithmetic needs: float32, no ties, no checks, no reasons."""
    centers = rows[:N_LABELED]
    squares = np.einsum("nd,nd->n", rows, rows)
    nearest = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), 4096):
        block = slice(start, start + 4096)
        distances = squares[:N_LABELED] - 2 * (rows[block] @ centers.T)
        nearest[block] = (distances + squares[block, None]).min(axis=1)
    picks: list[int] = []
    for _ in range(batch):
        pos = int(nearest.argmax())
        picks.append(pos)
        np.minimum(nearest, squares - 2 * (rows @ rows[pos]) + squares[pos], out=nearest)
        nearest[pos] = -np.inf
    return picks


def _check(rows: Rows, ours: list[int], plain: list[int]) -> None:
    """Refuse a difference that is more than a tie in float32."""
    if ours == plain:
        return
    step = next(i for i, (a, b) in enumerate(zip(ours, plain, strict=True)) if a != b)
    centers = rows[[*range(N_LABELED), *ours[:step]]].astype(np.float64)
    far = [((centers - rows[pos]) ** 2).sum(axis=1).min() for pos in (ours[step], plain[step])]
    if far[0] < far[1] or far[0] > far[1] * (1 + 1e-4):
        msg = f"k-center: pick {step} is {far[0]} away, that of the plain loop {far[1]}"
        raise AssertionError(msg)


def _peers(rows: Rows, batch: int) -> list[tuple[str, Callable[[], object], float]]:
    """Give other people's implementations, as far as they are installed, run once each."""
    found: list[tuple[str, Callable[[], object], float]] = []
    if find_spec("lightly_mundig"):
        found.append(("lightly-mundig", lambda: _mundig(rows, batch), 5.0))
    if find_spec("skactiveml"):
        found.append(("scikit-activeml CoreSet", lambda: _skactiveml(rows, batch), 8.0))
    return found


def _mundig(rows: Rows, batch: int) -> object:
    from lightly_mundig import Selection

    selection = Selection()
    selection.add_diversifying_strategy(
        embeddings=rows, strength=1.0, stopping_condition_minimum_distance=None
    )
    return selection.run_selection(
        preselected_indices=list(range(N_LABELED)),
        n_total_samples=len(rows),
        n_samples_to_select=N_LABELED + batch,
    )


def _skactiveml(rows: Rows, batch: int) -> object:
    from skactiveml.pool import CoreSet

    labels = np.full(len(rows), np.nan)
    labels[:N_LABELED] = 0
    return CoreSet(random_state=0).query(rows, labels, batch_size=batch)

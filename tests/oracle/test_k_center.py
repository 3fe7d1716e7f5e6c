"""Greedy k-center picks the frames that scikit-activeml's CoreSet and lightly-mundig pick.

lightly-mundig compares logarithms of float32 distances: of two frames whose distances differ by a
few 1e-6 of their size it may take the nearer one. There, and only there, may the orders part.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from tests.oracle.pools import B, L, candidates, clustered, gaussian, rows_of
from winnow.strategies.registry import strategy_of

pytestmark = pytest.mark.oracle
Pool = Callable[[int], npt.NDArray[np.float32]]
POOLS = pytest.mark.parametrize("pool", [gaussian, clustered])
SEEDS = pytest.mark.parametrize("seed", range(3))
CANNOT_TELL = 2e-5


def part_only_at_a_tie(
    rows_ND: npt.NDArray[np.float32], known: int, ours: list[int], peer: list[int]
) -> None:
    assert len(ours) == len(peer)
    parted = [place for place, (a, b) in enumerate(zip(ours, peer, strict=True)) if a != b]
    if not parted:
        return
    before = [*range(known), *ours[: parted[0]]]
    pair = rows_ND[[ours[parted[0]], peer[parted[0]]]].astype(np.float64)
    gaps = ((pair[:, None] - rows_ND[before].astype(np.float64)) ** 2).sum(axis=2).min(axis=1)
    assert gaps[1] <= gaps[0] <= gaps[1] * (1 + CANNOT_TELL)


@POOLS
@SEEDS
def test_the_same_frames_in_the_same_order_as_scikit_activeml(pool: Pool, seed: int) -> None:
    pool_module = pytest.importorskip("skactiveml.pool")
    rows_ND = pool(seed)
    labels_N = np.full(len(rows_ND), np.nan)
    labels_N[:L] = 0
    peer = pool_module.CoreSet(random_state=0).query(rows_ND, labels_N, batch_size=B)
    ours = strategy_of("k_center").choose(candidates(rows_ND, L), B, seed=0)
    assert rows_of(ours, L) == peer.tolist()


@POOLS
@SEEDS
def test_the_same_frames_as_lightly_mundig_until_it_cannot_tell_two(pool: Pool, seed: int) -> None:
    mundig = pytest.importorskip("lightly_mundig")
    rows_ND = pool(seed)
    selection = mundig.Selection()
    selection.add_diversifying_strategy(embeddings=rows_ND.tolist(), strength=1.0)
    peer = selection.run_selection(
        preselected_indices=list(range(L)),
        n_total_samples=len(rows_ND),
        n_samples_to_select=L + B,
    )
    ours = strategy_of("k_center").choose(candidates(rows_ND, L), B, seed=0)
    part_only_at_a_tie(rows_ND, L, rows_of(ours, L), [row for row in peer if row >= L])


@POOLS
@SEEDS
def test_the_same_frames_as_small_text(pool: Pool, seed: int) -> None:
    coresets = pytest.importorskip("small_text.query_strategies.coresets")
    rows_ND = pool(seed)[:600]
    unlabeled_first = np.concatenate([rows_ND[L:], rows_ND[:L]])  # as its row numbers want it
    peer = coresets.greedy_coreset(
        unlabeled_first.astype(np.float64),
        np.arange(600 - L),
        np.arange(600 - L, 600),
        20,
        distance_metric="euclidean",
    )
    ours = strategy_of("k_center").choose(candidates(rows_ND, L), 20, seed=0)
    assert [pick.pos for pick in ours] == list(peer)


@SEEDS
def test_without_labels_the_first_frame_starts_as_in_lightly_mundig(seed: int) -> None:
    mundig = pytest.importorskip("lightly_mundig")
    rows_ND = gaussian(seed)
    selection = mundig.Selection()
    selection.add_diversifying_strategy(embeddings=rows_ND.tolist(), strength=1.0)
    peer = selection.run_selection(
        preselected_indices=[], n_total_samples=len(rows_ND), n_samples_to_select=B
    )
    ours = strategy_of("k_center").choose(candidates(rows_ND, 0), B, seed=0)
    assert ours[0].pos == peer[0] == 0
    part_only_at_a_tie(rows_ND, 1, rows_of(ours, 0)[1:], list(peer)[1:])

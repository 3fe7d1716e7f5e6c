"""Clusters of frames that depend neither on their order nor on that of the labeled ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.kmeans import ITERATIONS_MAX, k_means
from winnow.kernels.nearest import nearest_center
from winnow.kernels.philox import draws_of
from winnow.strategies.protocol import Floats, FrameIds, Positions, Ranks, Rows

SAMPLE_STEP: Final = 60
SEEDING_STEP: Final = 61
ROWS_PER_CENTER: Final = 256
"""More rows hardly move a mean."""
ROWS_MIN: Final = 1 << 14
ROWS_MAX: Final = 1 << 16
ROWS_PER_CENTER_MIN: Final = 32
BLOCK_ROWS: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Clusters:
    """Frames by their nearest center."""

    centers_KD: Rows
    of_N: Positions
    """Cluster of each frame, by position."""
    of_L: Positions
    """Cluster of each labeled frame."""

    def members(self, order_N: Positions) -> list[Positions]:
        """Give the positions of each cluster's frames, in the order of `order_N`."""
        of_R = self.of_N[order_N]
        by_cluster_R = np.argsort(of_R, kind="stable")
        ends_K = np.cumsum(np.bincount(of_R, minlength=len(self.centers_KD)))
        return np.split(order_N[by_cluster_R], ends_K[:-1]) if len(ends_K) else []


def in_order(rank_N: Ranks) -> Positions:
    """Give the positions by rising rank.

    Examples
    --------
    >>> in_order(np.array([2, 0, 1])).tolist()
    [1, 2, 0]
    """
    order_N = np.empty(len(rank_N), dtype=np.intp)
    order_N[rank_N] = np.arange(len(rank_N))
    return order_N


def sample_in_order(
    order_N: Positions, frame_ids: FrameIds, n_max: int, *, seed: int, step: int
) -> Positions:
    """Give the positions of a simple random sample of at most so many frames, in their order."""
    if len(order_N) <= n_max:
        return order_N
    draws_R = draws_of(frame_ids[order_N], seed=seed, step=step)
    kept_R = np.argsort(draws_R, kind="stable")[:n_max]
    return order_N[np.sort(kept_R)]


def n_training_rows(k: int) -> int:
    """Give how many rows k centers are trained on.

    Examples
    --------
    >>> [n_training_rows(k) for k in (10, 100, 1000, 10_000)]
    [16384, 25600, 65536, 320000]
    """
    enough = max(ROWS_MIN, ROWS_PER_CENTER * k)
    return min(enough, max(ROWS_MAX, ROWS_PER_CENTER_MIN * k))


def clusters_of(
    frame_ids: FrameIds,
    rows_ND: Rows,
    order_N: Positions,
    k: int,
    *,
    seed: int,
    labeled_LD: Rows | None = None,
    weights_N: Floats | None = None,
    iterations_max: int = ITERATIONS_MAX,
    seen_as: Callable[[Rows], Rows] = np.asarray,
) -> Clusters:
    """Give up to k clusters of frames by k-means, labeled ones among them.

    Parameters
    ----------
    order_N
        Positions in the order of frame ids.
    k
        At least 1. Fewer come back if fewer frames are distinct; some may be empty.
    labeled_LD
        Embeddings of labeled frames; they have no ids here, so their bytes stand for them.
    weights_N
        How much each frame counts; labeled ones count as 1.
    seen_as
        What is clustered in place of the embeddings, e.g. unit vectors.

    Notes
    -----
    Centers are trained on a simple random sample of at most `n_training_rows` of all frames,
    then every frame goes to its nearest center. Costs (N + L)·k·D multiply-adds and the training
    (`k_means`); memory the sample's rows and 8 bytes a frame.
    """
    rows_SD, weights_S = _training(
        frame_ids, rows_ND, order_N, n_training_rows(k), seed, labeled_LD, weights_N
    )
    centers_KD = k_means(
        seen_as(rows_SD), k, seed=seed, step=SEEDING_STEP, weights_S=weights_S,
        iterations_max=iterations_max,
    )  # fmt: skip
    of_L = _assigned(rows_ND[:0] if labeled_LD is None else labeled_LD, centers_KD, seen_as)
    return Clusters(centers_KD, _assigned(rows_ND, centers_KD, seen_as), of_L)


def _assigned(rows_ND: Rows, centers_KD: Rows, seen_as: Callable[[Rows], Rows]) -> Positions:
    blocks = [nearest_center(seen_as(rows_ND[part]), centers_KD) for part in parts(len(rows_ND))]
    return np.concatenate([np.empty(0, dtype=np.intp), *blocks])


def parts(n_rows: int) -> Iterator[slice]:
    """Give ranges of rows that together are all, each of a size that memory does not notice."""
    for start in range(0, n_rows, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, n_rows))


def _digests(rows_LD: Rows) -> tuple[FrameIds, npt.NDArray[np.intc]]:
    """Give a name of each row that is the same in units a power of two apart, and its exponent."""
    exponents_L = np.frexp(np.abs(rows_LD).max(axis=1, initial=0.0))[1]
    whole_LD = np.ldexp(rows_LD, -exponents_L[:, None])
    digests = [hashlib.sha256(row.tobytes()).hexdigest()[:32] for row in whole_LD]
    return np.array(digests, dtype="<U32"), exponents_L


def _training(
    frame_ids: FrameIds,
    rows_ND: Rows,
    order_N: Positions,
    n_max: int,
    seed: int,
    labeled_LD: Rows | None,
    weights_N: Floats | None,
) -> tuple[Rows, Floats | None]:
    """Give the sample: frames in the order of their ids, then labeled ones in that of digests."""
    labeled_LD = rows_ND[:0] if labeled_LD is None else labeled_LD
    digests, exponents_L = _digests(labeled_LD)
    order_L = np.lexsort((exponents_L, digests))
    if len(order_N) + len(order_L) > n_max:
        ids = [frame_ids[order_N], digests[order_L]]
        draws = np.concatenate([draws_of(each, seed=seed, step=SAMPLE_STEP) for each in ids])
        kept = np.sort(np.argsort(draws, kind="stable")[:n_max])
        n_frames = int(np.searchsorted(kept, len(order_N)))
        order_N, order_L = order_N[kept[:n_frames]], order_L[kept[n_frames:] - len(order_N)]
    rows_SD = np.concatenate([rows_ND[order_N], labeled_LD[order_L]])
    if weights_N is None:
        return rows_SD, None
    return rows_SD, np.concatenate([weights_N[order_N], np.ones(len(order_L))])

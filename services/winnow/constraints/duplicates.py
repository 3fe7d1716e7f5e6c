"""Clusters of exact and near-duplicates over a whole pool, without comparing all pairs.

Near means: perceptual hashes within a few bits and embeddings nearly parallel. Clusters are the
connected components of that relation, so they do not depend on the order of the frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]
Vectors = npt.NDArray[np.float32]

HASH_BITS = 64
COSINE_TOLERANCE = 1e-6
"""Rounding of a float32 dot product: equal vectors must count as parallel."""


def duplicate_clusters(
    sha256_N: Sequence[str],
    phash_N: Hashes,
    *,
    hashed_N: Flags,
    embeddings_ND: Vectors | None,
    hash_bits_max: int,
    cosine_min: float,
) -> Positions:
    """Give for each frame the first position of its cluster.

    Parameters
    ----------
    sha256_N
        Digests of the frames' bytes: equal digests are always in one cluster.
    phash_N
        uint64 perceptual hashes; ignored where `hashed_N` is false (frame not decoded).
    embeddings_ND
        float32, any length; None compares hashes alone. Rows that are not hashed are ignored.
    hash_bits_max
        Largest Hamming distance of near-duplicates, 0 to 64.
    cosine_min
        Smallest cosine of their embeddings.

    Returns
    -------
    numpy.ndarray
        int64 [N]; element *i* is the smallest position in the cluster of frame *i*, itself if it
        has no duplicate.

    Notes
    -----
    Memory is linear in N · D plus the pairs of distinct hashes that are near. Time is near-linear
    for pools of mostly different frames and for long runs of alike ones (a member that already
    belongs to a cluster is not compared again); it grows quadratically with the number of frames
    whose hashes are near while their embeddings are not.

    References
    ----------
    M. Norouzi, A. Punjani, D. Fleet, "Fast exact search in Hamming space with multi-index
    hashing", TPAMI 2014: two hashes within r bits agree in one of r + 1 bands.
    """
    digests = np.asarray(sha256_N, dtype=np.str_)
    first_N = _first_of_equal(digests)
    hashed = np.flatnonzero(hashed_N)
    contents = hashed[np.unique(digests[hashed], return_index=True)[1]]
    vectors = None if embeddings_ND is None else _unit_rows(embeddings_ND[contents])
    linked = _link(phash_N[contents], vectors, hash_bits_max, cosine_min - COSINE_TOLERANCE)
    return _merged(first_N, contents, linked)


def representatives(
    cluster_N: Positions, frame_ids_N: Sequence[str], *, labeled_N: Flags, blocked_N: Flags
) -> Positions:
    """Give for each frame the position of the frame that stands for its cluster.

    A labeled frame stands before others (its label already covers them), then one that no gate
    blocks, then the smaller `frame_id`.
    """
    order = np.lexsort((np.asarray(frame_ids_N, dtype=np.str_), blocked_N, ~labeled_N, cluster_N))
    _, starts, inverse = np.unique(cluster_N[order], return_index=True, return_inverse=True)
    chosen_of_row = order[starts][inverse]  # [N], in sorted order
    chosen_N = np.empty(len(cluster_N), dtype=np.int64)
    chosen_N[order] = chosen_of_row
    return chosen_N


def near_hashes(hashes_U: Hashes, hash_bits_max: int) -> Iterator[tuple[Positions, Positions]]:
    """Give all pairs of positions whose hashes differ in at most so many bits, in portions.

    Each pair comes once, in the first band in which both agree.
    """
    bands = _bands(hashes_U, min(hash_bits_max, HASH_BITS - 1) + 1)
    for pos, band in enumerate(bands):
        order = np.argsort(band, kind="stable")
        for left, right in _pairs_in_runs(band[order]):
            a, b = order[left], order[right]
            near = np.bitwise_count(hashes_U[a] ^ hashes_U[b]) <= hash_bits_max
            a, b = a[near], b[near]
            for earlier in bands[:pos]:
                new = earlier[a] != earlier[b]
                a, b = a[new], b[new]
            if len(a):
                yield a, b
    if hash_bits_max >= HASH_BITS:
        yield from _complements(hashes_U)


def _complements(hashes_U: Hashes) -> Iterator[tuple[Positions, Positions]]:
    # 64 bits apart means agreement in no band at all.
    order = np.argsort(hashes_U, kind="stable")
    found = np.searchsorted(hashes_U[order], ~hashes_U)
    found = order[np.minimum(found, len(order) - 1)] if len(order) else found
    is_pair = (hashes_U[found] == ~hashes_U) & (np.arange(len(found)) < found)
    yield np.flatnonzero(is_pair), found[is_pair]


def _bands(hashes_U: Hashes, n_bands: int) -> list[Hashes]:
    edges = np.linspace(0, HASH_BITS, n_bands + 1).astype(int).tolist()
    return [
        (hashes_U >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        for low, high in pairwise(edges)
    ]


def _pairs_in_runs(sorted_U: Hashes) -> Iterator[tuple[Positions, Positions]]:
    ends = np.searchsorted(sorted_U, sorted_U, side="right")
    left = np.arange(len(sorted_U))
    distance = 1
    while len(left := left[left + distance < ends[left]]):
        yield left, left + distance
        distance += 1


def _first_of_equal(digests: npt.NDArray[np.str_]) -> Positions:
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def _unit_rows(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit


def _link(
    phash_M: Hashes, unit_MD: Vectors | None, hash_bits_max: int, cosine_min: float
) -> Positions:
    """Give the smallest position of each content's component."""
    linker = _Linker(phash_M, unit_MD, hash_bits_max, cosine_min)
    for seed in linker.not_alone().tolist():
        if linker.take(seed):
            linker.grow(seed)
    return linker.component_M


class _Linker:
    """Grows one component after the other; what belongs to one is not compared again."""

    def __init__(
        self, phash_M: Hashes, unit_MD: Vectors | None, hash_bits_max: int, cosine_min: float
    ) -> None:
        hashes_U, self._group_M = np.unique(phash_M, return_inverse=True)
        self._starts, self._neighbours = _hash_graph(hashes_U, hash_bits_max)
        self._unit_MD, self._cosine_min = unit_MD, cosine_min
        order = np.argsort(self._group_M, kind="stable").astype(np.int64)
        borders = np.searchsorted(self._group_M[order], range(1, len(hashes_U)))
        self._rest: list[Positions] = np.split(order, borders)
        self._taken_M = np.zeros(len(phash_M), dtype=np.bool_)
        self.component_M = np.arange(len(phash_M), dtype=np.int64)

    def not_alone(self) -> Positions:
        """Give the positions that share or neighbour a hash, in order."""
        sizes_U = np.bincount(self._group_M, minlength=len(self._rest))
        degrees_U = np.r_[np.diff(self._starts), 0][: len(sizes_U)]
        return np.flatnonzero(((sizes_U > 1) | (degrees_U > 0))[self._group_M])

    def take(self, seed: int) -> bool:
        """Begin a component at this position, unless it belongs to one."""
        if self._taken_M[seed]:
            return False
        group = self._group_M[seed]
        self._rest[group] = self._rest[group][self._rest[group] != seed]
        return True

    def grow(self, seed: int) -> None:
        """Add everything that is linked to the seed."""
        frontier = [seed]
        while frontier:
            member = frontier.pop()
            for group in self._near_groups(member):
                if len(self._rest[group]):
                    frontier.extend(self._move_close(group, member, seed))

    def _near_groups(self, member: int) -> tuple[int, ...]:
        group = int(self._group_M[member])
        near = self._neighbours[self._starts[group] : self._starts[group + 1]]
        return group, *near.tolist()

    def _move_close(self, group: int, member: int, seed: int) -> list[int]:
        others = self._rest[group]
        if self._unit_MD is None:
            close, self._rest[group] = others, others[:0]
        else:
            is_close = self._unit_MD[others] @ self._unit_MD[member] >= self._cosine_min
            close, self._rest[group] = others[is_close], others[~is_close]
        self.component_M[close] = seed
        self._taken_M[close] = True
        moved: list[int] = close.tolist()
        return moved


def _hash_graph(hashes_U: Hashes, hash_bits_max: int) -> tuple[Positions, Positions]:
    """Give the adjacency of near hashes: those of u are `neighbours[starts[u]:starts[u + 1]]`."""
    pairs = list(near_hashes(hashes_U, hash_bits_max)) if hash_bits_max else []
    a = np.concatenate([np.empty(0, np.int64), *(left for left, _ in pairs)])
    b = np.concatenate([np.empty(0, np.int64), *(right for _, right in pairs)])
    sources, targets = np.r_[a, b], np.r_[b, a]
    order = np.argsort(sources, kind="stable")
    starts = np.searchsorted(sources[order], np.arange(len(hashes_U) + 1)).astype(np.int64)
    return starts, targets[order]


def _merged(first_N: Positions, contents: Positions, linked: Positions) -> Positions:
    """Join equal bytes and linked contents; name each cluster by its smallest position."""
    component_N = first_N.copy()
    component_N[first_N[contents]] = first_N[contents][linked]
    component_N = component_N[first_N]
    smallest_N = np.arange(len(first_N), dtype=np.int64)
    np.minimum.at(smallest_N, component_N, np.arange(len(first_N)))
    return smallest_N[component_N]

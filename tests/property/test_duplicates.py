"""Clusters equal those of a brute-force oracle, and the order of the frames changes nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.constraints.duplicates import (
    Flags,
    Hashes,
    Positions,
    Vectors,
    duplicate_clusters,
    near_hashes,
    representatives,
)

Pool = tuple[list[str], Hashes, Flags, Vectors]


def pool_of(seed: int, n_frames: int, n_centers: int) -> Pool:
    rng = np.random.default_rng(seed)
    centers = rng.integers(0, 2**64, n_centers, dtype=np.uint64)
    phash = centers[rng.integers(0, n_centers, n_frames)]
    for _ in range(3):
        flip = np.uint64(1) << rng.integers(0, 64, n_frames, dtype=np.uint64)
        phash = np.where(rng.random(n_frames) < 0.5, phash ^ flip, phash)
    directions = rng.normal(size=(3, 4))
    vectors = directions[rng.integers(0, 3, n_frames)] + 0.05 * rng.normal(size=(n_frames, 4))
    sha256 = [f"{value:064x}" for value in rng.integers(0, 2 * n_frames, n_frames)]
    same = {digest: pos for pos, digest in reversed(list(enumerate(sha256)))}
    first = [same[digest] for digest in sha256]
    hashed = rng.random(n_frames) < 0.9
    return sha256, phash[first], hashed, vectors[first].astype(np.float32)


def brute_force(pool: Pool, bits: int, cosine_min: float) -> list[int]:
    sha256, phash, hashed, vectors = pool
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    parent = list(range(len(sha256)))

    def root(pos: int) -> int:
        while parent[pos] != pos:
            pos = parent[pos]
        return pos

    for a in range(len(sha256)):
        for b in range(a):
            near = (int(phash[a]) ^ int(phash[b])).bit_count() <= bits
            alike = hashed[a] and hashed[b] and near and unit[a] @ unit[b] >= cosine_min - 1e-6
            if sha256[a] == sha256[b] or alike:
                low, high = sorted((root(a), root(b)))
                parent[high] = low
    return [root(pos) for pos in range(len(sha256))]


def clusters(pool: Pool, bits: int, cosine_min: float) -> Positions:
    sha256, phash, hashed, vectors = pool
    return duplicate_clusters(
        sha256,
        phash,
        hashed_N=hashed,
        embeddings_ND=vectors,
        hash_bits_max=bits,
        cosine_min=cosine_min,
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_frames=st.integers(1, 40),
    n_centers=st.integers(1, 8),
    bits=st.sampled_from([0, 1, 2, 4, 7, 32, 63, 64]),
    cosine_min=st.sampled_from([-1.0, 0.5, 0.98, 1.0]),
)
def test_clusters_are_those_of_brute_force(
    seed: int, n_frames: int, n_centers: int, bits: int, cosine_min: float
) -> None:
    pool = pool_of(seed, n_frames, n_centers)
    assert clusters(pool, bits, cosine_min).tolist() == brute_force(pool, bits, cosine_min)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), n_frames=st.integers(1, 40))
def test_the_order_of_the_frames_changes_no_cluster(seed: int, n_frames: int) -> None:
    sha256, phash, hashed, vectors = pool = pool_of(seed, n_frames, 5)
    order = np.random.default_rng(seed).permutation(n_frames)
    shuffled = ([sha256[pos] for pos in order], phash[order], hashed[order], vectors[order])
    partition = {frozenset(np.flatnonzero(clusters(pool, 4, 0.9) == c).tolist()) for c in range(99)}
    other = clusters(shuffled, 4, 0.9)
    again = {frozenset(order[np.flatnonzero(other == c)].tolist()) for c in range(99)}
    assert partition == again


@given(seed=st.integers(0, 2**32))
def test_inputs_are_left_as_they_were(seed: int) -> None:
    sha256, phash, hashed, vectors = pool_of(seed, 20, 3)
    before = [list(sha256), phash.copy(), hashed.copy(), vectors.copy()]
    clusters((sha256, phash, hashed, vectors), 4, 0.9)
    assert sha256 == before[0]
    for now, then in zip((phash, hashed, vectors), before[1:], strict=True):
        np.testing.assert_array_equal(now, np.asarray(then))


@settings(max_examples=40, deadline=None)
@given(
    hashes=st.sets(st.integers(0, 2**64 - 1), max_size=12),
    bits=st.sampled_from([0, 3, 31, 63, 64]),
)
def test_each_near_pair_comes_exactly_once(hashes: set[int], bits: int) -> None:
    both = sorted(hashes | {value ^ (2**64 - 1) for value in list(hashes)[:2]})
    array = np.array(both, dtype=np.uint64)
    found = [
        tuple(sorted(pair))
        for a, b in near_hashes(array, bits)
        for pair in zip(a.tolist(), b.tolist(), strict=True)
    ]
    expected = [
        (a, b)
        for b in range(len(both))
        for a in range(b)
        if (both[a] ^ both[b]).bit_count() <= bits
    ]
    assert sorted(found) == sorted(expected)


def test_without_embeddings_hashes_alone_decide() -> None:
    phash = np.array([0, 1, 2**63, 2**64 - 1], dtype=np.uint64)
    found = duplicate_clusters(
        list("abcd"),
        phash,
        hashed_N=np.ones(4, dtype=np.bool_),
        embeddings_ND=None,
        hash_bits_max=2,
        cosine_min=0.99,
    )
    assert found.tolist() == [0, 0, 0, 3]


def test_an_empty_pool_has_no_clusters() -> None:
    empty: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
    found = duplicate_clusters(
        [],
        empty,
        hashed_N=np.empty(0, dtype=np.bool_),
        embeddings_ND=np.empty((0, 3), dtype=np.float32),
        hash_bits_max=4,
        cosine_min=0.9,
    )
    assert found.tolist() == []


@pytest.mark.parametrize(
    ("labeled", "blocked", "expected"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 3]),
        ([0, 0, 1, 0], [0, 0, 0, 0], [2, 2, 2, 3]),
        ([0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 3]),
        ([0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 3]),
    ],
)
def test_a_labeled_then_an_unblocked_then_the_smallest_frame_represents(
    labeled: list[int], blocked: list[int], expected: list[int]
) -> None:
    chosen = representatives(
        np.array([0, 0, 0, 3]),
        ["b", "a", "c", "d"],
        labeled_N=np.array(labeled, dtype=np.bool_),
        blocked_N=np.array(blocked, dtype=np.bool_),
    )
    assert chosen.tolist() == expected

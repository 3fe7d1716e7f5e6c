"""What one seed sees: a pool to choose from, and a holdout that nobody chooses from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from benchmark.frames import Frames, Numbers, Rows, Texts, copy_ids
from benchmark.plan import PoolKind
from winnow.constraints.duplicates import duplicate_clusters
from winnow.constraints.leak_groups import leak_groups
from winnow.domain.errors import BadInput
from winnow.policy.round_sections import GateSection
from winnow.strategies.typiclust import mean_distances
from winnow.tasks.examples import Pixels

Flags = npt.NDArray[np.bool_]
NEIGHBOURS = 20
SESSIONS_MIN = 5
"""With fewer sessions a fifth of them is none; clusters are then held out one by one."""


@dataclass(frozen=True)
class Pool:
    """N frames to choose from, H held out."""

    kind: PoolKind
    class_names: tuple[str, ...]
    frame_ids: Texts
    rows_ND: Rows
    labels_N: Numbers
    origins_N: Numbers
    """Which frame of the data set each is, or is a copy of."""
    clusters_N: Numbers
    """First position of each frame's duplicate cluster; its own where duplicates are not gated."""
    pixels_N: Pixels | None
    tags: Mapping[str, Texts]
    held_HD: Rows
    held_labels_H: Numbers
    held_tags: Mapping[str, Texts]
    held_pixels_H: Pixels | None
    n_distinct: int
    """Frames that are no copies: budgets are shares of it in all kinds of pools."""

    def __len__(self) -> int:
        return len(self.frame_ids)

    @cached_property
    def isolations(self) -> npt.NDArray[np.floating]:
        """Mean distance of each frame to its nearest others; once for all methods of a seed."""
        return mean_distances(self.rows_ND, NEIGHBOURS)


def pool_of(frames: Frames, kind: PoolKind, seed: int, *, holdout_share: float) -> Pool:
    """Give the pool of a seed: the same split for every method, and for every kind of pool."""
    held_N = held_out(frames, holdout_share, seed)
    pool, held = np.flatnonzero(~held_N), np.flatnonzero(held_N)
    n_copies = 1 if kind == "plain" else frames.copies
    ids = np.concatenate([copy_ids(frames, copy)[pool] for copy in range(n_copies)])
    pixels = frames.pixels_KN3HW
    rows_ND = np.concatenate(list(frames.features_KND[:n_copies, pool]))
    return Pool(
        kind=kind,
        class_names=frames.class_names,
        frame_ids=ids,
        rows_ND=rows_ND,
        labels_N=np.tile(frames.labels_N[pool], n_copies),
        origins_N=np.tile(pool, n_copies),
        clusters_N=_clusters(frames, pool, ids, rows_ND, kind),
        pixels_N=None if pixels is None else np.concatenate(list(pixels[:n_copies, pool])),
        tags={name: np.tile(values[pool], n_copies) for name, values in frames.tags.items()},
        held_HD=frames.features_KND[0, held],
        held_labels_H=frames.labels_N[held],
        held_tags={name: values[held] for name, values in frames.tags.items()},
        held_pixels_H=None if pixels is None else pixels[0, held],
        n_distinct=len(pool),
    )


def held_out(frames: Frames, share: float, seed: int) -> Flags:
    """Draw the holdout: whole duplicate clusters of every class alike, or whole sessions with them.

    Raises
    ------
    BadInput
        Too few frames for both sides.
    """
    rng = np.random.default_rng([seed, 20])
    groups_N: Numbers = _near(frames.digests, frames.hashes_KN[0], frames.features_KND[0])
    strata_N: Numbers = frames.labels_N[groups_N]
    together_N = leak_groups(frames.sessions.tolist(), groups_N)
    if together_N.max(initial=-1) + 1 >= SESSIONS_MIN and "" not in frames.sessions:
        groups_N, strata_N = together_N.astype(np.int64), np.zeros(len(frames), dtype=np.int64)
    held_N = np.zeros(len(frames), dtype=np.bool_)
    for stratum in np.unique(strata_N):
        there = strata_N == stratum
        wanted, taken = round(share * int(there.sum())), 0
        for group in rng.permutation(np.unique(groups_N[there])):
            if taken >= wanted:
                break
            held_N |= groups_N == group
            taken = int((held_N & there).sum())
    if not held_N.any() or held_N.all():
        msg = f"{frames.source}: expected frames for a holdout of {share:.0%}, found {len(frames)}"
        raise BadInput(msg)
    return held_N


def _clusters(frames: Frames, pool: Numbers, ids: Texts, rows_ND: Rows, kind: PoolKind) -> Numbers:
    if kind != "deduplicated":
        return np.arange(len(ids), dtype=np.int64)
    digests = np.concatenate([frames.digests[pool], ids[len(pool) :]])
    return _near(digests, frames.hashes_KN[:, pool].reshape(-1), rows_ND)


def _near(digests: Texts, hashes_N: npt.NDArray[np.uint64], rows_ND: Rows) -> Numbers:
    """Give clusters as the gates of the default policy see them."""
    gates = GateSection()
    return duplicate_clusters(
        digests.tolist(),
        hashes_N,
        hashed_N=np.ones(len(hashes_N), dtype=np.bool_),
        embeddings_ND=rows_ND,
        hash_bits_max=gates.duplicate_hash_bits,
        cosine_min=gates.duplicate_cosine,
    )

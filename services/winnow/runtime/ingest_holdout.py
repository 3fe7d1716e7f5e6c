"""Which frames of a source are kept aside, decided before any of them is registered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.constraints.duplicates import Positions, duplicate_clusters
from winnow.constraints.holdout import choose_holdout
from winnow.constraints.perceptual_hash import perceptual_hash
from winnow.constraints.pixels import luma, shrink
from winnow.domain.errors import BadInput
from winnow.policy.round_sections import GateSection
from winnow.ports.encoder import Encoder
from winnow.ports.frame_source import FrameSource, SourceFrame
from winnow.runtime.ingest_rows import identity_of
from winnow.tasks.decode import decode_rgb

SIDE = 32
WAYS = ("session", "cluster")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the first look at a frame keeps of it."""

    frame_id: str
    sha256: str
    session: str
    phash: int | None
    """None if the frame cannot be decoded or must not be looked at."""
    embedding: npt.NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class HoldoutPlan:
    """Positions of the source that are kept aside, and how they were found."""

    positions: frozenset[int]
    by: str
    n_groups: int
    n_leaks: int
    """Frames of the pool with a near-duplicate in the holdout: 0 by cluster."""


NO_HOLDOUT = HoldoutPlan(frozenset(), "", 0, 0)


def look(
    source: FrameSource,
    positions: Sequence[int],
    *,
    source_name: str,
    encoder: Encoder | None,
    on_frame: Callable[[], None],
) -> list[Seen]:
    """Read every frame once: digest, identity, and what likeness is judged by."""
    seen = []
    for frame in source.frames(positions):
        seen.append(_seen(frame, source_name, encoder))
        on_frame()
    return seen


def plan_holdout(
    looked: Sequence[Seen],
    positions: Sequence[int],
    *,
    share: float,
    by: str,
    salt: str,
    in_holdout: Collection[str],
    in_pool: Collection[str],
) -> HoldoutPlan:
    """Put whole sessions or whole duplicate clusters on one side.

    Parameters
    ----------
    by
        `session`, `cluster`, or empty: sessions if there are at least two, else clusters.
    in_holdout, in_pool
        Frames that are already registered: their groups keep their side.

    Raises
    ------
    BadInput
        There is nothing to divide in this way; the text says which way would do.
    """
    sessions = [seen.session for seen in looked]
    way = by or ("session" if len(set(sessions)) > 1 else "cluster")
    clusters = _clusters(looked)
    groups = sessions if way == "session" else [looked[root].sha256 for root in clusters]
    _check_groups(way, by, groups)
    settled = {
        group: seen.frame_id in in_holdout
        for seen, group in zip(looked, groups, strict=True)
        if seen.frame_id in in_holdout or seen.frame_id in in_pool
    }
    chosen = choose_holdout(groups, share=share, salt=salt, settled=settled)
    held = np.array([group in chosen for group in groups], dtype=np.bool_)
    taken = frozenset(np.asarray(positions)[held].tolist())
    return HoldoutPlan(taken, way, len(set(groups)), _leaks(clusters, held))


def _check_groups(way: str, by: str, groups: Sequence[str]) -> None:
    if len(set(groups)) > 1:
        return
    kind = "near-duplicate clusters" if way == "cluster" else "sessions"
    other = "" if by != "session" else "; try --by cluster"
    msg = f"holdout by {way}: expected at least two {kind} to divide, found one{other}"
    raise BadInput(msg)


def _leaks(clusters: Positions, held: npt.NDArray[np.bool_]) -> int:
    split = np.intersect1d(clusters[held], clusters[~held])
    return int((np.isin(clusters, split) & ~held).sum())


def _clusters(looked: Sequence[Seen]) -> Positions:
    gates = GateSection()
    some = next((seen.embedding for seen in looked if seen.embedding is not None), None)
    blank = None if some is None else np.zeros_like(some)
    vectors = [blank if seen.embedding is None else seen.embedding for seen in looked]
    return duplicate_clusters(
        [seen.sha256 for seen in looked],
        np.array([seen.phash or 0 for seen in looked], dtype=np.uint64),
        hashed_N=np.array([seen.phash is not None for seen in looked], dtype=np.bool_),
        embeddings_ND=None if blank is None else np.array(vectors, dtype=np.float32),
        hash_bits_max=gates.duplicate_hash_bits,
        cosine_min=gates.duplicate_cosine,
    )


def _seen(frame: SourceFrame, source_name: str, encoder: Encoder | None) -> Seen:
    sha256 = hashlib.sha256(frame.data).hexdigest()
    frame_id = identity_of(frame, source=source_name, sha256=sha256)
    try:
        if frame.privacy_blocked:
            return Seen(frame_id, sha256, frame.session, None, None)
        pixels = decode_rgb(frame.data)
    except BadInput:
        # It is registered all the same and blocked as unreadable later: nothing gets lost.
        return Seen(frame_id, sha256, frame.session, None, None)
    phash = perceptual_hash(luma(shrink(pixels, side=SIDE)))
    embedding = encoder.encode([pixels])[0] if encoder else None
    return Seen(frame_id, sha256, frame.session, phash, embedding)

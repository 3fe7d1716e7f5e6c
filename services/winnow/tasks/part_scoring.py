"""A snapshot's part through the committee, and the parts together: what scoring computes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.contracts.artifacts import (
    SCORES,
    SNAPSHOT_PART,
    SnapshotPart,
    read_table,
    write_table,
)
from winnow.contracts.references import COLUMNS, frame_refs
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Retryable
from winnow.domain.ids import CommitteeVersion
from winnow.ports.blobs import Blobs
from winnow.ports.committee import Committee, CommitteeAnswer
from winnow.tasks.blocks import read_ahead

Probs = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """One part's answers: who answered every frame, and what it took."""

    scores: BlobRef
    answered: tuple[str, ...]
    n_scored: int
    compute_ms: int


@dataclass(frozen=True, slots=True)
class GatheredScores:
    """All parts, in snapshot order, holding the same members."""

    parts: tuple[BlobRef, ...]
    n_scored: int
    digests: tuple[tuple[str, str], ...]


def score_part(
    blobs: Blobs,
    committee: Committee,
    part: SnapshotPart,
    *,
    version: CommitteeVersion,
    members: BlobRef,
    n_classes: int,
    frames_per_call: int,
    prefix: str,
) -> ScoredPart:
    """Score the part's eligible frames and store the answers.

    At most twice `frames_per_call` frames' bytes are in memory at once.

    Raises
    ------
    Retryable
        The committee is not ready, or no member answered every frame.
    """
    expected = tuple(committee.load(version, members))
    table = read_table(blobs, part.part, SNAPSHOT_PART, columns=["frame_id", "gate", *COLUMNS])
    eligible = table.filter(pc.equal(table.column("gate"), ""))
    refs = frame_refs(eligible)
    answers = [
        committee.score(version, frames) for frames in read_ahead(blobs, refs, size=frames_per_call)
    ]
    answered = tuple(m for m in expected if all(m in a.members_answered for a in answers))
    if not answered:
        msg = f"part {part.part.key}: expected a member that answers every frame, found none"
        raise Retryable(msg)
    probs_NMC = _joined(answers, answered, n_classes)
    return ScoredPart(
        scores=_store(blobs, eligible.column("frame_id"), probs_NMC, prefix=prefix),
        answered=answered,
        n_scored=len(refs),
        compute_ms=sum(answer.compute_ms for answer in answers),
    )


def gather_parts(
    blobs: Blobs,
    scored: Sequence[tuple[BlobRef, tuple[str, ...]] | None],
    *,
    members: tuple[str, ...],
    n_classes: int,
    prefix: str,
) -> GatheredScores:
    """Bring every part to the same members, an empty table where a part is missing.

    Parameters
    ----------
    scored
        For each part of the snapshot its table and who answered it, or None.
    members
        Those that answered all parts; who did not is cut out of the parts that it answered.
    """
    digests = {member: hashlib.sha256() for member in members}
    parts, n_scored = [], 0
    for one in scored:
        if one is None:
            empty = np.empty((0, len(members), n_classes), dtype=np.float32)
            parts.append(_store(blobs, pa.array([], pa.string()), empty, prefix=prefix))
            continue
        ref, answered = one
        frame_ids, probs_NMC = _load(blobs, ref, len(answered), n_classes)
        kept_NMC = probs_NMC[:, [answered.index(member) for member in members]]
        same = answered == members
        parts.append(ref if same else _store(blobs, frame_ids, kept_NMC, prefix=prefix))
        n_scored += len(kept_NMC)
        for m, member in enumerate(members):
            digests[member].update(np.ascontiguousarray(kept_NMC[:, m]).tobytes())
    sums = tuple((member, digest.hexdigest()) for member, digest in digests.items())
    return GatheredScores(tuple(parts), n_scored, sums)


def _joined(answers: Sequence[CommitteeAnswer], members: tuple[str, ...], n_classes: int) -> Probs:
    chosen = [
        answer.class_probs()[:, [answer.members_answered.index(member) for member in members]]
        for answer in answers
    ]
    empty = np.empty((0, len(members), n_classes), dtype=np.float32)
    return np.concatenate([empty, *chosen], axis=0)


def _store(
    blobs: Blobs, frame_ids: pa.Array | pa.ChunkedArray, probs_NMC: Probs, *, prefix: str
) -> BlobRef:
    n, m, c = probs_NMC.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * (m * c), pa.int32())
    values = pa.array(np.ascontiguousarray(probs_NMC).ravel(), pa.float32())
    lists = pa.ListArray.from_arrays(offsets, values)
    return write_table(blobs, pa.table([frame_ids, lists], schema=SCORES), SCORES, prefix=prefix)


def _load(
    blobs: Blobs, ref: BlobRef, n_members: int, n_classes: int
) -> tuple[pa.ChunkedArray, Probs]:
    table = read_table(blobs, ref, SCORES)
    values = pc.list_flatten(table.column("probs")).to_numpy()
    shape = (table.num_rows, n_members, n_classes)
    return table.column("frame_id"), np.asarray(values, dtype=np.float32).reshape(shape)

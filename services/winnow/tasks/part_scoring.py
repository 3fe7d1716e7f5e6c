"""A snapshot's part through the committee, and the parts together: what scoring computes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.contracts.artifacts import read_table, write_table
from winnow.contracts.manifests import SnapshotPart
from winnow.contracts.references import COLUMNS, frame_refs
from winnow.contracts.tables import DETECTION_SCORES, SCORES, SNAPSHOT_PART
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Retryable
from winnow.domain.ids import CommitteeVersion
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.blobs import Blobs
from winnow.ports.committee import Committee, CommitteeAnswer
from winnow.tasks.blocks import read_ahead

_ID = ["frame_id"]
_SAID = ["information", "boxes"]
MEMBERS_JOIN = "+"
"""Between the names of members whose outputs are digested together."""

Probs = npt.NDArray[np.float32]
Ask = Callable[[Sequence[bytes]], CommitteeAnswer]


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """One part's answers: who answered every frame, and what it took."""

    scores: BlobRef
    answered: tuple[str, ...]
    n_scored: int
    n_left_out: int
    """Frames that other members answered than the rest; of detection only."""
    compute_ms: int


@dataclass(frozen=True, slots=True)
class GatheredScores:
    """All parts, in snapshot order, holding the same members."""

    members: tuple[str, ...]
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
    label_kind: str = CLASSIFICATION,
    able: Sequence[str] | None = None,
) -> ScoredPart:
    """Score the part's eligible frames and store the answers.

    At most twice `frames_per_call` frames' bytes are in memory at once. A call in which one of
    `able` is missing is made once more. What a detection committee says cannot be split by members
    afterwards: frames of calls that other members answered than most, twice, are left out, as not
    scored.

    Parameters
    ----------
    able
        Members that have answered all parts so far; none: nobody knows yet, so all may.

    Raises
    ------
    Retryable
        The committee is not ready, or no member answered every frame.
    """
    expected = tuple(committee.load(version, members))
    table = read_table(blobs, part.part, SNAPSHOT_PART, columns=["frame_id", "gate", *COLUMNS])
    eligible = table.filter(pc.equal(table.column("gate"), ""))
    refs = frame_refs(eligible)
    calls = _Calls(blobs, partial(committee.score, version), refs, frames_per_call)
    wanted = frozenset(expected if able is None else able)
    calls.make_again(lambda answer: wanted.issubset(answer.members_answered))
    if label_kind == DETECTION:
        most = _most_in(calls.answers)
        calls.make_again(lambda answer: answer.members_answered == most)
        return _detection_part(blobs, part, eligible.column("frame_id"), calls, prefix=prefix)
    answered = tuple(m for m in expected if all(m in a.members_answered for a in calls.answers))
    if not answered:
        msg = f"part {part.part.key}: expected a member that answers every frame, found none"
        raise Retryable(msg)
    probs_NMC = _joined(calls.answers, answered, n_classes)
    return ScoredPart(
        scores=_store(blobs, eligible.column("frame_id"), probs_NMC, prefix=prefix),
        answered=answered,
        n_scored=len(refs),
        n_left_out=0,
        compute_ms=calls.compute_ms,
    )


def gather_parts(
    blobs: Blobs,
    scored: Sequence[tuple[BlobRef, tuple[str, ...]] | None],
    *,
    members: tuple[str, ...],
    n_classes: int,
    prefix: str,
    label_kind: str = CLASSIFICATION,
) -> GatheredScores:
    """Bring every part to the same members, an empty table where a part is missing.

    Of detection, parts that other members answered than most frames are empty too.

    Parameters
    ----------
    scored
        For each part of the snapshot its table and who answered it, or None.
    members
        Those that answered all parts; who did not is cut out of the parts that it answered.
    """
    if label_kind == DETECTION:
        return _gather_detection(blobs, scored, n_classes=n_classes, prefix=prefix)
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
    return GatheredScores(members, tuple(parts), n_scored, sums)


class _Calls:
    """The calls about one part's frames: what came of each, and what all of them took."""

    def __init__(self, blobs: Blobs, ask: Ask, refs: Sequence[BlobRef], size: int) -> None:
        self._blobs, self._ask, self._refs, self._size = blobs, ask, refs, size
        self.answers = self._made(refs)
        self.compute_ms = sum(answer.compute_ms for answer in self.answers)

    def make_again(self, fits: Callable[[CommitteeAnswer], bool]) -> None:
        """Make calls whose answer does not fit once more.

        Of several in a row those after one that fails again are not: who did not answer there is
        gone, and waiting for it costs a deadline each time.
        """
        gone = False
        for pos, answer in enumerate(self.answers):
            if fits(answer):
                gone = False
            elif not gone:
                (new,) = self._made(self._refs[pos * self._size : (pos + 1) * self._size])
                self.compute_ms += new.compute_ms
                if fits(new):
                    self.answers[pos] = new
                else:
                    gone = True

    def _made(self, refs: Sequence[BlobRef]) -> list[CommitteeAnswer]:
        blocks = read_ahead(self._blobs, refs, size=self._size)
        return [self._ask(frames) for frames in blocks]


def _detection_part(
    blobs: Blobs,
    part: SnapshotPart,
    frame_ids: pa.ChunkedArray,
    calls: _Calls,
    *,
    prefix: str,
) -> ScoredPart:
    answered = _most_in(calls.answers)
    if calls.answers and not answered:
        msg = f"part {part.part.key}: expected a member that answers, found none"
        raise Retryable(msg)
    tables, start = [DETECTION_SCORES.empty_table()], 0
    for answer in calls.answers:
        information_NC = answer.map_information()
        n = len(information_NC)
        if answer.members_answered == answered:
            ids = frame_ids.slice(start, n)
            columns = [ids, list(information_NC), list(answer.boxes)]
            tables.append(pa.table(columns, schema=DETECTION_SCORES))
        start += n
    table = pa.concat_tables(tables)
    return ScoredPart(
        scores=write_table(blobs, table, DETECTION_SCORES, prefix=prefix),
        answered=answered,
        n_scored=table.num_rows,
        n_left_out=len(frame_ids) - table.num_rows,
        compute_ms=calls.compute_ms,
    )


def _most_in(answers: Sequence[CommitteeAnswer]) -> tuple[str, ...]:
    n_by_members: Counter[tuple[str, ...]] = Counter()
    for answer in answers:
        n_by_members[answer.members_answered] += len(answer.boxes)
    return _most(n_by_members)


def _most(n_by_members: Mapping[tuple[str, ...], int]) -> tuple[str, ...]:
    """Give the members that answered most frames; among equals the most of them, then by name."""
    order = sorted(n_by_members, key=lambda names: (-n_by_members[names], -len(names), names))
    return order[0] if order else ()


def _gather_detection(
    blobs: Blobs,
    scored: Sequence[tuple[BlobRef, tuple[str, ...]] | None],
    *,
    n_classes: int,
    prefix: str,
) -> GatheredScores:
    counts = [
        0 if one is None else read_table(blobs, one[0], DETECTION_SCORES, columns=_ID).num_rows
        for one in scored
    ]
    n_by_members: Counter[tuple[str, ...]] = Counter()
    for one, n in zip(scored, counts, strict=True):
        if one is not None:
            n_by_members[one[1]] += n
    members = _most(n_by_members)
    digest, parts, n_scored = hashlib.sha256(), [], 0
    for one, n in zip(scored, counts, strict=True):
        if one is None or one[1] != members:
            empty = DETECTION_SCORES.empty_table()
            parts.append(write_table(blobs, empty, DETECTION_SCORES, prefix=prefix))
            continue
        parts.append(one[0])
        n_scored += n
        # Not the file's digest: it changes with the writer's version, and with the parts' ends.
        for said in _said(read_table(blobs, one[0], DETECTION_SCORES, columns=_SAID), n_classes):
            digest.update(said)
    sums = ((MEMBERS_JOIN.join(members), digest.hexdigest()),)
    return GatheredScores(members, tuple(parts), n_scored, sums)


def _said(table: pa.Table, n_classes: int) -> Iterator[bytes]:
    """Give what was said of each frame: a float32 for each class, then the boxes' JSON, a line."""
    for batch in table.to_batches():
        information_NC = batch.column("information").flatten().to_numpy().reshape(-1, n_classes)
        for row_C, boxes in zip(information_NC, batch.column("boxes").to_pylist(), strict=True):
            yield b"%s%s\n" % (row_C.tobytes(), boxes.encode())


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

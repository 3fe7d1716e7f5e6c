"""What a vehicle uploads: stage 1 of two-stage fleet selection.

Stage 1 chooses, on the vehicle, segments under bytes; stage 2 chooses, in the cloud, frames of all
uploads under annotation money (`winnow.strategies.fleet`, where the whole is described with its
bound and with what follows the paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.kernels.budgeted_greedy import Budget, Chosen, budgeted_greedy
from winnow.kernels.facility_location import FacilityLocation
from winnow.kernels.group_coverage import GroupCoverage
from winnow.kernels.philox import order_of
from winnow.kernels.similarity import Similarity
from winnow.strategies.protocol import (
    Candidates,
    Flags,
    Floats,
    Input,
    Ranks,
    centers_of,
    check,
    embeddings_of,
)
from winnow.strategies.segments import Segment
from winnow.strategies.upload_limits import Chance, UploadLimits, held, told

STEP: Final = 51
"""Draws of the observations that coverage is measured on, when there are too many."""
OBSERVATIONS_MAX: Final = 20_000
SIMILARITY: Final = Similarity(scale=0.01)
"""That of the published code of Akcin et al., CoRL 2023."""
NEEDS: Final[frozenset[Input]] = frozenset({"embeddings"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a segment."""

    rank: int | None
    """Place in the upload; none: passed over."""
    utility: float
    """What it added to the coverage when it was chosen, or would still add."""
    reason: str
    last_chance: bool
    kept: bool
    """The vehicle still has it at the next window; always so for what it chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadChoice:
    """The upload, and what it is worth. Verdict *i* is that of segment *i*."""

    verdicts: tuple[Verdict, ...]
    order: tuple[int, ...]
    """Chosen segments, best first."""
    used_bytes: int
    rules: tuple[str, ...]
    """Which greedy rule won, for each of the passes that had something to choose from."""
    n_observations: int
    """On how many of the vehicle's frames coverage was measured."""
    coverage_before: float
    """Weighted sum over observations of the similarity to the nearest frame in the cloud."""
    coverage_after: float
    coverage_ceiling: float
    """No upload within the limits covers more than this."""


def choose_uploads(
    candidates: Candidates,
    segments: Sequence[Segment],
    limits: UploadLimits,
    *,
    seed: int = 0,
    observations_max: int = OBSERVATIONS_MAX,
) -> UploadChoice:
    """Choose the segments that show the cloud most of what it does not know, under bytes.

    The worth of an upload S is facility location over the vehicle's own observations i, given the
    cloud's set K: f(S) = Σᵢ wᵢ · max over j in S ∪ K of 1 / (1 + 0.01·‖xᵢ - xⱼ‖).

    Parameters
    ----------
    candidates
        The vehicle's frames with embeddings. `centers_LD`: embeddings that the cloud has.
        `scores_N`: what covering each frame is worth (at least 0), e.g. the local model's
        uncertainty; 1 for all unless given.
    segments
        Disjoint; a frame of no segment is covered but cannot be uploaded.
    seed, observations_max
        Of more frames than this, coverage is measured on a simple random sample drawn by the
        seed: the mean coverage is then an unbiased estimate for any fixed upload.

    Returns
    -------
    UploadChoice
        Chosen segments fit into `budget_bytes` and `storage_bytes`. Nothing is chosen that adds
        nothing: bandwidth is not spent for its own sake.

    Raises
    ------
    BadInput
        No embeddings or ones that are not finite, scores below 0, limits below 0, segments that
        share a frame, a name or have none.

    Notes
    -----
    Greedy by worth for each byte and greedy by worth, whichever covers more: at least
    (1 - 1/e)/2 ≈ 0.316 of what the best upload would add to `coverage_before` (see
    `budgeted_greedy`). `coverage_ceiling` bounds that best upload from the data at hand, usually
    far closer (Leskovec et al. 2007): the gains that were left, as a fractional
    knapsack, on top of what was reached. Where last chances go first, the promise holds for
    them among themselves, and for the others in the bytes that are left.

    Costs (L + 2N)·M·D multiply-adds for M observations (M = N up to `observations_max`) and a few
    M·|segment|·D for each pick; memory N·D and a few numbers a frame.

    References
    ----------
    Akcin, Goel, Zhao and Chinchali, "Distributed upload and active labeling for
    resource-constrained fleet learning", CoRL 2025, PMLR 305:3463-3482 (stage 1); Akcin, Unuvar,
    Ure and Chinchali, "Fleet active learning: a submodular maximization approach", CoRL 2023 (the
    similarity). Both choose single observations under a number of them: bytes, segments,
    deadlines and the ceiling are ours.
    """
    rank_N = check(candidates, 0, NEEDS)
    _check(candidates, segments, limits, observations_max)
    if not segments:
        return _nothing(candidates)
    coverage, n_observations = _coverage(candidates, rank_N, segments, seed, observations_max)
    sizes_G = np.array([segment.size_bytes for segment in segments], dtype=np.int64)
    chance = Chance.of(segments, sizes_G, limits)
    passes, grown = _choose(coverage, segments, sizes_G, chance, limits)
    order = [group for one in passes for group in one.groups]
    left_G = _left_gains(grown, order, chance)
    told = _Telling(segments, limits, chance, left_G, sizes_G, n_observations)
    return UploadChoice(
        verdicts=told.verdicts(order, [gain for one in passes for gain in one.gains]),
        order=tuple(order),
        used_bytes=int(sizes_G[order].sum()),
        rules=tuple(one.rule for one in passes),
        n_observations=n_observations,
        coverage_before=coverage.value,
        coverage_after=grown.value,
        coverage_ceiling=_ceiling(grown.value, left_G, sizes_G, limits.capacity_bytes),
    )


def _check(
    candidates: Candidates,
    segments: Sequence[Segment],
    limits: UploadLimits,
    observations_max: int,
) -> None:
    for name, amount in (("budget", limits.budget_bytes), ("storage", limits.storage_bytes)):
        if amount is not None and amount < 0:
            msg = f"upload: expected a {name} of at least 0 bytes, found {amount}"
            raise BadInput(msg)
    if observations_max < 1:
        msg = f"upload: expected at least 1 observation to measure on, found {observations_max}"
        raise BadInput(msg)
    scores_N = candidates.scores_N
    if scores_N is not None and not (np.isfinite(scores_N).all() and (scores_N >= 0.0).all()):
        msg = "upload: expected finite scores of at least 0 as the worth of covering each frame"
        raise BadInput(msg)
    names = {segment.name for segment in segments}
    taken = np.zeros(len(candidates), dtype=np.int64)
    for segment in segments:
        np.add.at(taken, segment.positions, 1)
    empty = [segment.name for segment in segments if not len(segment.positions)]
    if len(names) < len(segments) or taken.max(initial=0) > 1 or empty:
        msg = (
            f"segments: expected disjoint ones with frames and names of their own, found "
            f"{len(segments)} with {len(names)} names, {int((taken > 1).sum())} frame(s) in "
            f"several, {len(empty)} without any"
        )
        raise BadInput(msg)


def _nothing(candidates: Candidates) -> UploadChoice:
    return UploadChoice(
        verdicts=(), order=(), used_bytes=0, rules=(), n_observations=len(candidates),
        coverage_before=0.0, coverage_after=0.0, coverage_ceiling=0.0,
    )  # fmt: skip


def _coverage(
    candidates: Candidates,
    rank_N: Ranks,
    segments: Sequence[Segment],
    seed: int,
    observations_max: int,
) -> tuple[FacilityLocation, int]:
    """Give the coverage by what the cloud knows, observations in the order of their frame ids."""
    rows_ND = embeddings_of(candidates)
    drawn = order_of(candidates.frame_ids, seed=seed, step=STEP)[:observations_max]
    ground = drawn[np.argsort(rank_N[drawn])]
    weights_N = candidates.scores_N
    positions = np.concatenate([segment.positions for segment in segments])
    starts = np.cumsum([0, *(len(segment.positions) for segment in segments[:-1])])
    worth = None if weights_N is None else weights_N[ground]
    known_LD, rows_MD = centers_of(candidates), rows_ND[ground]
    if len(positions) == len(segments):  # single frames have the quicker engine, of the same bits
        coverage = FacilityLocation(
            rows_ND[positions],
            rows_MD,
            known_LD=known_LD,
            weights_T=worth,
            similarity=SIMILARITY,
        )
    else:
        coverage = GroupCoverage(
            rows_ND[positions],
            starts,
            rows_MD,
            known_LD=known_LD,
            weights_T=worth,
            similarity=SIMILARITY,
        )
    return coverage, len(ground)


def _choose(
    coverage: FacilityLocation,
    segments: Sequence[Segment],
    sizes_G: npt.NDArray[np.int64],
    chance: Chance,
    limits: UploadLimits,
) -> tuple[list[Chosen], FacilityLocation]:
    """Choose among those with a last chance, then among the others; or among all at once."""
    order = sorted(range(len(segments)), key=lambda group: segments[group].name)
    rank_G = np.empty(len(segments), dtype=np.int64)
    rank_G[order] = np.arange(len(segments))
    budget = Budget(sizes_G, np.array([chance.capacity_bytes], dtype=np.int64))
    turns = [chance.open_G]
    if limits.last_chance == "first":
        turns = [chance.open_G & chance.last_G, chance.open_G & ~chance.last_G]
    passes, already = list[Chosen](), list[int]()
    for allowed_G in turns:
        if not allowed_G.any():
            continue
        chosen, coverage = budgeted_greedy(
            coverage,
            [budget],
            rank_G,
            allowed_G=allowed_G,
            already=already,
            bounded=not isinstance(coverage, GroupCoverage),
        )
        passes.append(chosen)
        already += chosen.groups
    return passes, coverage


def _left_gains(grown: FacilityLocation, order: Sequence[int], chance: Chance) -> Floats:
    """Give what each segment that is still there would add to the upload; 0 for the others."""
    there_G = ~chance.gone_G
    there_G[list(order)] = False
    left = np.flatnonzero(there_G)
    left_G = np.zeros(len(there_G))
    left_G[left] = grown.gains(left)
    return left_G


def _ceiling(
    reached: float, left_G: Floats, sizes_G: npt.NDArray[np.int64], capacity_bytes: int
) -> float:
    """Give what was reached and the best fraction of what was left that fits."""
    left_G = np.where(sizes_G <= capacity_bytes, left_G, 0.0)
    worth_G = left_G / np.maximum(sizes_G, 1)
    order = np.lexsort((sizes_G, -left_G, -worth_G))
    room_G = np.maximum(capacity_bytes - (np.cumsum(sizes_G[order]) - sizes_G[order]), 0)
    whole_G = room_G >= sizes_G[order]
    added_G = np.where(whole_G, left_G[order], worth_G[order] * room_G)
    return reached + float(np.cumsum(added_G)[-1])


@dataclass(frozen=True, slots=True)
class _Telling:
    """Says why."""

    segments: Sequence[Segment]
    limits: UploadLimits
    chance: Chance
    left_G: Floats
    sizes_G: npt.NDArray[np.int64]
    n_observations: int

    def verdicts(self, order: Sequence[int], gains: Sequence[float]) -> tuple[Verdict, ...]:
        """Give the verdict of each segment."""
        used_bytes = int(self.sizes_G[list(order)].sum())
        rank_of = {group: rank for rank, group in enumerate(order)}
        kept_G = self._kept(order, used_bytes)
        spare_bytes = self.chance.capacity_bytes - used_bytes
        return tuple(
            Verdict(
                rank=rank_of.get(group),
                utility=gains[rank_of[group]] if group in rank_of else float(self.left_G[group]),
                reason=self._chosen(gains[rank_of[group]], group)
                if group in rank_of
                else self._passed_over(group, spare_bytes),
                last_chance=bool(self.chance.last_G[group]),
                kept=bool(kept_G[group]),
            )
            for group in range(len(self.segments))
        )

    def _kept(self, order: Sequence[int], used_bytes: int) -> Flags:
        """Tell what is still there at the next window: the upload is never overwritten."""
        chosen_G = np.zeros(len(self.segments), dtype=np.bool_)
        chosen_G[list(order)] = True
        storage, end = self.limits.storage_bytes, self.limits.next_window_us
        there_G = ~self.chance.gone_G & ~chosen_G
        if end is not None:
            deadlines = [segment.deadline_us for segment in self.segments]
            there_G &= ~np.array([one is not None and one < end for one in deadlines])
        left = None if storage is None else storage - used_bytes
        return chosen_G | held(self.segments, self.sizes_G, left, there_G)

    def _chosen(self, gain: float, group: int) -> str:
        text = f"adds {gain:.4g} to the coverage of {self.n_observations} frames"
        return f"{text}; its last chance" if self.chance.last_G[group] else text

    def _passed_over(self, group: int, spare_bytes: int) -> str:
        segment, size = self.segments[group], int(self.sizes_G[group])
        if self.chance.gone_G[group]:
            return f"its retention ended at {told(segment.deadline_us or 0)}"
        if self.left_G[group] <= 0.0:
            return "adds nothing to what the cloud and this upload show"
        if size > self.limits.budget_bytes:
            return f"larger than the budget: {size} of {self.limits.budget_bytes} bytes"
        if size > self.chance.capacity_bytes:
            return f"larger than the storage: {size} of {self.limits.storage_bytes} bytes"
        return f"does not fit beside better ones: {size} bytes, {spare_bytes} were left"

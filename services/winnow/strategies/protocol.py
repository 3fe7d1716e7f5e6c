"""What strategies take and give. A new strategy is a new file and a line in the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput, PoolExhausted
from winnow.kernels.philox import hex_words
from winnow.strategies.given import TAKEN

FrameIds = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]
Positions = npt.NDArray[np.intp]
Ranks = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Column = npt.NDArray[np.str_] | npt.NDArray[np.float64] | npt.NDArray[np.int64]
Input = Literal[
    "scores", "embeddings", "probs", "labels", "sessions", "times", "columns", "examples"
]
Inclusion = Literal["certain", "uniform", "drawn"]

EMBEDDING_MAX = 1e15
"""Squares of larger numbers come near the end of float32."""
BLOCK_VALUES = 1 << 17
"""Numbers looked at at once: half a MiB of float32, read once from memory for both extremes."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Frames that may be chosen; position *i* of every array with suffix N is the same frame.

    Nothing here is ever written to, and the order of the frames changes no choice.

    Lists, tensors and columns of tables are taken as arrays, numbers of other types in the type
    that is told here: that is a copy, while arrays of this type and memory maps stay where they
    are. Probabilities may be float64 too.

    Raises
    ------
    BadInput
        What should be numbers is none, or a price is no whole number. Shapes and values are
        looked at when a strategy chooses.
    """

    frame_ids: FrameIds
    """[N] Distinct; decide ties."""
    scores_N: Floats | None = None
    """float64, finite, larger = label sooner."""
    embeddings_ND: Rows | None = None
    """float32, finite; may be memory-mapped."""
    centers_LD: Rows | None = None
    """[L, D] Embeddings of frames with labels, then of those on their way to one."""
    clusters_N: FrameIds | None = None
    """Names of near-duplicate clusters."""
    price_micros_N: npt.NDArray[np.int64] | None = None
    probs_NMC: npt.NDArray[np.float32] | None = None
    """Calibrated class probabilities of the committee; may be memory-mapped."""
    sessions_N: FrameIds | None = None
    captured_us_N: npt.NDArray[np.int64] | None = None
    """Capture time in microseconds since 1970."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    """Name → [N]: provenance (vehicle, site), tags (texts), further scores (numbers)."""
    labels_L: npt.NDArray[np.int64] | None = None
    """Class of each labeled frame, in the order of `centers_LD`."""
    center_probs_LMC: npt.NDArray[np.float32] | None = None
    """The committee's probabilities of the labeled frames, where it was asked about them."""
    examples_ED: Rows | None = None
    """[E, D] Embeddings of what to look for, e.g. known failures."""
    labeled_columns: Mapping[str, Column] = field(default_factory=dict)
    """Name → the same columns of the labeled frames, and of those on their way to a label."""
    tell_score: Callable[[float], str] = "score {:.3f}".format
    """Gives a score in words, for reasons."""

    def __post_init__(self) -> None:
        """Take what was given as arrays; a frozen object is written to here and never again."""
        for name, taken in TAKEN.items():
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, taken(name, given))

    def __len__(self) -> int:
        """Give N."""
        return len(self.frame_ids)


@dataclass(frozen=True, slots=True)
class Pick:
    """One step of a choice."""

    pos: int
    """Position in the candidates."""
    utility: float | None
    """What the strategy maximised at this step; none where nothing was compared."""
    reason: str
    draw_probability: float | None = None
    """Of this draw among the frames still open; none where nothing was drawn."""
    drawn_from: int | None = None
    """Frames that this draw may have brought, itself included; none where nothing was drawn."""


class Constraint(Protocol):
    """Something a batch must satisfy; asked inside the greedy loop, never after it.

    It may only ever forbid more: a frame closed once stays closed for the rest of this batch, so
    that a greedy choice never has to go back. One object serves one batch.
    """

    @property
    def name(self) -> str:
        """Give its name, e.g. `money`."""
        ...

    def __len__(self) -> int:
        """Give N, how many candidates it knows."""
        ...

    def closes(self, taken: int | None) -> Positions:
        """Give positions that are forbidden once `taken` is in (none: before the first)."""
        ...

    def reason(self, pos: int) -> str:
        """Say why a closed position is closed."""
        ...


class Floor(Protocol):
    """Keeps the last places of a batch free for frames that would starve otherwise.

    Asked after the constraints, so it knows what is really left; if its frames run out, it lets
    all others through again.
    """

    def lost(self, positions: Positions) -> None:
        """Learn that these frames are no longer open: taken, or closed by a constraint."""
        ...

    def took(self, pos: int) -> None:
        """Learn that this frame came into the batch (`lost` tells of it too)."""
        ...

    def only(self, n_places: int) -> Flags | None:
        """Give [N] which frames alone may take the next of `n_places` left; none: all may.

        Other flags are another array: one that was given before is taken to say the same as then.
        """
        ...


class Strategy(Protocol):
    """A rule that chooses."""

    name: ClassVar[str]
    """Its name in a policy."""

    @property
    def needs(self) -> frozenset[Input]:
        """Give which inputs it cannot do without."""
        ...

    @property
    def inclusion(self) -> Inclusion:
        """Tell how a frame comes into the batch.

        `certain`: the same inputs always give these frames. `uniform`: drawn, all equally likely.
        `drawn`: drawn with unequal probabilities, so that nobody knows a frame's own.
        """
        ...

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """Choose n distinct frames, in order; fewer only if constraints close all others.

        Raises
        ------
        PoolExhausted
            n is larger than the number of candidates.
        BadInput
            A needed input is absent, of the wrong shape or not finite.
        """
        ...

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """Say of each candidate why it was not picked when n were asked for (N short texts)."""
        ...


def check(candidates: Candidates, n: int, needs: frozenset[Input]) -> Ranks:
    """Refuse what no strategy can work with (see `Strategy.choose`); give what decides ties.

    Returns
    -------
    numpy.ndarray
        int64 [N]: place of each frame id among all ids in order.
    """
    n_frames = len(candidates)
    if not isinstance(n, Integral):
        msg = f"batch: expected a whole number of frames, found {n!r}"
        raise BadInput(msg)
    if n < 0:
        msg = f"batch: expected a size of at least 0, found {n}"
        raise BadInput(msg)
    if n > n_frames:
        msg = f"batch: expected at most the pool's {n_frames} frames, found {n}"
        raise PoolExhausted(msg)
    if "scores" in needs:
        _check_finite("scores_N", scores_of(candidates)[:, None], candidates.frame_ids)
    if "embeddings" in needs:
        _check_finite("embeddings_ND", embeddings_of(candidates), candidates.frame_ids)
        _check_finite("centers_LD", centers_of(candidates), None)
    return tie_ranks(candidates.frame_ids)


def scores_of(candidates: Candidates) -> Floats:
    """Give the scores, or refuse: there are none, or of another shape."""
    scores_N = candidates.scores_N
    if scores_N is None or scores_N.shape != (len(candidates),):
        found = "none" if scores_N is None else scores_N.shape
        msg = f"scores_N: expected shape ({len(candidates)},), found {found}"
        raise BadInput(msg)
    return scores_N


def embeddings_of(candidates: Candidates) -> Rows:
    """Give the embeddings, or refuse: there are none, or of another shape."""
    rows_ND = candidates.embeddings_ND
    if rows_ND is None or rows_ND.ndim != 2 or len(rows_ND) != len(candidates):
        found = "none" if rows_ND is None else rows_ND.shape
        msg = f"embeddings_ND: expected shape ({len(candidates)}, D), found {found}"
        raise BadInput(msg)
    return rows_ND


def probs_of(candidates: Candidates) -> npt.NDArray[np.float32]:
    """Give the committee's probabilities, their values not looked at yet, or refuse: none there."""
    probs_NMC = candidates.probs_NMC
    if probs_NMC is None or probs_NMC.ndim != 3 or len(probs_NMC) != len(candidates):
        found = "none" if probs_NMC is None else probs_NMC.shape
        msg = f"probs_NMC: expected shape ({len(candidates)}, M, C), found {found}"
        raise BadInput(msg)
    return probs_NMC


def centers_of(candidates: Candidates) -> Rows:
    """Give the embeddings of labeled frames, maybe none, or refuse those of another width."""
    dimension = embeddings_of(candidates).shape[1]
    centers_LD = candidates.centers_LD
    if centers_LD is None or not len(centers_LD):
        return np.empty((0, dimension), dtype=np.float32)
    if centers_LD.ndim != 2 or centers_LD.shape[1] != dimension:
        msg = f"centers_LD: expected shape (L, {dimension}), found {centers_LD.shape}"
        raise BadInput(msg)
    return centers_LD


def _check_finite(what: str, values: Floats | Rows, frame_ids: FrameIds | None) -> None:
    step = max(1, BLOCK_VALUES // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        block = values[start : start + step]
        # Extremes carry a NaN with them, and need no array of the values' size.
        low, high = block.min(initial=0.0), block.max(initial=0.0)
        if not (high <= EMBEDDING_MAX and low >= -EMBEDDING_MAX):
            row = start + int(np.argmax(~(np.abs(block) <= EMBEDDING_MAX).all(axis=1)))
            where = f" (frame {frame_ids[row]})" if frame_ids is not None else ""
            msg = (
                f"{what}: expected finite numbers up to {EMBEDDING_MAX:g}, row {row}{where} has "
                "others"
            )
            raise BadInput(msg)


def tie_ranks(frame_ids: FrameIds) -> Ranks:
    """Give each frame's place among all ids in order; refuse ids that are no texts or repeated.

    Costs N log N; ids of 32 hexadecimal digits are sorted as two numbers, which is ten times
    faster than as texts and the same order.
    """
    if frame_ids.ndim != 1 or (len(frame_ids) and frame_ids.dtype.kind != "U"):
        shape = "" if frame_ids.ndim == 1 else f" of shape {frame_ids.shape}"
        msg = f"frame_ids: expected an array [N] of texts, found {frame_ids.dtype}{shape}"
        raise BadInput(msg)
    words = hex_words(frame_ids)
    order = np.argsort(frame_ids) if words is None else np.lexsort((words[1], words[0]))
    in_order = frame_ids[order]
    if (in_order[1:] == in_order[:-1]).any():
        msg = f"frame_ids: expected {len(frame_ids)} distinct ones, found a repeated one"
        raise BadInput(msg)
    ranks = np.empty(len(frame_ids), dtype=np.int64)
    ranks[order] = np.arange(len(frame_ids))
    return ranks

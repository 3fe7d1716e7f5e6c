"""Scores of tasks that build on one another: detect, then classify, then estimate the pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import check_lengths, numbers_of
from winnow.acquisition.normalised import lower_share
from winnow.acquisition.reproducible import Floats
from winnow.domain.errors import BadInput

First = Literal["early", "late", "score"]
_KNOWN: Final[tuple[str, ...]] = get_args(First)


@dataclass(frozen=True, slots=True)
class Stage:
    """One task of a cascade."""

    name: str
    scores_N: Floats
    """float [frames]; NaN where the stage was not run, which must be where its score does not
    count."""
    passes_N: npt.NDArray[np.bool_]
    """bool [frames], for example the mask of a trigger: whether the frame goes on to the next
    stage. Nothing follows the last stage, so its flags are not looked at."""


@dataclass(frozen=True, slots=True)
class CascadeScores:
    """What a cascade says about each frame."""

    scores_N: Floats
    """float64 without unit, larger = label sooner."""
    stage_N: npt.NDArray[np.int64]
    """Position of the stage whose score counts."""


def cascade(stages: Sequence[Stage], *, first: First) -> CascadeScores:
    """Give each frame the score of the first stage that it does not pass.

    The score of a stage counts for the frames that pass all stages before it and not the stage
    itself; the last stage counts for all that come so far. What a later stage says about a frame
    that an earlier one holds back is never looked at: a pose of something that was not detected
    means nothing.

    Parameters
    ----------
    stages
        In order; at least one.
    first
        Whose frames come first. `early`: those that stop at the first stage (repair detection
        before pose); `late`: those that come farthest; `score`: no stage goes first.

    Returns
    -------
    CascadeScores
        The score is v, the share of its own stage's frames that score less (equal ones and the
        frame itself counting half), strictly between 0 and 1; `early` and `late` add a whole
        number for the stage, so no score, however large, carries a frame past one of a stage that
        goes first. The order of the frames changes no bit.

    Raises
    ------
    BadInput
        No stage, different lengths, flags that are not bool, an unknown `first`, or a score that
        counts and is not finite; the text names stage and row.

    Notes
    -----
    Costs K·N + N log N time and a few times N memory.

    Examples
    --------
    >>> goes_on = np.array([False, True, True, False])
    >>> detect = Stage("detect", np.array([0.9, 0.1, 0.2, 0.3]), goes_on)
    >>> pose = Stage("pose", np.array([np.nan, 7.0, 9.0, np.nan]), np.zeros(4, dtype=bool))
    >>> found = cascade([detect, pose], first="late")
    >>> found.scores_N.tolist(), found.stage_N.tolist()
    ([0.75, 1.25, 1.75, 0.25], [0, 1, 1, 0])
    """
    if first not in _KNOWN:
        msg = f"first: expected one of {', '.join(_KNOWN)}, found {first!r}"
        raise BadInput(msg)
    stage_N = _stage_of(stages)
    scores_N = np.empty(len(stage_N))
    for position, stage in enumerate(stages):
        counts = np.flatnonzero(stage_N == position)
        scores_N[counts] = (lower_share(_counting(stage, counts)) + 0.5) / max(1, len(counts))
    ahead = {"early": len(stages) - 1 - stage_N, "late": stage_N, "score": np.zeros_like(stage_N)}
    return CascadeScores(ahead[first] + scores_N, stage_N)


def _stage_of(stages: Sequence[Stage]) -> npt.NDArray[np.int64]:
    if not stages:
        msg = "stages: expected at least one, found none"
        raise BadInput(msg)
    lengths = {stage.name: len(stage.scores_N) for stage in stages}
    check_lengths(lengths | {f"flags of {s.name}": len(s.passes_N) for s in stages})
    stage_N = np.zeros(len(stages[0].scores_N), dtype=np.int64)
    for position, stage in enumerate(stages[:-1]):
        if stage.passes_N.dtype != np.bool_:
            msg = f"stage {stage.name}: expected bool flags, found {stage.passes_N.dtype}"
            raise BadInput(msg)
        stage_N[(stage_N == position) & stage.passes_N] = position + 1
    return stage_N


def _counting(stage: Stage, rows: npt.NDArray[np.intp]) -> Floats:
    scores = numbers_of(stage.scores_N, name=f"stage {stage.name}", axes=("frames",))[rows]
    wrong = ~np.isfinite(scores)
    if wrong.any():
        row = int(rows[wrong][0])
        msg = f"stage {stage.name}: row {row}: expected a finite score, found {scores[wrong][0]!s}"
        raise BadInput(msg)
    return scores.astype(np.float64)

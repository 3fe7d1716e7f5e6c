"""From scores of detected boxes to scores of frames."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import check_lengths, finite_of
from winnow.acquisition.reproducible import Floats
from winnow.domain.errors import BadInput

BoxAggregate = Literal["min", "max", "sum", "mean", "mean_lowest", "mean_highest"]
Skip = Literal["skip"]
_KNOWN: Final[tuple[str, ...]] = get_args(BoxAggregate)


def aggregate_boxes(
    scores_P: Floats,
    frame_P: npt.NDArray[np.integer[Any]],
    n_frames: int,
    *,
    how: BoxAggregate,
    none: float | Skip,
    k: int = 1,
) -> Floats:
    """Give one number a frame from the scores of its boxes.

    Parameters
    ----------
    scores_P
        Score of each detected box, finite, in any order: its uncertainty, for example the entropy
        of its classes. For confidences see `unsure_boxes`.
    frame_P
        Position of the frame that each box lies in, integers from 0 to `n_frames` - 1.
    n_frames
        N.
    how
        `min`, `max`, `sum` or `mean` of the frame's boxes; `mean_lowest` and `mean_highest` are
        the mean of its `k` lowest or highest ones, of all if it has fewer.
    none
        What a frame without boxes gets: a finite number (0 calls it uninteresting; something high
        seeks what the detector missed), or `skip`: NaN, for the caller to leave the frame out,
        which every strategy demands. There is no default, because each choice is right
        somewhere.
    k
        At least 1; used by `mean_lowest` and `mean_highest`.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in the unit of the boxes; element *i* belongs to frame *i*. The order
        of the boxes changes no bit.

    Raises
    ------
    BadInput
        Different numbers of boxes, a score that is not finite, a position outside the frames, an
        unknown `how`, or a `k` below 1.

    Notes
    -----
    Costs P log P time and P memory. A sum favours crowded frames.

    Examples
    --------
    >>> scores, frames = np.array([0.9, 0.1, 0.4, 0.3]), np.array([0, 0, 0, 2])
    >>> aggregate_boxes(scores, frames, 3, how="max", none=0.0).tolist()
    [0.9, 0.0, 0.3]
    >>> aggregate_boxes(scores, frames, 3, how="mean_lowest", k=2, none="skip").tolist()
    [0.25, nan, 0.3]
    """
    if how not in _KNOWN:
        msg = f"how: expected one of {', '.join(_KNOWN)}, found {how!r}"
        raise BadInput(msg)
    if k < 1:
        msg = f"k: expected at least 1 box, found {k}"
        raise BadInput(msg)
    empty = _score_of_none(none)
    scores_P = finite_of(scores_P, name="scores_P", axes=("boxes",)) + 0.0  # -0 becomes 0
    frame_P = _positions(frame_P, n_frames)
    check_lengths({"scores_P": len(scores_P), "frame_P": len(frame_P)})
    counts_N = np.bincount(frame_P, minlength=n_frames)
    order = np.lexsort((scores_P, frame_P))
    scores_P, frame_P = scores_P[order], frame_P[order]
    starts_N = np.cumsum(counts_N) - counts_N
    # Boxes counted from the lowest of their frame: 0, 1, …
    place_P = np.arange(len(frame_P)) - starts_N[frame_P]
    taken_P = _taken(how, place_P, counts_N[frame_P], k)
    # One after the other in sorted order, so the sums have the same bits for any order of boxes.
    sums_N = np.bincount(frame_P[taken_P], weights=scores_P[taken_P], minlength=n_frames)
    taken_N = np.bincount(frame_P[taken_P], minlength=n_frames)
    divisor_N = np.ones(n_frames) if how == "sum" else np.maximum(taken_N, 1)
    return np.where(counts_N > 0, sums_N / divisor_N, empty)


def unsure_boxes(
    confidences_P: Floats,
    frame_P: npt.NDArray[np.integer[Any]],
    n_frames: int,
    *,
    how: Literal["min", "mean_lowest", "mean"],
    none: float | Skip,
    k: int = 1,
) -> Floats:
    """Give how unsure the detector is of a frame's boxes: one minus their least confidence.

    Parameters
    ----------
    confidences_P
        Confidence of each box, 0 to 1.
    frame_P, n_frames, k
        See `aggregate_boxes`.
    how
        One minus the lowest confidence (`min`), the mean of the `k` lowest, or the mean of all.
    none
        The score of a frame without boxes, or `skip`; see `aggregate_boxes`.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 without unit, 0 (all boxes certain) to 1; larger = label sooner.

    Raises
    ------
    BadInput
        See `aggregate_boxes`; also a confidence outside 0…1 or an aggregate that is not listed.

    Examples
    --------
    >>> unsure_boxes(np.array([0.9, 0.25]), np.array([0, 0]), 2, how="min", none=1.0).tolist()
    [0.75, 1.0]
    """
    if how not in ("min", "mean_lowest", "mean"):
        msg = f"how: expected one of min, mean_lowest, mean, found {how!r}"
        raise BadInput(msg)
    confidences_P = finite_of(confidences_P, name="confidences_P", axes=("boxes",))
    wrong = (confidences_P < 0.0) | (confidences_P > 1.0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        msg = f"confidences_P: row {row}: expected 0 to 1, found {confidences_P[row]!s}"
        raise BadInput(msg)
    empty = _score_of_none(none)
    least_N = aggregate_boxes(confidences_P, frame_P, n_frames, how=how, none="skip", k=k)
    return np.where(np.isnan(least_N), empty, 1.0 - least_N)


def _taken(
    how: str, place_P: npt.NDArray[np.intp], count_P: npt.NDArray[np.intp], k: int
) -> npt.NDArray[np.bool_]:
    """Say which boxes count; they are numbered from the lowest of their frame."""
    if how in ("min", "mean_lowest"):
        return place_P < (1 if how == "min" else k)
    if how in ("max", "mean_highest"):
        return place_P >= count_P - (1 if how == "max" else k)
    return np.ones(len(place_P), dtype=np.bool_)


def _score_of_none(none: float | Skip) -> float:
    if none == "skip":
        return np.nan
    if isinstance(none, str) or not np.isfinite(none):
        msg = f"none: expected a finite score or 'skip', found {none!r}"
        raise BadInput(msg)
    return float(none)


def _positions(frame_P: npt.NDArray[np.integer[Any]], n_frames: int) -> npt.NDArray[np.intp]:
    positions = np.asarray(frame_P)
    if positions.ndim != 1 or (positions.dtype.kind not in "iu" and len(positions)):
        msg = (
            f"frame_P: expected positions, integers of shape [boxes], "
            f"found {positions.dtype} {positions.shape}"
        )
        raise BadInput(msg)
    wrong = (positions < 0) | (positions >= n_frames)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        msg = f"frame_P: row {row}: expected 0 to {n_frames - 1}, found {positions[row]}"
        raise BadInput(msg)
    return positions.astype(np.intp)

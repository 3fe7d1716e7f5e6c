"""Frames of each session in the order of their times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import array_of, whole_numbers_of
from winnow.kernels.groups import NO_GROUP, Codes, Values, groups_of

Positions = npt.NDArray[np.intp]
Times = npt.NDArray[np.int64]
Spans = npt.NDArray[np.uint64]

UNKNOWN_TIME: Final = int(np.iinfo(np.int64).min)
"""What NumPy turns a time that is none into."""
NEVER: Final = int(np.iinfo(np.uint64).max)
"""Distance in time where there is nothing to be near to."""
_INT64_MAX: Final = int(np.iinfo(np.int64).max)


def times_of(captured_us: npt.ArrayLike, *, name: str = "captured_us_N") -> Times:
    """Give capture times as int64 microseconds; NumPy's own times are turned into them.

    Raises
    ------
    BadInput
        Fractions, or texts: nobody could tell whether they are seconds.

    Examples
    --------
    >>> times_of(np.array(["1970-01-01T00:00:02", "NaT"], dtype="datetime64[s]")).tolist()
    [2000000, -9223372036854775808]
    """
    times = array_of(captured_us, name=name)
    if times.dtype.kind == "M":
        return times.astype("datetime64[us]").astype(np.int64)
    return whole_numbers_of(times, name=name, unit="microseconds")


@dataclass(frozen=True, slots=True)
class Timeline:
    """Who stands where in time. Nothing here changes, so copies are the thing itself."""

    code_N: Codes
    """[N] Session of each frame; -1: in none, or of unknown time."""
    captured_us_N: Times
    order_T: Positions
    """Positions by session and time, without those in no session."""
    start_K1: Positions
    """[K + 1] Where each session starts in `order_T`."""
    sorted_us_T: Times

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def within(self, code: int, us: int, gap_us: int) -> Positions:
        """Give the frames of a session closer than the gap to a time; two binary searches."""
        first, last = int(self.start_K1[code]), int(self.start_K1[code + 1])
        times = self.sorted_us_T[first:last]
        low = times.searchsorted(np.int64(max(us - gap_us, UNKNOWN_TIME)), side="right")
        if us + gap_us > _INT64_MAX:
            return self.order_T[first + low : last]
        high = times.searchsorted(np.int64(us + gap_us), side="left")
        return self.order_T[first + low : first + high]


def timeline_of(sessions_N: Values, captured_us_N: Times) -> Timeline:
    """Sort frames by session and time; N log N."""
    groups = groups_of(sessions_N)
    code_N = np.where(captured_us_N == UNKNOWN_TIME, NO_GROUP, groups.code_N)
    order_N = by_session_and_time(code_N, captured_us_N)
    order_T = order_N[int((code_N == NO_GROUP).sum()) :]
    counts = np.bincount(code_N[order_T], minlength=len(groups))
    start_K1 = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    return Timeline(code_N, captured_us_N, order_T, start_K1, captured_us_N[order_T])


def spans_to_labeled(
    sessions_N: Values, captured_us_N: Times, sessions_L: Values, captured_us_L: Times
) -> Spans:
    """Give each frame's distance in time to the nearest labeled frame of its session.

    Returns
    -------
    numpy.ndarray
        uint64 [N], microseconds; `NEVER` where there is none. Costs (N + L) log (N + L).
    """
    n_frames = len(sessions_N)
    us_B = np.concatenate([captured_us_N, captured_us_L])
    code_B = groups_of(np.concatenate([sessions_N, sessions_L])).code_N
    code_B = np.where(us_B == UNKNOWN_TIME, NO_GROUP, code_B)
    order_B = by_session_and_time(code_B, us_B)
    code_B, us_B, labeled_B = code_B[order_B], us_B[order_B], order_B >= n_frames
    before = _span_back(code_B, us_B, labeled_B)
    # Seen from the end, later times are earlier ones: the complement turns their order round.
    after = _span_back(code_B[::-1], ~us_B[::-1], labeled_B[::-1])[::-1]
    span_B = np.empty(len(order_B), dtype=np.uint64)
    span_B[order_B] = np.minimum(before, after)
    return span_B[:n_frames]


def _span_back(code_B: Codes, us_B: Times, labeled_B: npt.NDArray[np.bool_]) -> Spans:
    """Give the time back to the last labeled frame of the same session."""
    last_B = np.maximum.accumulate(np.where(labeled_B, np.arange(len(code_B)), -1))
    has_B = (last_B >= 0) & (code_B != NO_GROUP) & (code_B[last_B] == code_B)
    # Unsigned, so that the distance of the first and the last time there is does not wrap.
    span_B = us_B.astype(np.uint64) - us_B[last_B].astype(np.uint64)
    spans: Spans = np.where(has_B, span_B, np.uint64(NEVER))
    return spans


def by_session_and_time(code_N: Codes, us_N: Times) -> Positions:
    """Give the positions by code, then by time; equal ones in any order."""
    known = us_N[us_N != UNKNOWN_TIME]
    if not len(known):
        return np.argsort(code_N)
    earliest = int(known.min())
    span = int(known.max()) - earliest + 1
    order: Positions
    if span * (int(code_N.max()) + 2) <= _INT64_MAX:  # one number sorts faster than two
        order = np.argsort((code_N + 1) * span + np.maximum(us_N, earliest) - earliest)
    else:
        order = np.lexsort((us_N, code_N))
    return order

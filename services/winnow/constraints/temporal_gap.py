"""Frames of one session that lie close in time show the same scene."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from winnow.constraints.timeline import (
    Spans,
    Times,
    by_session_and_time,
    spans_to_labeled,
    timeline_of,
    times_of,
)
from winnow.domain.errors import BadInput
from winnow.kernels.groups import NO_GROUP, Values, column_of

Positions = npt.NDArray[np.intp]


class TemporalGap:
    """Closes the frames of a session that lie closer than the gap to a chosen or labeled one.

    Parameters
    ----------
    sessions_N
        Session of each frame, texts or numbers. A frame of unknown session (the empty text, NaN)
        or unknown time (the smallest int64, NumPy's "not a time") is close to none.
    captured_us_N
        int64, capture times in microseconds; or NumPy's own times.
    gap_us
        Least distance in time; frames exactly so far apart are fine. 0 closes nothing.
    labeled_sessions_L, labeled_captured_us_L
        The same of frames that have labels already, or that other rounds hold; none: only the
        batch counts.

    Raises
    ------
    BadInput
        The gap is negative, a time is a fraction or a text, or there is not one time for each
        session.

    Notes
    -----
    Frames are sorted once by session and time, N log N; a pick then costs two binary searches and
    what it closes, and as picks lie a gap apart, each frame is closed twice at most. Memory: four
    numbers a frame.
    """

    name = "temporal_gap"

    def __init__(
        self,
        sessions_N: Values,
        captured_us_N: Times,
        gap_us: int,
        labeled_sessions_L: Values | None = None,
        labeled_captured_us_L: Times | None = None,
    ) -> None:
        if gap_us < 0:
            msg = f"temporal_gap: expected a gap of at least 0, found {gap_us} microseconds"
            raise BadInput(msg)
        sessions_N, captured_us_N = column_of(sessions_N), times_of(captured_us_N)
        _check(sessions_N, captured_us_N, "frames")
        self._gap_us = gap_us
        self._timeline = timeline_of(sessions_N, captured_us_N)
        self._chosen_us: dict[int, list[int]] = {}
        self._labeled = _near_labeled(
            sessions_N, captured_us_N, gap_us, labeled_sessions_L, labeled_captured_us_L
        )

    def __len__(self) -> int:
        """See `Constraint.__len__`."""
        return len(self._timeline.code_N)

    def closes(self, taken: int | None) -> Positions:
        """See `Constraint.closes`."""
        if taken is None:
            return self._labeled.near
        code, us = self._of(taken)
        if code == NO_GROUP:
            return np.empty(0, dtype=np.intp)
        insort(self._chosen_us.setdefault(code, []), us)
        return self._timeline.within(code, us, self._gap_us)

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        span_us, who = self._labeled.span_of(pos), "labeled or held"
        if span_us is None:
            code, us = self._of(pos)
            chosen = self._chosen_us[code]
            place = bisect_left(chosen, us)
            span_us, who = min(abs(us - t) for t in chosen[max(place - 1, 0) : place + 1]), "chosen"
        return (
            f"temporal_gap: {span_us / 1e6:g} s from a {who} frame of its session, "
            f"at least {self._gap_us / 1e6:g} s are asked"
        )

    def most_of(self, positions: Positions, enough: int) -> int:
        """Give the largest number of these frames that can be had together, up to `enough`.

        Taking the earliest frame that is still allowed, again and again, is the best one can do
        with gaps of equal length. Costs a sort of the positions and `enough` binary searches.
        """
        line = self._timeline
        kept = np.setdiff1d(positions, self._labeled.near)
        known = kept[line.code_N[kept] != NO_GROUP]
        count = len(kept) - len(known)
        order = by_session_and_time(line.code_N[known], line.captured_us_N[known])
        code_P, us_P = line.code_N[known[order]], line.captured_us_N[known[order]].tolist()
        ends = (*(np.flatnonzero(np.diff(code_P)) + 1).tolist(), len(us_P))
        place = 0
        for end in ends:
            while place < end and count < enough:
                count += 1
                # Two frames of one time exclude each other only if there is a gap to keep.
                place = max(place + 1, bisect_left(us_P, us_P[place] + self._gap_us, place, end))
            place = end
        return min(count, enough)

    def _of(self, pos: int) -> tuple[int, int]:
        line = self._timeline
        return int(line.code_N[pos]), int(line.captured_us_N[pos])


@dataclass(frozen=True, slots=True)
class _NearLabeled:
    """Frames closer than the gap to a labeled one, ascending. Copies are the thing itself."""

    near: Positions
    span_us: Spans

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def span_of(self, pos: int) -> int | None:
        """Give the distance to the nearest labeled frame, if that is closer than the gap."""
        place = int(np.searchsorted(self.near, pos))
        found = place < len(self.near) and self.near[place] == pos
        return int(self.span_us[place]) if found else None


def _near_labeled(
    sessions_N: Values,
    captured_us_N: Times,
    gap_us: int,
    sessions_L: Values | None,
    captured_us_L: Times | None,
) -> _NearLabeled:
    if sessions_L is None or captured_us_L is None or not len(sessions_L):
        return _NearLabeled(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.uint64))
    sessions_L = column_of(sessions_L)
    captured_us_L = times_of(captured_us_L, name="labeled_captured_us_L")
    _check(sessions_L, captured_us_L, "labeled frames")
    span_N = spans_to_labeled(sessions_N, captured_us_N, sessions_L, captured_us_L)
    near = np.flatnonzero(span_N < gap_us)
    return _NearLabeled(near, span_N[near])


def _check(sessions: Values, captured_us: Times, what: str) -> None:
    if sessions.shape != captured_us.shape:
        msg = (
            f"temporal_gap: expected one time for each session of the {what}, "
            f"found {len(captured_us)} for {len(sessions)}"
        )
        raise BadInput(msg)

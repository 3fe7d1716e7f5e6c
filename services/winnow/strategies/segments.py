"""Sessions cut into segments: what a vehicle uploads or leaves behind as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.strategies.protocol import FrameIds, Positions


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A contiguous part of a session."""

    name: str
    """Session and number, `night/0003`: unique on the vehicle; decides ties."""
    positions: Positions
    """Of its frames, in the order of their capture; at least one."""
    size_bytes: int
    captured_until_us: int
    """Capture time of its last frame, in microseconds since 1970."""
    deadline_us: int | None = None
    """The vehicle keeps it until then; for ever unless told."""


def segments_of(
    sessions_N: FrameIds,
    captured_us_N: npt.NDArray[np.int64],
    size_bytes_N: npt.NDArray[np.int64],
    *,
    frames_max: int,
    gap_us: int,
    retention_us: int | None = None,
) -> list[Segment]:
    """Cut each session where a gap is or `frames_max` is reached, oldest frames first.

    Parameters
    ----------
    captured_us_N
        Microseconds since 1970. Equal times of a session stay in the order given.
    frames_max
        At least 1; what is recorded later changes no segment that is full.
    gap_us
        A pause longer than this ends a segment.
    retention_us
        A segment is kept for so long after its last frame.

    Returns
    -------
    list of Segment
        By session, then by time; every frame is in exactly one. Costs N log N.

    Raises
    ------
    BadInput
        `frames_max` is below 1.

    Examples
    --------
    >>> second = 1_000_000
    >>> times = np.array([0, 1, 2, 90, 0]) * second
    >>> cut = segments_of(np.array(["a", "a", "a", "a", "b"]), times, np.full(5, 10),
    ...                   frames_max=2, gap_us=60 * second)
    >>> [(one.name, one.positions.tolist(), one.size_bytes) for one in cut]
    [('a/0000', [0, 1], 20), ('a/0001', [2], 10), ('a/0002', [3], 10), ('b/0000', [4], 10)]
    """
    if frames_max < 1:
        msg = f"segments: expected at least 1 frame in each, found {frames_max}"
        raise BadInput(msg)
    order = np.lexsort((captured_us_N, sessions_N))
    segments = list[Segment]()
    for session_K in _runs(sessions_N[order]):
        positions = order[session_K]
        session = str(sessions_N[positions[0]])
        parts = _parts(captured_us_N[positions], frames_max, gap_us)
        for number, part in enumerate(parts):
            until_us = int(captured_us_N[positions[part][-1]])
            segments.append(
                Segment(
                    name=f"{session}/{number:04d}".lstrip("/"),
                    positions=positions[part],
                    size_bytes=int(size_bytes_N[positions[part]].sum()),
                    captured_until_us=until_us,
                    deadline_us=None if retention_us is None else until_us + retention_us,
                )
            )
    return segments


def _runs(values_N: FrameIds) -> list[slice]:
    """Give where equal neighbours are."""
    if not len(values_N):
        return []
    edges = np.flatnonzero(values_N[1:] != values_N[:-1]) + 1
    return _between(edges, len(values_N))


def _parts(times_K: npt.NDArray[np.int64], frames_max: int, gap_us: int) -> list[slice]:
    gaps = np.flatnonzero(np.diff(times_K) > gap_us) + 1
    return [
        slice(start, min(start + frames_max, run.stop))
        for run in _between(gaps, len(times_K))
        for start in range(run.start, run.stop, frames_max)
    ]


def _between(edges: Positions, n: int) -> list[slice]:
    starts = [0, *edges.tolist()]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], n], strict=True)]

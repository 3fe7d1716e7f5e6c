"""Method B: what a person would choose who knows the pool better than anybody could."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ab_test.frames import Flags, Frame, Positions, in_time
from winnow.domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class Curation:
    """How a curator looks for frames: where and when, for which classes, in which portions.

    As strong as manual curation can be made: the curator sees where objects of the classes of
    interest really are, and takes whole stretches of video, the densest first, as people who scroll
    through recordings do.
    """

    classes: tuple[str, ...]
    """Classes of interest."""
    wanted: Mapping[str, Collection[str]]
    """Tag → values that a frame must have one of, e.g. `{"time_of_day": {"night"}}`."""
    segment_frames: int = 30
    """Frames of a stretch."""

    def choose(self, frames: Sequence[Frame], pool: Positions, n: int) -> Positions:
        """Give `n` positions of the pool: the densest stretches, in the order of their density.

        Stretches do not overlap; the last is cut to what is still missing, to its densest part.
        Equal density goes by the place in the pool. O(P log P) for P frames of the pool.

        Raises
        ------
        BadInput
            Fewer than `n` frames of the pool have the wanted tags.
        """
        kept = [pos for pos in pool.tolist() if frames[pos].has(self.wanted)]
        if len(kept) < n:
            wanted = ", ".join(
                f"{name} in {sorted(values)}" for name, values in sorted(self.wanted.items())
            )
            msg = f"manual curation: expected {n} frames with {wanted}, found {len(kept)}"
            raise BadInput(msg)
        runs = in_time(frames, np.array(kept, dtype=np.intp))
        chosen: list[int] = []
        for stretch in self._densest(frames, runs):
            missing = n - len(chosen)
            if missing <= 0:
                break
            part = stretch if len(stretch) <= missing else self._cut(frames, stretch, missing)
            chosen.extend(part.tolist())
        return np.array(chosen, dtype=np.intp)

    def _densest(self, frames: Sequence[Frame], runs: Sequence[Positions]) -> Iterator[Positions]:
        """Give stretches without overlap, densest first; what is left of a run stays in the race.

        Of a run that a taken stretch leaves shorter than one, all of it is a stretch.
        """
        taken = [np.zeros(len(run), dtype=np.bool_) for run in runs]
        waiting: list[tuple[float, int, int, int]] = []

        def enter(number: int, start: int, stop: int) -> None:
            density = self._density(frames, runs[number][start:stop])
            heapq.heappush(waiting, (-density, number, start, stop))

        for number, run in enumerate(runs):
            for start in range(max(1, len(run) - self.segment_frames + 1)):
                enter(number, start, min(start + self.segment_frames, len(run)))
        while waiting:
            _, number, start, stop = heapq.heappop(waiting)
            if taken[number][start:stop].any():
                continue
            yield runs[number][start:stop]
            taken[number][start:stop] = True
            first, last = _free_around(taken[number], start, stop)
            for low, high in ((first, start), (stop, last)):
                if 0 < high - low < self.segment_frames:
                    enter(number, low, high)

    def _density(self, frames: Sequence[Frame], stretch: Positions) -> float:
        n_objects = sum(frames[pos].n_objects(self.classes) for pos in stretch.tolist())
        return float(n_objects) / len(stretch)

    def _cut(self, frames: Sequence[Frame], stretch: Positions, n: int) -> Positions:
        starts = range(len(stretch) - n + 1)
        best = max(starts, key=lambda s: (self._density(frames, stretch[s : s + n]), -s))
        return stretch[best : best + n]


def _free_around(taken: Flags, start: int, stop: int) -> tuple[int, int]:
    """Give where the free frames before and behind a stretch begin and end."""
    before, behind = np.flatnonzero(taken[:start]), np.flatnonzero(taken[stop:])
    first = int(before[-1]) + 1 if len(before) else 0
    return first, stop + int(behind[0]) if len(behind) else len(taken)

"""Method B: what a person would choose who knows the pool better than anybody could."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ab_test.frames import Frame, Positions, in_time
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

        A window that a taken one overlaps is replaced by the free parts beside it.
        """
        free = {pos: True for run in runs for pos in run.tolist()}
        windows = [
            (-self._density(frames, run[start : start + self.segment_frames]), number, start)
            for number, run in enumerate(runs)
            for start in range(max(1, len(run) - self.segment_frames + 1))
        ]
        for _, number, start in sorted(windows):
            stretch = runs[number][start : start + self.segment_frames]
            if all(free[pos] for pos in stretch.tolist()):
                free.update(dict.fromkeys(stretch.tolist(), False))
                yield stretch
        leftovers = [part for run in runs for part in _free_parts(run, free)]
        leftovers.sort(key=lambda part: -self._density(frames, part))
        yield from leftovers

    def _density(self, frames: Sequence[Frame], stretch: Positions) -> float:
        n_objects = sum(frames[pos].n_objects(self.classes) for pos in stretch.tolist())
        return float(n_objects) / len(stretch)

    def _cut(self, frames: Sequence[Frame], stretch: Positions, n: int) -> Positions:
        starts = range(len(stretch) - n + 1)
        best = max(starts, key=lambda s: (self._density(frames, stretch[s : s + n]), -s))
        return stretch[best : best + n]


def _free_parts(run: Positions, free: Mapping[int, bool]) -> Iterator[Positions]:
    """Give what is left of a run, in contiguous parts."""
    is_free = np.array([free[pos] for pos in run.tolist()], dtype=np.bool_)
    borders = np.flatnonzero(np.diff(is_free)) + 1
    for part, flags in zip(np.split(run, borders), np.split(is_free, borders), strict=True):
        if len(part) and flags[0]:
            yield part

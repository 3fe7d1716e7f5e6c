"""Gains from round to round, and which of them are more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from winnow.stopping.progress import Progress


@dataclass(frozen=True, slots=True)
class SeedNoise:
    """How large a difference of two accuracies chance makes.

    A committee that is trained again with other seeds is a little better or worse. Where the
    standard errors of both accuracies are known, a gain counts only above `z` times their root sum
    of squares; it never counts up to `floor`.
    """

    z: float = 2.0
    floor: float = 0.0

    def of(self, before: float | None, after: float | None) -> float:
        """Give the noise of a gain between accuracies with these standard errors.

        Examples
        --------
        >>> SeedNoise(z=2.0).of(0.03, 0.04), SeedNoise(floor=0.01).of(None, 0.04)
        (0.1, 0.01)
        """
        if before is None or after is None:
            return self.floor
        return max(self.floor, self.z * math.sqrt(before * before + after * after))


@dataclass(frozen=True, slots=True)
class Gain:
    """What the labels between two measured rounds brought."""

    gain: float
    noise: float
    n_rounds: int
    """Rounds between the two measurements: 1 unless rounds between were not measured."""
    n_labels: int | None
    """Labels between them."""

    @property
    def counted(self) -> float:
        """The gain, or 0 if chance alone may have made it."""
        return 0.0 if abs(self.gain) <= self.noise else self.gain


DEFAULT_NOISE: Final = SeedNoise()


def gains_of(progress: Progress, noise: SeedNoise) -> tuple[Gain, ...]:
    """Give the gains between measured rounds, oldest first.

    Examples
    --------
    >>> [g.counted for g in gains_of(Progress(3, (0.5, 0.75, 0.755)), SeedNoise(floor=0.01))]
    [0.25, 0.0]
    """
    measured = [(pos, a) for pos, a in enumerate(progress.accuracies) if a is not None]
    return tuple(
        Gain(
            gain=after - before,
            noise=noise.of(_at(progress.accuracy_errors, old), _at(progress.accuracy_errors, new)),
            n_rounds=new - old,
            n_labels=_between(progress, old, new),
        )
        for (old, before), (new, after) in pairwise(measured)
    )


def _at(series: tuple[float | None, ...], pos: int) -> float | None:
    return series[pos] if series else None


def _between(progress: Progress, old: int, new: int) -> int | None:
    if not progress.n_labels:
        return None
    before, after = progress.n_labels[old], progress.n_labels[new]
    return None if before is None or after is None else after - before

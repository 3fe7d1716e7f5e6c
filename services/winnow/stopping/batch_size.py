"""How large the next batch is: large while the model is young, small once its choices are sharp."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from winnow.acquisition.reproducible import exp_of, log_of
from winnow.domain.errors import BadInput
from winnow.stopping.gains import DEFAULT_NOISE, Gain, SeedNoise, gains_of
from winnow.stopping.progress import Progress, newest
from winnow.stopping.verdict import Number, Numbers

GAINS_NEWEST: Final = 3
"""Gains whose median stands for the present: one alone is mostly noise."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """A batch size, and the numbers that it was decided on."""

    size: int
    maturity: float | None
    """0 (young) to 1 (mature); none while nothing is measured."""
    reason: str
    numbers: Numbers


def size_at(maturity: float, *, start: int, end: int) -> int:
    """Give the batch size at a maturity: from `start` at 0 to `end` at 1, by equal ratios.

    Examples
    --------
    >>> [size_at(m, start=1000, end=100) for m in (0.0, 0.5, 1.0)]
    [1000, 316, 100]
    """
    logs = log_of(np.array([float(start), float(end)]))
    size = exp_of(logs[:1] + maturity * (logs[1:] - logs[:1]))
    return min(start, max(end, int(np.floor(size[0] + 0.5))))


@dataclass(frozen=True, slots=True)
class AdaptiveBatchSize:
    """Large batches while scores are poor, small ones once each label may inform the next choice.

    Three measures say how mature the model is, each from 0 to 1: its accuracy, its mean
    uncertainty, and how far the gain of a label has fallen from its height. Their median decides,
    so that one odd measure does not; what is not measured has no say, and with nothing measured
    the batch is as large as at the start. A size never grows from round to round.
    """

    start: int = 1000
    end: int = 100
    accuracy_young: float = 0.5
    accuracy_mature: float = 0.95
    entropy_young: float = 0.5
    """Mean normalised entropy."""
    entropy_mature: float = 0.05
    gain_mature: float = 0.1
    """Share of the largest gain of a label so far."""
    noise: SeedNoise = DEFAULT_NOISE

    def __post_init__(self) -> None:
        """Refuse bounds in the wrong order."""
        if not (
            1 <= self.end <= self.start
            and self.accuracy_young < self.accuracy_mature
            and self.entropy_mature < self.entropy_young
            and 0.0 < self.gain_mature < 1.0
        ):
            msg = (
                "batch size: expected 1 <= end <= start, accuracy_young < accuracy_mature, "
                f"entropy_mature < entropy_young and 0 < gain_mature < 1, found {self}"
            )
            raise BadInput(msg)

    def decide(self, progress: Progress) -> BatchSize:
        """Give the size of the batch after the newest round; costs the square of the rounds."""
        now = self._evidence(progress)
        heads = (self._evidence(progress.until(n)) for n in range(1, progress.n_rounds))
        ages = [median(found.values()) for found in (*heads, now) if found]
        maturity = max(ages, default=None)
        size = self.start if maturity is None else size_at(maturity, start=self.start, end=self.end)
        numbers: list[tuple[str, Number]] = [("maturity", maturity), *sorted(now.items())]
        numbers += [("size", size), ("start", self.start), ("end", self.end)]
        told = ", ".join(f"{name} {value:.2f}" for name, value in sorted(now.items()))
        if maturity is None:
            return BatchSize(size, None, "nothing is measured yet", tuple(numbers))
        reason = f"maturity {maturity:.2f} ({told or 'of an earlier round'})"
        return BatchSize(size, maturity, reason, tuple(numbers))

    def _evidence(self, progress: Progress) -> dict[str, float]:
        found: dict[str, float] = {}
        accuracy, entropy = newest(progress.accuracies, 1), newest(progress.mean_entropies, 1)
        if accuracy:
            found["by_accuracy"] = _part(accuracy[0], self.accuracy_young, self.accuracy_mature)
        if entropy:
            found["by_entropy"] = _part(entropy[0], self.entropy_young, self.entropy_mature)
        share = gain_share(gains_of(progress, self.noise))
        if share is not None:
            logs = log_of(np.array([max(share, self.gain_mature), self.gain_mature]))
            found["by_gain"] = _part(float(logs[0]), 0.0, float(logs[1]))
        return found


def gain_share(gains: tuple[Gain, ...]) -> float | None:
    """Give the present gain of a label as a share of the largest so far, 0 to 1.

    The present is the median of the newest three. None before the third gain, or if none was ever
    more than noise. Without counted labels, gains of a round are compared.
    """
    by_label = all(gain.n_labels is not None and gain.n_labels > 0 for gain in gains)
    sizes = [gain.n_labels if by_label and gain.n_labels else gain.n_rounds for gain in gains]
    rates = [max(0.0, gain.counted) / size for gain, size in zip(gains, sizes, strict=True)]
    if len(rates) < GAINS_NEWEST or max(rates) == 0.0:
        return None
    return median(rates[-GAINS_NEWEST:]) / max(rates)


def _part(value: float, young: float, mature: float) -> float:
    """Give where a value lies between two others, 0 to 1."""
    return min(1.0, max(0.0, (value - young) / (mature - young)))

"""Stop when accuracy no longer grows: over a window, or by the mean gain of a round."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.stopping.gains import DEFAULT_NOISE, SeedNoise
from winnow.stopping.progress import Progress, newest
from winnow.stopping.verdict import Numbers, Verdict, not_measurable


@dataclass(frozen=True, slots=True)
class Plateau:
    """Stop when the best accuracy of the last rounds is no real gain on the best before them."""

    n_rounds: int
    gain_min: float

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round; too few measured rounds never stop."""
        measured = [value for value in progress.accuracies if value is not None]
        if len(measured) <= self.n_rounds:
            numbers: Numbers = (("n_measured", len(measured)), ("n_rounds", self.n_rounds))
            return not_measurable("plateau", "too few measured rounds", numbers)
        before, recent = max(measured[: -self.n_rounds]), max(measured[-self.n_rounds :])
        gain = recent - before
        numbers = (
            ("best_before", before),
            ("best_recent", recent),
            ("gain", gain),
            ("gain_min", self.gain_min),
            ("n_rounds", self.n_rounds),
        )
        reason = f"gain {gain:+.4f} over {self.n_rounds} rounds, expected {self.gain_min:.4f}"
        return Verdict("plateau", gain < self.gain_min, reason, numbers)


@dataclass(frozen=True, slots=True)
class GainBelow:
    """Stop when a round brings less than a floor, on the mean of the last rounds.

    A gain within seed noise counts as 0. One round alone is rarely more than noise: look at
    two or three.
    """

    gain_min: float
    n_rounds: int = 1
    noise: SeedNoise = DEFAULT_NOISE

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        span = self.n_rounds + 1
        tail = newest(progress.accuracies, span)
        if tail is None:
            why = f"the last {span} rounds are not all measured"
            return not_measurable("gain_below", why, (("n_rounds", self.n_rounds),))
        errors = progress.accuracy_errors[-span:] or (None,) * span
        gain, noise = tail[-1] - tail[0], self.noise.of(errors[0], errors[-1])
        counted = 0.0 if abs(gain) <= noise else gain / self.n_rounds
        numbers: Numbers = (
            ("accuracy_before", tail[0]),
            ("accuracy", tail[-1]),
            ("gain_per_round", counted),
            ("noise", noise),
            ("gain_min", self.gain_min),
            ("n_rounds", self.n_rounds),
        )
        told = f"{counted:+.4f}" if counted else f"{gain:+.4f} in all, within noise {noise:.4f},"
        reason = f"gain {told} a round over {self.n_rounds}, expected {self.gain_min:.4f}"
        return Verdict("gain_below", counted < self.gain_min, reason, numbers)

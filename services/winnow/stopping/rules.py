"""When the loop ends: small rules, each with the numbers that it decided on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Number = int | float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How the loop went so far."""

    n_rounds: int
    """Rounds closed, the one that just closed included."""
    accuracies: tuple[float | None, ...]
    """Holdout accuracy after each of them, oldest first; None without a labeled holdout."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says, and on which numbers."""

    rule: str
    stop: bool
    reason: str
    numbers: tuple[tuple[str, Number], ...]


class StoppingRule(Protocol):
    """Says whether to go on."""

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        ...


@dataclass(frozen=True, slots=True)
class RoundsMax:
    """Stop after a fixed number of rounds, the cold start included."""

    rounds_max: int

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        numbers = (("n_rounds", progress.n_rounds), ("rounds_max", self.rounds_max))
        stop = progress.n_rounds >= self.rounds_max
        return Verdict(
            "rounds_max", stop, f"{progress.n_rounds} of {self.rounds_max} rounds", numbers
        )


@dataclass(frozen=True, slots=True)
class AccuracyTarget:
    """Stop once the holdout accuracy reaches a target."""

    target: float

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        newest = progress.accuracies[-1] if progress.accuracies else None
        numbers = (("accuracy", newest), ("target", self.target))
        if newest is None:
            return Verdict("accuracy_target", False, "not measurable: no labeled holdout", numbers)
        reason = f"accuracy {newest:.4f}, target {self.target:.4f}"
        return Verdict("accuracy_target", newest >= self.target, reason, numbers)


@dataclass(frozen=True, slots=True)
class Plateau:
    """Stop when the best accuracy of the last rounds is no real gain on the best before them."""

    n_rounds: int
    gain_min: float

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round; too few measured rounds never stop."""
        measured = [value for value in progress.accuracies if value is not None]
        if len(measured) <= self.n_rounds:
            numbers: tuple[tuple[str, Number], ...] = (
                ("n_measured", len(measured)),
                ("n_rounds", self.n_rounds),
            )
            return Verdict("plateau", False, "too few measured rounds", numbers)
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


def first_to_stop(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Give the first verdict that stops the loop, if one does.

    Examples
    --------
    >>> first_to_stop([RoundsMax(3).decide(Progress(2, (0.5, 0.6)))]) is None
    True
    """
    return next((verdict for verdict in verdicts if verdict.stop), None)

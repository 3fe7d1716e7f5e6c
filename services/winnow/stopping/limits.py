"""Stop at a count or a target: rounds, labels, accuracy."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.stopping.progress import Progress, newest
from winnow.stopping.verdict import Numbers, Verdict, not_measurable


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
class LabelsMax:
    """Stop once the committee learned from so many labels."""

    labels_max: int

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        found = progress.n_labels[-1] if progress.n_labels else None
        numbers = (("n_labels", found), ("labels_max", self.labels_max))
        if found is None:
            return not_measurable("labels_max", "labels are not counted", numbers)
        reason = f"{found} of {self.labels_max} labels"
        return Verdict("labels_max", found >= self.labels_max, reason, numbers)


@dataclass(frozen=True, slots=True)
class AccuracyTarget:
    """Stop once the holdout accuracy reaches a target."""

    target: float

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        found = progress.accuracies[-1] if progress.accuracies else None
        numbers = (("accuracy", found), ("target", self.target))
        if found is None:
            return not_measurable("accuracy_target", "no labeled holdout", numbers)
        reason = f"accuracy {found:.4f}, target {self.target:.4f}"
        return Verdict("accuracy_target", found >= self.target, reason, numbers)


@dataclass(frozen=True, slots=True)
class MeanUncertainty:
    """Stop once the committee is certain: mean normalised entropy below a threshold.

    The default is that of small-text's `OverallUncertainty`. Certain is not right: use it beside
    a rule that looks at labels, and on calibrated predictions.
    """

    entropy_max: float = 0.05

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        found = newest(progress.mean_entropies, 1)
        numbers: Numbers = (
            ("mean_entropy", found[0] if found else None),
            ("entropy_max", self.entropy_max),
        )
        if found is None:
            return not_measurable("mean_uncertainty", "no mean entropy of predictions", numbers)
        reason = f"mean normalised entropy {found[0]:.4f}, threshold {self.entropy_max:.4f}"
        return Verdict("mean_uncertainty", found[0] < self.entropy_max, reason, numbers)

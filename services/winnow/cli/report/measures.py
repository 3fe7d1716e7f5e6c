"""What a learning curve is of: which numbers of an evaluation, on which part of the holdout."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.contracts.manifests import Evaluation


@dataclass(frozen=True, slots=True)
class Measure:
    """A mean of measures of the committee, 0 to 1."""

    name: str
    metrics: tuple[str, ...]
    """Names as in `Evaluation.committee` and `Evaluation.slices`."""
    slice: str = ""
    """`column=value`; empty: the whole holdout."""

    def of(self, evaluation: Evaluation) -> float | None:
        """Give the mean; None if one of the measures is not defined there."""
        found = evaluation.slices.get(self.slice, {}) if self.slice else evaluation.committee
        if any(name not in found for name in self.metrics):
            return None
        return sum(found[name] for name in self.metrics) / len(self.metrics)


ACCURACY = Measure("accuracy", ("accuracy",))
MAP50 = Measure("mAP50", ("map50",))


def main_measure(label_kind: str) -> Measure:
    """Give the measure of committees of a kind that says most."""
    return MAP50 if label_kind == "detection" else ACCURACY

"""Chosen against random at equal labels: paired over seeds, never a bare point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Run = tuple[tuple[int, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Curves:
    """Learning curves of the same policy under several seeds: (labels, accuracies) each."""

    runs: tuple[Run, ...]

    def band(
        self,
    ) -> tuple[
        npt.NDArray[np.float64],
        npt.NDArray[np.float64],
        npt.NDArray[np.float64],
        npt.NDArray[np.float64],
    ]:
        """Give labels (mean over seeds), mean accuracy and its 95 % Student interval."""
        n_rounds = min(len(labels) for labels, _ in self.runs)
        labels_SR = np.array([labels[:n_rounds] for labels, _ in self.runs], dtype=float)
        accuracy_SR = np.array([accuracy[:n_rounds] for _, accuracy in self.runs])
        mean = accuracy_SR.mean(axis=0)
        half = np.array([_half_width(accuracy_SR[:, pos]) for pos in range(n_rounds)])
        low, high = np.maximum(mean - half, 0.0), np.minimum(mean + half, 1.0)
        return labels_SR.mean(axis=0), mean, low, high


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of chosen minus random over seeds, with its 95 % interval."""

    labels: int
    mean: float
    low: float
    high: float
    n_seeds: int


def at_labels(run: Run, labels: int) -> float:
    """Read a curve at a number of labels, linearly between its points."""
    return float(np.interp(labels, run[0], run[1]))


def paired_difference(chosen: Sequence[Run], control: Sequence[Run]) -> PairedDifference:
    """Compare at the largest number of labels that all curves of both reached.

    Runs at the same position share their seed: same first labels, same weights at the start.
    """
    labels = min(run[0][-1] for run in (*chosen, *control))
    differences = np.array(
        [
            at_labels(mine, labels) - at_labels(theirs, labels)
            for mine, theirs in zip(chosen, control, strict=True)
        ]
    )
    mean, half = float(differences.mean()), _half_width(differences)
    return PairedDifference(
        labels=labels, mean=mean, low=mean - half, high=mean + half, n_seeds=len(differences)
    )


def _half_width(values: npt.NDArray[np.float64]) -> float:
    """Give half of the 95 % Student interval of the mean; infinite for a single value."""
    if values.size < 2:
        return float("inf")
    spread = float(values.std(ddof=1)) / np.sqrt(values.size)
    return float(stats.t.ppf(0.975, values.size - 1) * spread)

"""Chosen against random at equal labels: paired over seeds, never a bare point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from winnow.cli.report.measures import Measure

Run = tuple[tuple[int, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Curves:
    """Learning curves of the same policy under several seeds: (labels, values) each."""

    runs: tuple[Run, ...]

    def band(
        self,
    ) -> tuple[
        npt.NDArray[np.float64],
        npt.NDArray[np.float64],
        npt.NDArray[np.float64],
        npt.NDArray[np.float64],
    ]:
        """Give labels (mean over seeds), the mean and its 95 % Student interval."""
        n_rounds = min(len(labels) for labels, _ in self.runs)
        labels_SR = np.array([labels[:n_rounds] for labels, _ in self.runs], dtype=float)
        value_SR = np.array([values[:n_rounds] for _, values in self.runs])
        mean = value_SR.mean(axis=0)
        half = np.array([_half_width(value_SR[:, pos]) for pos in range(n_rounds)])
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

    @property
    def shows_nothing(self) -> bool:
        """Tell whether no difference at all is inside the interval."""
        return self.low <= 0.0 <= self.high

    @property
    def interval(self) -> str:
        """Say how sure the mean is, in percentage points."""
        if self.n_seeds < 2:
            return "one seed, so no interval"
        ends = f"[{self.low * 100:+.1f}, {self.high * 100:+.1f}]"
        verdict = ", which holds zero: no difference is shown" if self.shows_nothing else ""
        return f"95 % interval {ends}{verdict}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure's curves, and those of random if there is such a control."""

    measure: Measure
    chosen: Curves
    control: Curves | None = None
    difference: PairedDifference | None = None


def compared(measure: Measure, chosen: Sequence[Run], control: Sequence[Run]) -> Comparison:
    """Compare two arms by one measure; `paired_difference` says how."""
    difference = paired_difference(chosen, control)
    return Comparison(measure, Curves(tuple(chosen)), Curves(tuple(control)), difference)


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

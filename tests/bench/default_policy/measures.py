"""How far the default is from the best rule of each budget, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.bench.default_policy.entrants import DEFAULT

Floats = npt.NDArray[np.float64]
Curves = Mapping[str, Floats]
"""Entrant → accuracy in points, [seeds, budgets]; the same seeds for all."""

N_BOOTSTRAP = 2000


@dataclass(frozen=True)
class Measured:
    """One pool."""

    regret: Floats
    """[budgets] Mean accuracy of the best single rule of each budget, less the default's."""
    regret_upper: float
    """Bootstrap 95 % upper bound of its mean over budgets."""
    cross_fitted: float
    """Mean regret if one half of the seeds names the best rule and the other measures it."""
    labels: float
    """Labels of the default for random's last accuracy, as a share of random's."""
    labels_best: float
    """The same of the best single rule."""


def measured(curves: Curves, budgets: tuple[int, ...]) -> Measured:
    """Measure one pool."""
    single = {name: curve for name, curve in curves.items() if name != DEFAULT}
    regret = _regret(single, curves[DEFAULT])
    rng = np.random.default_rng(0)
    n_seeds = len(curves[DEFAULT])
    means = []
    for _ in range(N_BOOTSTRAP):
        rows = rng.integers(0, n_seeds, n_seeds)
        some = {name: curve[rows] for name, curve in single.items()}
        means.append(_regret(some, curves[DEFAULT][rows]).mean())
    target = curves["random"].mean(axis=0)[-1]
    labels = {name: _labels_for(target, c.mean(axis=0), budgets) for name, c in curves.items()}
    best = min(value for name, value in labels.items() if name != DEFAULT)
    return Measured(
        regret,
        float(np.quantile(means, 0.95)),
        _cross_fitted(single, curves[DEFAULT]),
        labels[DEFAULT] / budgets[-1],
        best / budgets[-1],
    )


def _regret(single: Curves, ours: Floats) -> Floats:
    best: Floats = np.max([curve.mean(axis=0) for curve in single.values()], axis=0)
    regret: Floats = best - ours.mean(axis=0)
    return regret


def _cross_fitted(single: Curves, ours: Floats) -> float:
    names, halves = list(single), (slice(0, None, 2), slice(1, None, 2))
    found = []
    for named, tested in (halves, halves[::-1]):
        best = np.argmax([single[name][named].mean(axis=0) for name in names], axis=0)
        there = [single[names[b]][tested, place].mean() for place, b in enumerate(best)]
        found.append(np.array(there) - ours[tested].mean(axis=0))
    return float(np.mean(found))


def _labels_for(target: float, curve: Floats, budgets: tuple[int, ...]) -> float:
    """Give the labels at which a curve first reaches an accuracy, between budgets by a line."""
    above = np.maximum.accumulate(curve)
    if above[-1] < target:
        return float("inf")
    place = int(np.argmax(above >= target))
    if place == 0:
        return float(budgets[0])
    share = (target - above[place - 1]) / (above[place] - above[place - 1])
    return budgets[place - 1] + float(share) * (budgets[place] - budgets[place - 1])

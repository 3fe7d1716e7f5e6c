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

Rows = npt.NDArray[np.intp]

N_BOOTSTRAP = 2000
N_HALVINGS = 200


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
    labels_ratio: float
    """Labels of the default over those of the best rule, if one half of the seeds names that."""


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
    labels = _labels(curves, budgets)
    halves = [rng.permutation(n_seeds) for _ in range(N_HALVINGS)]
    parts = [(order[: n_seeds // 2], order[n_seeds // 2 :]) for order in halves]
    return Measured(
        regret,
        float(np.quantile(means, 0.95)),
        float(np.mean([_regret_apart(single, curves[DEFAULT], *two) for two in parts])),
        labels[DEFAULT],
        labels[_fewest(labels)],
        float(np.mean([_labels_apart(curves, budgets, *two) for two in parts])),
    )


def _regret(single: Curves, ours: Floats) -> Floats:
    best: Floats = np.max([curve.mean(axis=0) for curve in single.values()], axis=0)
    regret: Floats = best - ours.mean(axis=0)
    return regret


def _regret_apart(single: Curves, ours: Floats, naming: Rows, measuring: Rows) -> float:
    """Let some seeds name the best rule of each budget, and others measure it."""
    names = list(single)
    best = np.argmax([single[name][naming].mean(axis=0) for name in names], axis=0)
    there = [single[names[b]][measuring, place].mean() for place, b in enumerate(best)]
    return float(np.mean(np.array(there) - ours[measuring].mean(axis=0)))


def _labels(curves: Curves, budgets: tuple[int, ...]) -> dict[str, float]:
    """Give every entrant's labels for random's last accuracy, as a share of random's."""
    target = curves["random"].mean(axis=0)[-1]
    return {
        name: _labels_for(target, curve.mean(axis=0), budgets) / budgets[-1]
        for name, curve in curves.items()
    }


def _fewest(labels: Mapping[str, float]) -> str:
    return min((value, name) for name, value in labels.items() if name != DEFAULT)[1]


def _labels_apart(curves: Curves, budgets: tuple[int, ...], naming: Rows, measuring: Rows) -> float:
    """Let some seeds name the rule that needs fewest labels, and others measure it."""
    best = _fewest(_labels({name: c[naming] for name, c in curves.items()}, budgets))
    found = _labels({name: c[measuring] for name, c in curves.items()}, budgets)
    # Whoever does not get there counts as if the last label did it.
    return min(found[DEFAULT], 1.0) / min(found[best], 1.0)


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

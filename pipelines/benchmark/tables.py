"""From finished runs to the numbers of the report: one row a line of a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmark.curve import Run, Step
from benchmark.methods import BASELINE
from benchmark.plan import Plan
from benchmark.statistics import ALPHA, Floats, holm, labels_for, paired
from benchmark.worst_slice import COMPARED, MiningRun

Cell = str | int | float | None
Row = dict[str, Cell]
GAIN_BUDGETS = (0.25, 0.75)
"""From a quarter to three quarters of the labels."""
WITHIN = 0.01
"""One point."""
PRICE_FACTORS = (1, 10, 100)


@dataclass(frozen=True)
class Found:
    """All finished runs of a plan."""

    plan: Plan
    curves: Sequence[Run]
    mined: Sequence[MiningRun]
    source: str = ""
    encoder: str = ""
    class_names: tuple[str, ...] = ()
    n_unreadable: int = 0

    @cached_property
    def by_name(self) -> Mapping[tuple[str, str], list[Run]]:
        """Give (pool, method) → its runs, in the order of the seeds."""
        grouped: dict[tuple[str, str], list[Run]] = {}
        for run in sorted(self.curves, key=lambda one: one.seed):
            grouped.setdefault((run.pool, run.method), []).append(run)
        return grouped

    def values(self, pool: str, method: str, of: Callable[[Step], float]) -> Floats:
        """Give a number of every step, [seeds, budgets]."""
        runs = self.by_name[pool, method]
        return np.array([[of(step) for step in run.steps] for run in runs], dtype=np.float64)

    def accuracy(self, pool: str, method: str) -> Floats:
        """Give accuracies in points, [seeds, budgets]."""
        return 100 * self.values(pool, method, lambda step: step.accuracy)

    def gains(self, pool: str, method: str) -> Floats:
        """Give points above the baseline of the same seed, [seeds, budgets]."""
        return self.accuracy(pool, method) - self.accuracy(pool, BASELINE)

    @property
    def step_points(self) -> float:
        """Give what one frame of the holdout counts."""
        return 100 / self.curves[0].n_holdout

    @property
    def rivals(self) -> list[str]:
        """Give all methods but the baseline."""
        return [name for name in self.plan.methods if name != BASELINE]

    @cached_property
    def full_accuracy(self) -> Floats:
        """Give the accuracy with the largest budget in points, seed by seed."""
        pool = "plain" if "plain" in self.plan.pools else self.plan.pools[0]
        return self.accuracy(pool, BASELINE)[:, -1]


def gain_rows(found: Found, low: float, high: float) -> list[Row]:
    """Give the gain of every method at the budgets from low to high, corrected together."""
    rows: list[Row] = []
    for pool in found.plan.pools:
        places = [b for b, share in enumerate(found.plan.budgets) if low <= share <= high]
        part = [_gain(found, pool, name, b) for b in places for name in found.rivals]
        corrected = holm([float(row["p"] or 0) for row in part])
        for row, p_holm in zip(part, corrected, strict=True):
            gain = float(row["gain_points"] or 0)
            certain = p_holm < ALPHA
            row["p"], row["p_holm"] = _significant(float(row["p"] or 0)), _significant(p_holm)
            row["verdict"] = ("better" if gain > 0 else "worse") if certain else "undecided"
        rows += part
    return rows


def _gain(found: Found, pool: str, method: str, place: int) -> Row:
    differences_S = found.gains(pool, method)[:, place]
    test = paired(differences_S, step=found.step_points)
    ours, base = found.accuracy(pool, method)[:, place], found.accuracy(pool, BASELINE)[:, place]
    labels = found.values(pool, method, lambda step: step.n_labels)[:, place]
    return {
        "pool": pool,
        "method": method,
        "budget": found.plan.budgets[place],
        "labels": round(float(labels.mean())),
        "accuracy": _rounded(float(ours.mean()), 2),
        "random_accuracy": _rounded(float(base.mean()), 2),
        "gain_points": _rounded(test.mean, 3),
        "gain_std": _rounded(test.std, 3),
        "seeds": len(differences_S),
        "t": _rounded(test.t, 3),
        "p": test.p,
        "detectable_points": _rounded(test.detectable, 3),
    }


def needed_rows(found: Found) -> list[Row]:
    """Give the labels of each method to come within a point of what all labels give."""
    rows: list[Row] = []
    for pool in found.plan.pools:
        random_S = labels_needed(found, pool, BASELINE)
        for method in found.plan.methods:
            needed_S = labels_needed(found, pool, method)
            reached = np.isfinite(needed_S)
            both = reached & np.isfinite(random_S)
            saved = paired(random_S[both] - needed_S[both]) if both.any() else None
            rows.append(
                {
                    "pool": pool,
                    "method": method,
                    "seeds_reached": int(reached.sum()),
                    "seeds": len(needed_S),
                    "labels": _rounded(float(needed_S[reached].mean()), 0)
                    if any(reached)
                    else None,
                    "labels_std": _std(needed_S[reached]),
                    "saved_of_random": None if saved is None else _rounded(saved.mean, 0),
                    "saved_share": None
                    if saved is None
                    else _rounded(saved.mean / float(random_S[both].mean()), 3),
                    "p": None if saved is None else _rounded(saved.p, 4),
                }
            )
    return rows


def labels_needed(found: Found, pool: str, method: str) -> Floats:
    """Give labels within a point of each seed's full accuracy; infinity where never."""
    runs = found.by_name[pool, method]
    targets = found.full_accuracy / 100 - WITHIN
    return np.array(
        [
            labels_for(target, [s.accuracy for s in run.steps], [s.n_labels for s in run.steps])
            for target, run in zip(targets.tolist(), runs, strict=True)
        ]
    )


def time_rows(found: Found) -> list[Row]:
    """Give how long choosing took, budget by budget, and how long learning did."""
    rows: list[Row] = []
    for pool in found.plan.pools:
        for method in found.plan.methods:
            seconds_SB = found.values(pool, method, lambda step: step.select_seconds)
            learn_SB = found.values(pool, method, lambda step: step.learn_seconds)
            row: Row = {"pool": pool, "method": method}
            for place, share in enumerate(found.plan.budgets):
                row[f"select_s_at_{share:g}"] = _rounded(float(seconds_SB[:, place].mean()), 4)
            row["select_s_total"] = _rounded(float(seconds_SB.sum(axis=1).mean()), 3)
            row["select_s_worst"] = _rounded(float(seconds_SB.max()), 3)
            row["learn_s_total"] = _rounded(float(learn_SB.sum(axis=1).mean()), 3)
            rows.append(row)
    return rows


def class_rows(found: Found) -> list[Row]:
    """Give the labels of each class, mean over seeds, and which classes were helped."""
    rows: list[Row] = []
    for (pool, method), runs in found.by_name.items():
        for place, share in enumerate(found.plan.budgets):
            steps = [run.steps[place] for run in runs]
            row: Row = {"pool": pool, "method": method, "budget": share}
            row["starving_classes"] = _rounded(float(np.mean([len(s.starved) for s in steps])), 2)
            fewest = np.mean([min(s.counts.values()) / max(1, s.n_labels) for s in steps])
            row["fewest_share"] = _rounded(float(fewest), 4)
            for name in steps[0].counts:
                row[f"labels {name}"] = _rounded(float(np.mean([s.counts[name] for s in steps])), 1)
            rows.append(row)
    return rows


def repeat_rows(found: Found) -> list[Row]:
    """Give what duplicates cost: labels that bought a frame again, and points lost by it."""
    rows: list[Row] = []
    if "plain" not in found.plan.pools:
        return rows
    for pool in (kind for kind in found.plan.pools if kind != "plain"):
        for method in found.plan.methods:
            lost_SB = found.accuracy(pool, method) - found.accuracy("plain", method)
            repeats_SB = found.values(pool, method, lambda step: step.n_repeats)
            labels_SB = found.values(pool, method, lambda step: step.n_labels)
            for place, share in enumerate(found.plan.budgets):
                test = paired(lost_SB[:, place], step=found.step_points)
                part = float((repeats_SB / labels_SB)[:, place].mean())
                rows.append(
                    {
                        "pool": pool,
                        "method": method,
                        "budget": share,
                        "repeated_share": _rounded(part, 4),
                        "points_beside_plain": _rounded(test.mean, 3),
                        "points_std": _rounded(test.std, 3),
                        "p": _rounded(test.p, 4),
                    }
                )
    return rows


def cost_rows(found: Found) -> list[Row]:
    """Give the money to come within a point, where a label costs 1, 10 and 100 times its price."""
    pool, plan = found.plan.pools[0], found.plan
    rows: list[Row] = []
    for factor in PRICE_FACTORS:
        price = plan.label_price_micros * factor
        base_S = _money(found, pool, BASELINE, price)
        for method in plan.methods:
            money_S = _money(found, pool, method, price)
            machine_S = _machine(found, pool, method)
            both = np.isfinite(money_S) & np.isfinite(base_S)
            known = bool(both.any())
            rows.append(
                {
                    "label_price": _rounded(price / 1e6, 4),
                    "factor": factor,
                    "method": method,
                    "seeds_reached": int(np.isfinite(money_S).sum()),
                    "money": _rounded(float(money_S[both].mean()), 2) if known else None,
                    "of_it_machine": _rounded(float(machine_S[both].mean()), 4) if known else None,
                    "saved": _rounded(float((base_S[both] - money_S[both]).mean()), 2)
                    if known
                    else None,
                    "saved_std": _std(base_S[both] - money_S[both]),
                }
            )
    return rows


def _money(found: Found, pool: str, method: str, price_micros: int) -> Floats:
    labels_S = labels_needed(found, pool, method)
    money_S: Floats = labels_S * price_micros / 1e6 + _machine(found, pool, method)
    return money_S


def _machine(found: Found, pool: str, method: str) -> Floats:
    """Give the machine's price of all rounds up to the one that reached the target."""
    labels_S = labels_needed(found, pool, method)
    per_second = found.plan.machine_hour_micros / 1e6 / 3600
    costs = []
    for needed, run in zip(labels_S.tolist(), found.by_name[pool, method], strict=True):
        seconds, before = 0.0, 0
        for step in run.steps:
            if before < needed:
                seconds += step.select_seconds + step.learn_seconds
            before = step.n_labels
        costs.append(seconds * per_second)
    return np.array(costs)


def mining_rows(found: Found) -> list[Row]:
    """Give the change of the worst slice's accuracy, in points, for each method."""
    halves = [half for run in found.mined for half in run.halves]
    rows: list[Row] = []
    for method in COMPARED if halves else ():
        name = method.name
        change = 100 * np.array([half.after[name] - half.before for half in halves])
        badge = 100 * np.array([half.after["badge"] - half.before for half in halves])
        overall = 100 * np.array(
            [half.overall_after[name] - half.overall_before for half in halves]
        )
        by_seed = _by_seed(found.mined, change - badge)
        rows.append(
            {
                "method": name,
                "slices": len(halves),
                "slice_change_points": _rounded(float(change.mean()), 2),
                "slice_change_std": _std(change),
                "beside_badge_points": _rounded(float((change - badge).mean()), 2),
                "p_beside_badge": None if name == "badge" else _rounded(paired(by_seed).p, 4),
                "overall_change_points": _rounded(float(overall.mean()), 2),
                "slice_frames_in_batch": _rounded(
                    float(np.mean([half.in_slice[name] for half in halves])), 1
                ),
                "mean_failures_shown": _rounded(
                    float(np.mean([half.n_failures for half in halves])), 1
                ),
                "mean_frames_measured": _rounded(
                    float(np.mean([half.n_measured for half in halves])), 1
                ),
            }
        )
    return rows


def _by_seed(mined: Sequence[MiningRun], values: Floats) -> Floats:
    """Give the mean of each seed's halves: they share a model, so they are no two samples."""
    means, start = [], 0
    for run in mined:
        if run.halves:
            means.append(values[start : start + len(run.halves)].mean())
        start += len(run.halves)
    return np.array(means)


def csv_text(rows: Sequence[Row]) -> str:
    """Give rows as CSV; empty cells are unknown."""
    sink = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sink, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
    return sink.getvalue()


def _std(values: Floats) -> float | None:
    return _rounded(float(values.std(ddof=1)), 2) if len(values) > 1 else None


def _significant(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.5g}")


def _rounded(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(value, digits)

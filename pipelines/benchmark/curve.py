"""One learning curve: choose, label, learn from scratch, measure, again."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from benchmark.frames import Numbers
from benchmark.learners import learner_of
from benchmark.learning import Answers
from benchmark.methods import Method, method_named
from benchmark.plan import Plan, PoolKind
from benchmark.pools import Pool
from benchmark.selecting import choose, counts_of
from winnow.acquisition.registry import acquisition_of


class Step(BaseModel):
    """One round: what was labeled, and what came of it."""

    model_config = ConfigDict(frozen=True)

    budget: float
    """Share of the pool's distinct frames that was asked for."""
    n_labels: int
    accuracy: float
    """Of the holdout, 0 to 1."""
    class_accuracy: float
    """Mean over classes."""
    counts: dict[str, int]
    n_repeats: int
    """Labels bought so far for a frame of which a version had one already."""
    starved: tuple[str, ...]
    """Classes that were promised a part of this batch."""
    strategy: str
    """Which chose: that of the cold start in the first round; empty where all was taken, or
    nothing."""
    select_seconds: float
    learn_seconds: float
    """Training and answering."""
    isolation: float | None
    """Mean distance of the batch to its nearest frames, as a share of the pool's mean; none where
    nothing was bought, or all frames of the pool are the same."""
    doubt: float | None
    """Mean place of the batch among all frames by margin, 0 sure to 1 doubtful; none without
    answers, or where nothing was bought."""
    notes: tuple[str, ...] = ()


class Run(BaseModel):
    """One method on one pool with one seed."""

    model_config = ConfigDict(frozen=True)

    pool: PoolKind
    method: str
    seed: int
    n_pool: int
    n_distinct: int
    n_holdout: int
    steps: tuple[Step, ...]


def curve_of(pool: Pool, method_name: str, seed: int, *, plan: Plan) -> Run:
    """Run one method through all budgets.

    All methods of a seed share the split, the training seed and, but for the baseline, the first
    batch; with all frames labeled they all learn from the same ones in the same order.
    """
    method, learner = method_named(method_name), learner_of(plan)
    labeled, answers = np.empty(0, dtype=np.int64), None
    steps: list[Step] = []
    for place, budget in enumerate(plan.budgets):
        n = max(1, round(budget * pool.n_distinct)) - len(labeled)
        batch, step = _batch(pool, method, labeled, answers, n, plan, place, seed)
        doubt = _doubt(answers, labeled, batch)
        labeled = np.sort(np.concatenate([labeled, batch]))
        started = time.perf_counter()
        answers = learner.learn(pool, labeled, seed=seed)
        seconds = time.perf_counter() - started
        right_H = answers.held_HMC.mean(axis=1).argmax(axis=1) == pool.held_labels_H
        steps.append(
            Step(
                budget=budget,
                n_labels=len(labeled),
                accuracy=round(float(right_H.mean()), 6),
                class_accuracy=round(_mean_of_classes(right_H, pool.held_labels_H), 6),
                counts=dict(counts_of(pool, labeled)),
                n_repeats=len(labeled) - len(np.unique(pool.origins_N[labeled])),
                learn_seconds=round(seconds, 4),
                isolation=_isolation(pool.isolations, batch),
                doubt=doubt,
                **step,
            )
        )
    return Run(
        pool=pool.kind,
        method=method_name,
        seed=seed,
        n_pool=len(pool),
        n_distinct=pool.n_distinct,
        n_holdout=len(pool.held_labels_H),
        steps=tuple(steps),
    )


def _batch(
    pool: Pool,
    method: Method,
    labeled: Numbers,
    answers: Answers | None,
    n: int,
    plan: Plan,
    place: int,
    seed: int,
) -> tuple[Numbers, dict[str, object]]:
    left = np.setdiff1d(np.arange(len(pool)), labeled)
    if not n or n >= len(left):
        return left[:n], {"strategy": "", "select_seconds": 0.0, "starved": ()}
    chosen = choose(
        pool, method, labeled, answers, n=n, plan=plan, round_number=place,
        seed=1000 * seed + place,
    )  # fmt: skip
    return chosen.positions, {
        "strategy": chosen.strategy,
        "select_seconds": round(chosen.seconds, 4),
        "starved": chosen.starved,
        "notes": chosen.notes,
    }


def _isolation(away_N: npt.NDArray[np.floating], batch: Numbers) -> float | None:
    if not len(batch) or not away_N.any():
        return None
    return round(float(away_N[batch].mean() / away_N.mean()), 4)


def _doubt(answers: Answers | None, labeled: Numbers, batch: Numbers) -> float | None:
    """Give the mean rank by margin among the frames that were left."""
    if answers is None or not len(batch):
        return None
    left = np.setdiff1d(np.arange(len(answers.pool_NMC)), labeled)
    scores = acquisition_of("margin").score(answers.pool_NMC[left])
    ranks = np.argsort(np.argsort(scores)) / max(1, len(left) - 1)
    return round(float(ranks[np.isin(left, batch)].mean()), 4)


def _mean_of_classes(right_H: npt.NDArray[np.bool_], labels_H: Numbers) -> float:
    return float(np.mean([right_H[labels_H == label].mean() for label in np.unique(labels_H)]))

"""Mining the worst slice: frames near known failures, beside BADGE on the same pool.

One half of the holdout shows the failures and names the worst slice; the other half measures, so
that nothing is chosen by what it is measured on. Then the halves change places.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from benchmark.frames import Numbers, Texts
from benchmark.learners import learner_of
from benchmark.learning import Answers
from benchmark.methods import BASELINE, Method
from benchmark.plan import Plan
from benchmark.pools import Pool
from benchmark.selecting import choose

Flags = npt.NDArray[np.bool_]
COMPARED = (Method("mining", "mining"), Method("badge", "badge"), Method(BASELINE, "random"))
START, BATCH = 0.1, 0.1
"""Shares of the pool: labeled at random first, then chosen once."""
SLICE_MIN = 8
"""Frames of a slice in a half of the holdout; smaller ones measure nothing."""
METHOD = "mining-table"
"""Name under which this experiment is kept among the runs."""


class Mined(BaseModel):
    """One seed, one half: what a batch of each method changed."""

    model_config = ConfigDict(frozen=True)

    seed: int
    half: int
    slice: str
    n_failures: int
    n_measured: int
    before: float
    """Accuracy of the slice on the measuring half."""
    after: dict[str, float]
    overall_before: float
    overall_after: dict[str, float]
    in_slice: dict[str, int]
    """Frames of the slice in each method's batch."""


class MiningRun(BaseModel):
    """One seed."""

    model_config = ConfigDict(frozen=True)

    seed: int
    halves: tuple[Mined, ...]


def mining_of(pool: Pool, seed: int, *, plan: Plan) -> MiningRun:
    """Compare the methods on both halves; a half without a failure gives nothing."""
    rng = np.random.default_rng([seed, 7])
    start = np.sort(rng.permutation(len(pool))[: max(2, round(START * len(pool)))])
    answers = learner_of(plan).learn(pool, start, seed=seed)
    right_H = _right(pool, answers)
    first_H = np.zeros(len(right_H), dtype=np.bool_)
    first_H[rng.permutation(len(right_H))[: len(right_H) // 2]] = True
    found = [
        _compared(pool, start, answers, shown_H, half=half, seed=seed, plan=plan)
        for half, shown_H in enumerate((first_H, ~first_H))
    ]
    return MiningRun(seed=seed, halves=tuple(one for one in found if one is not None))


def _compared(
    pool: Pool,
    start: Numbers,
    answers: Answers,
    shown_H: Flags,
    *,
    half: int,
    seed: int,
    plan: Plan,
) -> Mined | None:
    right_H, slices = _right(pool, answers), _slices(pool.held_tags, pool, pool.held_labels_H)
    large = {
        name: there_H
        for name, there_H in slices.items()
        if min((there_H & shown_H).sum(), (there_H & ~shown_H).sum()) >= SLICE_MIN
    }
    if not large:
        return None
    name = min(large, key=lambda one: (float(right_H[large[one] & shown_H].mean()), one))
    failures_H = large[name] & shown_H & ~right_H
    if not failures_H.any():
        return None
    measured_H = large[name] & ~shown_H
    in_pool_N = _slices(pool.tags, pool, pool.labels_N)[name]
    after, overall, inside = {}, {}, {}
    for method in COMPARED:
        chosen = choose(
            pool, method, start, answers, n=max(1, round(BATCH * len(pool))), plan=plan,
            round_number=1, seed=1000 * seed + half, examples_ED=pool.held_HD[failures_H],
        ).positions  # fmt: skip
        labeled = np.sort(np.concatenate([start, chosen]))
        then_H = _right(pool, learner_of(plan).learn(pool, labeled, seed=seed))
        after[method.name] = round(float(then_H[measured_H].mean()), 6)
        overall[method.name] = round(float(then_H[~shown_H].mean()), 6)
        inside[method.name] = int(in_pool_N[chosen].sum())
    return Mined(
        seed=seed,
        half=half,
        slice=name,
        n_failures=int(failures_H.sum()),
        n_measured=int(measured_H.sum()),
        before=round(float(right_H[measured_H].mean()), 6),
        after=after,
        overall_before=round(float(right_H[~shown_H].mean()), 6),
        overall_after=overall,
        in_slice=inside,
    )


def _right(pool: Pool, answers: Answers) -> Flags:
    right_H: Flags = answers.held_HMC.mean(axis=1).argmax(axis=1) == pool.held_labels_H
    return right_H


def _slices(tags: Mapping[str, Texts], pool: Pool, labels: Numbers) -> dict[str, Flags]:
    """Give the slices: each class, and each value of each tag."""
    found = {f"class={name}": labels == code for code, name in enumerate(pool.class_names)}
    for tag, values in tags.items():
        found |= {f"{tag}={value}": values == value for value in np.unique(values) if value}
    return found

"""One learning curve: choose, label, learn, measure, again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tests.bench.default_policy.learners import Learner, Probs
from tests.bench.default_policy.pools import Labels, Pool
from winnow.acquisition.registry import acquisition_of
from winnow.strategies.protocol import Candidates, Pick
from winnow.strategies.simple_random import Random


class Chooser(Protocol):
    """A strategy, ours or a peer's."""

    @property
    def needs(self) -> frozenset[str]:
        """See `Strategy.needs`."""
        ...

    def choose(self, candidates: Candidates, n: int, *, seed: int) -> Sequence[Pick]:
        """See `Strategy.choose`."""
        ...


@dataclass(frozen=True)
class Entrant:
    """A chooser under the name of its row."""

    name: str
    chooser: Chooser
    acquisition: str = "margin"


@dataclass(frozen=True)
class Curve:
    """Accuracy at each budget."""

    budgets: tuple[int, ...]
    accuracy: list[float] = field(default_factory=list)
    by_class: list[float] = field(default_factory=list)
    """Mean over classes of the accuracy within a class."""
    seconds: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def curve_of(pool: Pool, entrant: Entrant, learner: Learner, *, seed: int) -> Curve:
    """Run one entrant through all budgets of a pool.

    What needs a committee starts with a random batch; all runs of one seed share the split, the
    random batch and how much a member trusts each label.
    """
    curve = Curve(pool.budgets)
    labeled: Labels = np.empty(0, dtype=np.int64)
    probs_NMC: Probs | None = None
    for place, budget in enumerate(pool.budgets):
        started = time.perf_counter()
        taken, note = _chosen(pool, entrant, labeled, probs_NMC, budget, seed=1_000 * seed + place)
        curve.seconds.append(round(time.perf_counter() - started, 4))
        labeled = np.concatenate([labeled, taken])
        assert len(set(labeled.tolist())) == budget
        learner.fit(labeled, pool.labels_N[labeled])
        probs_NMC = learner.pool_probs()
        right = learner.test_probs().mean(axis=1).argmax(axis=1) == pool.test_labels_N
        curve.accuracy.append(round(float(right.mean()), 5))
        curve.by_class.append(round(_mean_of_classes(right, pool.test_labels_N), 5))
        curve.notes.append(note)
    return curve


def _mean_of_classes(right: npt.NDArray[np.bool_], labels_N: Labels) -> float:
    return float(np.mean([right[labels_N == label].mean() for label in np.unique(labels_N)]))


def _chosen(
    pool: Pool,
    entrant: Entrant,
    labeled: Labels,
    probs_NMC: Probs | None,
    budget: int,
    *,
    seed: int,
) -> tuple[Labels, str]:
    left = np.setdiff1d(np.arange(len(pool.labels_N)), labeled)
    candidates = _candidates(pool, entrant, left, labeled, probs_NMC)
    cold = probs_NMC is None and entrant.chooser.needs & {"scores", "probs", "labels"}
    chooser: Chooser = Random() if cold else entrant.chooser
    picks = chooser.choose(candidates, budget - len(labeled), seed=seed)
    decide: Callable[..., object] | None = getattr(chooser, "decide", None)
    note = str(decide(candidates, budget - len(labeled))) if decide else ""
    return left[[pick.pos for pick in picks]], note


def _candidates(
    pool: Pool, entrant: Entrant, left: Labels, labeled: Labels, probs_NMC: Probs | None
) -> Candidates:
    probs = None if probs_NMC is None else probs_NMC[left]
    return Candidates(
        frame_ids=pool.frame_ids[left],
        scores_N=None if probs is None else acquisition_of(entrant.acquisition).score(probs),
        embeddings_ND=pool.features_ND[left],
        centers_LD=pool.features_ND[labeled],
        probs_NMC=probs,
        sessions_N=None if pool.sessions_N is None else pool.sessions_N[left],
        captured_us_N=None if pool.captured_us_N is None else pool.captured_us_N[left],
        labels_L=pool.labels_N[labeled],
        center_probs_LMC=None if probs_NMC is None else probs_NMC[labeled],
    )

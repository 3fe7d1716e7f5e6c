"""One batch of one method, chosen by the library as in any round."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmark.frames import Numbers, Rows, Texts
from benchmark.learning import Answers
from benchmark.methods import Method, policy_of
from benchmark.plan import Plan
from benchmark.pools import Pool
from winnow.constraints.duplicates import representatives
from winnow.policy.inputs import SelectionInputs
from winnow.policy.proposal import Proposal
from winnow.policy.random_arm import arm_size
from winnow.policy.select import propose

DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A batch."""

    positions: Numbers
    """In the pool, in rank order."""
    seconds: float
    """Wall time of the choice alone, scores included."""
    strategy: str
    starved: tuple[str, ...]
    """Classes that were promised a part of the batch."""
    notes: tuple[str, ...]


def starving(pool: Pool, labeled: Numbers, share: float) -> dict[str, float]:
    """Give the classes that have far too few labels, and the share of the next batch they get.

    A class starves below `share` of an even part of the labels; it is then promised that part of
    the batch. At the first batch nobody knows, so nobody starves.

    Returns
    -------
    dict
        Class → share of the batch, 0 to 1.
    """
    if not len(labeled) or not share:
        return {}
    least = share / len(pool.class_names)
    counts_C = np.bincount(pool.labels_N[labeled], minlength=len(pool.class_names))
    return {
        name: least
        for name, count in zip(pool.class_names, counts_C.tolist(), strict=True)
        if count < least * len(labeled)
    }


def choose(
    pool: Pool,
    method: Method,
    labeled: Numbers,
    answers: Answers | None,
    *,
    n: int,
    plan: Plan,
    round_number: int,
    seed: int,
    examples_ED: Rows | None = None,
) -> Chosen:
    """Let a method choose n frames of those without a label.

    Only embeddings of the pool go in; the holdout is not seen. What random draws is left to
    chance: no floor, no arm beside it.
    """
    left = np.setdiff1d(np.arange(len(pool)), labeled)
    starved: Mapping[str, float] = {}
    if answers is not None and not method.is_baseline:
        starved = starving(pool, labeled, plan.starvation_share)
        starved = _promised(starved, counts_of(pool, labeled), n, plan.random_arm)
    policy = policy_of(
        method,
        batch_size=n,
        class_names=pool.class_names,
        random_arm=0.0 if method.is_baseline else plan.random_arm,
        starving=starved,
    )
    gates, clusters = _gates(pool, labeled, left)
    passed = left[gates == ""]
    inputs = SelectionInputs(
        policy=policy,
        seed=seed,
        affordable_micros=n * policy.money.label_price_micros,
        frame_ids=pool.frame_ids[left],
        gates=gates,
        gate_details=np.full(len(left), ""),
        clusters=clusters,
        embeddings_ND=pool.rows_ND[passed],
        centers_LD=pool.rows_ND[labeled],
        scored=np.full(len(passed), answers is not None),
        probs_NMC=None if answers is None else answers.pool_NMC[passed],
        acquisitions=(),
        round_number=round_number,
        class_names=pool.class_names,
        labels=np.array(pool.class_names)[pool.labels_N[labeled]],
        center_probs_LMC=None if answers is None else answers.pool_NMC[labeled],
        columns={name: values[passed] for name, values in pool.tags.items()},
        labeled_columns={name: values[labeled] for name, values in pool.tags.items()},
        examples_ED=examples_ED,
    )
    started = time.perf_counter()
    proposal = propose(inputs)
    batch = proposal.batch
    seconds = time.perf_counter() - started
    return Chosen(left[batch], seconds, proposal.strategy, tuple(starved), _notes(proposal))


def _promised(
    starved: Mapping[str, float], counts: Mapping[str, int], n: int, random_arm: float
) -> dict[str, float]:
    """Give those of the starving classes that a batch of n has room for, the poorest first.

    Each needs a whole frame at least: of many classes a small batch cannot help all at once.
    """
    room = n - arm_size(random_arm, n)
    each = max((math.ceil(share * n) for share in starved.values()), default=1)
    poorest = sorted(starved, key=lambda name: counts[name])[: room // each]
    return {name: share for name, share in starved.items() if name in poorest}


def _notes(proposal: Proposal) -> tuple[str, ...]:
    fewer = proposal.why_fewer
    return (*proposal.notes, *((fewer,) if fewer else ()))


def _gates(pool: Pool, labeled: Numbers, left: Numbers) -> tuple[Texts, Texts]:
    """Let one frame of each duplicate cluster pass, none of those that have a label already."""
    labeled_N = np.zeros(len(pool), dtype=np.bool_)
    labeled_N[labeled] = True
    stands_N = representatives(
        pool.clusters_N,
        pool.frame_ids.tolist(),
        labeled_N=labeled_N,
        blocked_N=np.zeros(len(pool), dtype=np.bool_),
    )
    gates = np.where(stands_N[left] == left, "", DUPLICATE)
    return gates, pool.frame_ids[stands_N[left]]


def counts_of(pool: Pool, labeled: Numbers) -> Mapping[str, int]:
    """Give class → labels."""
    counts_C = np.bincount(pool.labels_N[labeled], minlength=len(pool.class_names))
    return dict(zip(pool.class_names, counts_C.tolist(), strict=True))

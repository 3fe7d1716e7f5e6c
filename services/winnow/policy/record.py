"""The record of every frame of a snapshot: in the batch or not, how, and why, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from winnow.acquisition.probabilities import by_blocks, mean_of_members
from winnow.estimation.inclusion import inclusion_of_choices
from winnow.policy.choice import Choice, Union
from winnow.policy.pool import Pool
from winnow.policy.proposal import Floats, Positions, SelectionInputs, Sizes, Strings
from winnow.policy.random_arm import RandomArm
from winnow.strategies.protocol import Strategy

ID_DIGITS = 8
"""Of a frame id in a reason: enough to find it on the same page."""


@dataclass(frozen=True, slots=True)
class Decision:
    """All steps' results, positions in the pool."""

    inputs: SelectionInputs
    gates: Strings
    pool: Pool
    sizes: Sizes
    strategy: Strategy
    arm: RandomArm
    choice: Choice
    union: Union


def spread(decision: Decision, values_N: Floats) -> Floats:
    """Give the pool's values at the snapshot's positions, NaN elsewhere."""
    values = np.full(len(decision.gates), np.nan)
    values[decision.pool.where] = values_N
    return values


def arms_of(decision: Decision) -> Strings:
    """Give `policy`, `random`, `both` or empty for each frame of the pool."""
    arms: Strings = np.zeros(len(decision.pool.where), dtype="<U6")
    arms[decision.arm.positions] = "random"
    for pick in decision.choice.picks[: decision.union.n_picks]:
        arms[pick.pos] = "both" if arms[pick.pos] else "policy"
    return arms


def inclusion_of(decision: Decision) -> Floats:
    """Give each pool frame's probability of being in the batch, over the round's random draws."""
    sizes, n_pool = decision.sizes, len(decision.pool.where)
    if decision.strategy.inclusion == "uniform":  # two uniform draws united are a uniform draw
        return np.full(n_pool, len(decision.union.order) / n_pool if n_pool else 0.0)
    inclusion = np.full(n_pool, sizes.n_random / n_pool if n_pool else 0.0)
    picked = [pick.pos for pick in decision.choice.picks]
    inclusion[picked] = inclusion_of_choices(
        n_choices=len(picked),
        n_population=n_pool,
        n_random=sizes.n_random,
        batch_size=sizes.n_frames,
    )
    return inclusion


def draws_of(decision: Decision) -> Floats:
    """Give the probability of the draw that brought a frame in; NaN where nothing was drawn."""
    draws = np.full(len(decision.pool.where), np.nan)
    for pick in decision.choice.picks[: decision.union.n_picks]:
        if pick.draw_probability is not None:
            draws[pick.pos] = pick.draw_probability
    draws[decision.arm.positions] = decision.arm.draw_probabilities
    return draws


def utilities_of(decision: Decision) -> Floats:
    """Give what the strategy maximised at the step that took the frame."""
    utilities = np.full(len(decision.pool.where), np.nan)
    for pick in decision.choice.picks[: decision.union.n_picks]:
        if pick.utility is not None:
            utilities[pick.pos] = pick.utility
    return utilities


def reasons_of(decision: Decision) -> tuple[str, ...]:
    """Give each snapshot frame's reason."""
    reasons = [
        _gate_reason(*row)
        for row in zip(
            decision.gates.tolist(),
            decision.inputs.gate_details.tolist(),
            decision.inputs.clusters.tolist(),
            strict=True,
        )
    ]
    for pos, where in enumerate(decision.pool.where.tolist()):
        why = decision.choice.passed_over.get(pos, "the committee gave no score")
        reasons[where] = f"not selected: {why}"
    where_N = decision.pool.where
    for place, pick in enumerate(decision.choice.picks):
        late = place >= decision.union.n_picks
        reasons[where_N[pick.pos]] = "not selected: the batch was full" if late else pick.reason
    _tell_random_arm(decision, reasons)
    return tuple(reasons)


def _tell_random_arm(decision: Decision, reasons: list[str]) -> None:
    where_N, n_pool = decision.pool.where, len(decision.pool.where)
    picks = decision.choice.picks[: decision.union.n_picks]
    also = {pick.pos: pick.reason for pick in picks}
    for pos in decision.arm.positions.tolist():
        drawn = f"random arm: one of {decision.sizes.n_random} drawn from {n_pool}"
        chosen = also.get(pos)
        reasons[where_N[pos]] = f"{drawn}; also chosen: {chosen}" if chosen else drawn


def _gate_reason(gate: str, detail: str, cluster: str) -> str:
    if gate == "duplicate":
        return f"gate: duplicate of {cluster[:ID_DIGITS]}…"
    return f"gate: {gate} ({detail})" if detail else f"gate: {gate}"


def components_of(decision: Decision) -> tuple[str, ...]:
    """Give each snapshot frame's acquisition scores as canonical JSON."""
    texts = ["{}"] * len(decision.gates)
    names = sorted(decision.pool.components)
    columns = [decision.pool.components[name].tolist() for name in names]
    where, scored = decision.pool.where.tolist(), decision.pool.scored.tolist()
    for pos, scores in enumerate(zip(*columns, strict=True)):
        if scored[pos]:
            row = dict(zip(names, scores, strict=True))
            texts[where[pos]] = json.dumps(row, separators=(",", ":"))
    return tuple(texts)


def pre_labels_of(decision: Decision) -> tuple[Positions, Floats]:
    """Give (class, mean probability) for each frame of the batch; (-1, NaN) where unscored.

    Equal classes go to the smaller position.
    """
    order = np.array(decision.union.order, dtype=np.intp)
    labels, scores = np.full(len(order), -1, dtype=np.intp), np.full(len(order), np.nan)
    probs_NMC, scored = decision.pool.probs_NMC, decision.pool.scored
    if probs_NMC is None:
        return labels, scores
    answered = scored[order]
    rows = (np.cumsum(scored) - 1)[order[answered]]
    batch = probs_NMC[rows]
    labels[answered] = by_blocks(batch, lambda p: mean_of_members(p).argmax(axis=1) * 1.0)
    scores[answered] = by_blocks(batch, lambda p: mean_of_members(p).max(axis=1))
    return labels, scores

"""The record of every frame of a snapshot: in the batch or not, how, and why, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from winnow.acquisition.probabilities import by_blocks, mean_of_members
from winnow.domain.errors import BadInput
from winnow.estimation.inclusion import inclusion_of_choices
from winnow.estimation.lure import lure_weights, united_weights
from winnow.policy.choice import Choice, Union
from winnow.policy.inputs import Flags, Floats, Micros, Positions, SelectionInputs, Sizes, Strings
from winnow.policy.pool import Pool
from winnow.policy.random_arm import RandomArm
from winnow.policy.switch import Switch
from winnow.strategies.protocol import Pick, Strategy

ID_DIGITS = 8
"""Of a frame id in a reason: enough to find it on the same page."""


@dataclass(frozen=True, slots=True)
class Decision:
    """All steps' results, positions in the pool."""

    inputs: SelectionInputs
    gates: Strings
    pool: Pool
    prices_N: Micros
    sizes: Sizes
    switch: Switch
    strategy: Strategy
    arm: RandomArm
    choice: Choice
    union: Union

    def used(self) -> list[Pick]:
        """Give the choices that came into the batch, in their order."""
        return [self.choice.picks[place] for place in sorted(self.union.used)]


def spread(decision: Decision, values_N: Floats) -> Floats:
    """Give the pool's values at the snapshot's positions, NaN elsewhere."""
    values = np.full(len(decision.gates), np.nan)
    values[decision.pool.where] = values_N
    return values


def arms_of(decision: Decision) -> Strings:
    """Give `policy`, `random`, `both` or empty for each frame of the pool."""
    arms: Strings = np.zeros(len(decision.pool.where), dtype="<U6")
    arms[decision.arm.positions] = "random"
    for pick in decision.used():
        arms[pick.pos] = "both" if arms[pick.pos] else "policy"
    return arms


def inclusion_of(decision: Decision) -> Floats:
    """Give each pool frame's probability of being in the batch, over the random arm's draws.

    Strategies that draw themselves are taken as they drew: arm and strategy draw independently, so
    that estimates which weight by this are unbiased given the choices, and so altogether (what a
    strategy's own draw was likely to bring is its draw probability). Only where the strategy is a
    uniform draw too, its draws count in. NaN where the prices of the drawn frames decide whether a
    choice comes in. A frame that was not chosen has the random arm's chance.
    """
    sizes, n_pool = decision.sizes, len(decision.pool.where)
    picked = [pick.pos for pick in decision.choice.picks]
    if _uniform(decision):
        return np.full(n_pool, len(decision.union.order) / n_pool if n_pool else 0.0)
    inclusion = np.full(n_pool, sizes.n_random / n_pool if n_pool else 0.0)
    if _money_decides(decision):
        inclusion[picked] = np.where(_paid_whatever_is_drawn(decision), 1.0, np.nan)
    else:
        inclusion[picked] = inclusion_of_choices(
            n_choices=len(picked),
            n_population=n_pool,
            n_random=sizes.n_random,
            batch_size=sizes.n_frames,
        )
    return inclusion


def lure_of(decision: Decision) -> Floats:
    """Give each frame's weight in the batch's unbiased mean over the pool, in rank order.

    See `united_weights`. NaN of all frames where it is not defined: choices that were not drawn,
    draws that constraints, floors or missing scores kept from some frame, prices that decide which
    choices come in.
    """
    sizes, order = decision.sizes, np.array(decision.union.order, dtype=np.intp)
    head = decision.choice.picks[: sizes.n_frames - sizes.n_random]
    undefined: Floats = np.full(len(order), np.nan)
    if _uniform(decision):
        return np.ones(len(order))
    if len(head) < sizes.n_frames - sizes.n_random:
        return undefined
    if not _paid_whatever_is_drawn(decision)[: len(head)].all():
        return undefined
    try:
        weights_M = lure_weights(
            [pick.draw_probability for pick in head],
            n_population=len(decision.pool.where),
            drawn_from=[pick.drawn_from for pick in head],
        )
    except BadInput:
        return undefined
    return united_weights(order, decision.arm.positions, [one.pos for one in head], weights_M)


def _uniform(decision: Decision) -> bool:
    """Tell whether strategy and random arm are two uniform draws: united, they are one.

    They are not where money could close a frame in some draw, even if it closed none in this one.
    """
    if decision.strategy.inclusion != "uniform" or not decision.choice.bounds.free:
        return False
    prices_N, sizes = np.sort(decision.prices_N), decision.sizes
    dearest = int(prices_N[len(prices_N) - sizes.n_frames :].sum())
    return dearest <= sizes.micros_max or bool(prices_N[0] == prices_N[-1])


def _money_decides(decision: Decision) -> bool:
    """Tell whether another draw of the random arm could leave too little for some choice."""
    prices_N, sizes = decision.prices_N, decision.sizes
    if not sizes.n_random or prices_N.min() == prices_N.max():
        return False
    chosen = prices_N[[pick.pos for pick in decision.choice.picks]]
    return sizes.arm_micros_max + int(chosen.sum()) > sizes.micros_max


def _paid_whatever_is_drawn(decision: Decision) -> Flags:
    prices_N, sizes = decision.prices_N, decision.sizes
    chosen = prices_N[[pick.pos for pick in decision.choice.picks]]
    paid: Flags = np.cumsum(chosen) + sizes.arm_micros_max <= sizes.micros_max
    paid &= np.arange(len(chosen)) < sizes.n_frames - sizes.n_random
    return paid


def draws_of(decision: Decision) -> Floats:
    """Give the probability of the draw that brought a frame in; NaN where nothing was drawn."""
    draws = np.full(len(decision.pool.where), np.nan)
    for pick in decision.used():
        if pick.draw_probability is not None:
            draws[pick.pos] = pick.draw_probability
    draws[decision.arm.positions] = decision.arm.draw_probabilities
    return draws


def utilities_of(decision: Decision) -> Floats:
    """Give what the strategy maximised at the step that took the frame."""
    utilities = np.full(len(decision.pool.where), np.nan)
    for pick in decision.used():
        if pick.utility is not None:
            utilities[pick.pos] = pick.utility
    return utilities


def reasons_of(decision: Decision) -> tuple[str, ...]:
    """Give each snapshot frame's reason."""
    reasons = np.full(len(decision.gates), "", dtype=np.object_)
    for pos in np.flatnonzero(decision.gates != "").tolist():
        reasons[pos] = _gate_reason(decision, pos)
    where_N = decision.pool.where
    for positions, text in decision.choice.why_not:
        reasons[where_N[positions]] = f"not selected: {text}"
    seen, texts = decision.choice.passed_over(decision.strategy)
    reasons[where_N[seen]] = [f"not selected: {text}" for text in texts]
    for place, pick in enumerate(decision.choice.picks):
        if place not in decision.union.used:
            reasons[where_N[pick.pos]] = _too_late(decision, pick)
    reasons[decision.pool.where[list(decision.union.order)]] = batch_reasons(decision)
    return tuple(reasons.tolist())


def _too_late(decision: Decision, pick: Pick) -> str:
    if len(decision.union.order) == decision.sizes.n_frames:
        return "not selected: the batch was full"
    price_micros = int(decision.prices_N[pick.pos])
    return f"not selected: costs {price_micros} micros, more than the random arm left"


def batch_reasons(decision: Decision) -> list[str]:
    """Give the reason of each frame of the batch, in rank order."""
    also = {pick.pos: pick.reason for pick in decision.used()}
    drawn = f"random arm: one of {decision.sizes.n_random} drawn from {len(decision.pool.where)}"
    n_random = len(decision.arm.positions)
    reasons = []
    for rank, pos in enumerate(decision.union.order):
        chosen = also.get(pos, "")
        in_arm = f"{drawn}; also chosen: {chosen}" if chosen else drawn
        reasons.append(in_arm if rank < n_random else chosen)
    return reasons


def _gate_reason(decision: Decision, pos: int) -> str:
    gate, detail = str(decision.gates[pos]), str(decision.inputs.gate_details[pos])
    if gate == "duplicate":
        return f"gate: duplicate of {str(decision.inputs.clusters[pos])[:ID_DIGITS]}…"
    return f"gate: {gate} ({detail})" if detail else f"gate: {gate}"


def components_of(decision: Decision) -> tuple[str, ...]:
    """Give each snapshot frame's score components as canonical JSON, without those it lacks."""
    texts = np.full(len(decision.gates), "{}", dtype=np.object_)
    names = sorted(decision.pool.components)
    if names:
        columns = [decision.pool.components[name] for name in names]
        there = [~np.isnan(column) for column in columns]
        whole = np.flatnonzero(np.logical_and.reduce(there))
        rows = zip(*(column[whole].tolist() for column in columns), strict=True)
        # What `json.dumps` would write, ten times faster: numbers are finite.
        form = "{" + ",".join(f"{_escaped(name)}:%r" for name in names) + "}"
        texts[decision.pool.where[whole]] = [form % row for row in rows]
        for pos in np.flatnonzero(np.logical_or.reduce(there) & ~np.logical_and.reduce(there)):
            row = {
                n: float(c[pos]) for n, c in zip(names, columns, strict=True) if c[pos] == c[pos]
            }
            texts[decision.pool.where[pos]] = json.dumps(row, separators=(",", ":"))
    return tuple(texts.tolist())


def _escaped(name: str) -> str:
    """Give a name as JSON that may stand in a `%` template."""
    return json.dumps(name).replace("%", "%%")


def pre_labels_of(decision: Decision) -> tuple[Positions, Floats]:
    """Give (class, mean probability) for each frame of the batch; (-1, NaN) where unscored.

    Equal classes go to the smaller position.
    """
    order = np.array(decision.union.order, dtype=np.intp)
    labels, scores = np.full(len(order), -1, dtype=np.intp), np.full(len(order), np.nan)
    probs_NMC, scored = decision.pool.probs_NMC, decision.pool.answered
    if probs_NMC is None:
        return labels, scores
    answered = scored[order]
    rows = (np.cumsum(scored) - 1)[order[answered]]
    batch = probs_NMC[rows]
    labels[answered] = by_blocks(batch, lambda p: mean_of_members(p).argmax(axis=1) * 1.0)
    scores[answered] = by_blocks(batch, lambda p: mean_of_members(p).max(axis=1))
    return labels, scores

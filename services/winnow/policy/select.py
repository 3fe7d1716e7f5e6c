"""From a pool snapshot to a proposed batch: gates → random arm → scores → strategy, constraints.

The order is fixed and each step leaves its trace on the record of every frame.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.policy import record
from winnow.policy.choice import choose, unite
from winnow.policy.pool import Pool
from winnow.policy.proposal import Proposal, SelectionInputs, Sizes
from winnow.policy.random_arm import arm_size, draw_random_arm
from winnow.strategies.protocol import Strategy
from winnow.strategies.registry import strategy_of

SELECTOR_VERSION: Final = "1"
"""Grows whenever the same inputs may give another batch."""
HELD: Final = "held"
"""Gate of a frame that another round took after this round's snapshot."""


def propose(inputs: SelectionInputs) -> Proposal:
    """Give the batch that a policy chooses, and why each frame is in it or not.

    Parameters
    ----------
    inputs
        Snapshot, scores, labeled frames, policy, seed and money; never written to.

    Returns
    -------
    Proposal
        With at most as many frames as the policy asks for; fewer if the gated pool or the money
        is smaller, maybe none. The random arm stands first, in the order of its draws, then the
        strategy's choices in theirs.

    Raises
    ------
    BadInput
        Arrays that do not fit together, probabilities or embeddings that are not finite.

    Notes
    -----
    The strategy chooses a whole batch as if there were no random arm; its head fills the batch
    behind the arm. So the sequence of choices does not depend on the draw, and every inclusion
    probability is known exactly (`inclusion_of_choices`). Costs what acquisition functions and
    strategy cost; memory is that of the inputs and of one record a frame.
    """
    gates = np.where(
        np.isin(inputs.frame_ids, np.array(inputs.held, dtype=np.str_)), HELD, inputs.gates
    )
    pool = Pool.of(inputs, gates)
    sizes = sizes_of(inputs, len(pool.where))
    arm = draw_random_arm(pool.candidates.frame_ids, sizes.n_random, seed=inputs.seed)
    strategy = strategy_for(inputs)
    choice = choose(pool, strategy, sizes, seed=inputs.seed)
    union = unite(arm, choice, sizes)
    return _proposal(
        record.Decision(inputs, gates, pool, sizes, strategy, arm, choice, union),
    )


def strategy_for(inputs: SelectionInputs) -> Strategy:
    """Give the policy's strategy: the cold-start one if there is no committee."""
    selection = inputs.policy.selection
    name = selection.strategy_name(cold=inputs.probs_NMC is None)
    options = {"shortlist_factor": selection.shortlist_factor}
    return strategy_of(name, options if name == "shortlist_k_center" else None)


def sizes_of(inputs: SelectionInputs, n_eligible: int) -> Sizes:
    """Give how many frames are asked for, there, and paid for."""
    policy = inputs.policy
    price_micros = policy.money.label_price_micros * policy.label.slots
    cap = policy.money.batch_micros_max
    micros_max = inputs.affordable_micros if cap is None else min(cap, inputs.affordable_micros)
    n_affordable = micros_max // price_micros if price_micros else n_eligible
    n_frames = min(policy.selection.batch_size, n_eligible, n_affordable)
    return Sizes(
        n_asked=policy.selection.batch_size,
        n_eligible=n_eligible,
        n_affordable=n_affordable,
        n_random=arm_size(policy.random_arm.share, n_frames),
        price_micros=price_micros,
        micros_max=micros_max,
    )


def _proposal(decision: record.Decision) -> Proposal:
    pool, n_frames = decision.pool, len(decision.gates)
    scores_N = pool.candidates.scores_N
    arms = np.zeros(n_frames, dtype="<U6")
    arms[pool.where] = record.arms_of(decision)
    pre_label, pre_label_score = record.pre_labels_of(decision)
    return Proposal(
        sizes=decision.sizes,
        acquisition=decision.inputs.policy.selection.acquisition if pool.components else "",
        strategy=decision.strategy.name,
        batch=pool.where[list(decision.union.order)],
        gates=decision.gates,
        scores=record.spread(
            decision, np.full(len(pool.where), np.nan) if scores_N is None else scores_N
        ),
        components=record.components_of(decision),
        arms=arms,
        utilities=record.spread(decision, record.utilities_of(decision)),
        reasons=record.reasons_of(decision),
        inclusion=record.spread(decision, record.inclusion_of(decision)),
        draw=record.spread(decision, record.draws_of(decision)),
        pre_label=pre_label.astype(np.int64),
        pre_label_score=pre_label_score,
    )

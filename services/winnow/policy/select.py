"""From a pool snapshot to a proposed batch: gates → random arm → scores → strategy, constraints.

The order is fixed and each step leaves its trace on the record of every frame.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from winnow.kernels.protocol import DistanceKernel
from winnow.policy.choice import choose, unite
from winnow.policy.inputs import SelectionInputs, Strings
from winnow.policy.pool import Pool
from winnow.policy.prices import prices_of, sizes_of
from winnow.policy.proposal import Proposal
from winnow.policy.random_arm import draw_random_arm
from winnow.policy.record import Decision
from winnow.policy.switch import switch_of

SELECTOR_VERSION: Final = "7"
"""Grows whenever the same inputs may give another batch."""
HELD: Final = "held"
"""Gate of a frame that another round took after this round's snapshot, or a duplicate of it."""


def propose(inputs: SelectionInputs, *, kernel: DistanceKernel | None = None) -> Proposal:
    """Give the batch that a policy chooses, and why each frame is in it or not.

    Parameters
    ----------
    inputs
        Snapshot, scores, labeled frames, policy, seed and money; never written to.
    kernel
        Backend that measures distances; none: the CPU. The proposal is the same from each.

    Returns
    -------
    Proposal
        With at most as many frames as the policy asks for; fewer if the gated pool, the money or
        the constraints allow no more, maybe none. The random arm stands first, in the order of
        its draws, then the strategy's choices in theirs.

    Raises
    ------
    BadInput
        Arrays that do not fit together, probabilities or embeddings that are not finite, a column
        that the policy needs and nobody gave.

    Notes
    -----
    The strategy chooses a whole batch as if there were no random arm; its head fills the batch
    behind the arm. So the sequence of choices does not depend on the draw, and every inclusion
    probability is known exactly (`inclusion_of_choices`), where frames cost the same; what is
    unknown otherwise is left open. Costs what acquisition functions and strategy cost; memory is
    that of the inputs and a few numbers a frame.
    """
    gates = _gates(inputs)
    pool = Pool.of(inputs, gates)
    policy = inputs.policy
    prices_N = prices_of(policy, pool.candidates)
    pool = replace(pool, candidates=replace(pool.candidates, price_micros_N=prices_N))
    sizes = sizes_of(
        policy,
        prices_N,
        n_asked=policy.selection.batch_size_first if inputs.n_asked is None else inputs.n_asked,
        affordable_micros=inputs.affordable_micros,
    )
    arm = draw_random_arm(pool.candidates.frame_ids, sizes.n_random, seed=inputs.seed)
    switch = switch_of(policy, inputs.standing)
    strategy = switch.strategy.strategy(kernel)
    choice = choose(pool, strategy, policy, sizes, seed=inputs.seed)
    union = unite(arm, choice, sizes, prices_N)
    return Proposal(
        Decision(inputs, gates, pool, prices_N, sizes, switch, strategy, arm, choice, union)
    )


def _gates(inputs: SelectionInputs) -> Strings:
    """Give the snapshot's gates, and that of frames which somebody took since."""
    if not inputs.held:
        return inputs.gates
    held = np.isin(inputs.frame_ids, np.array(inputs.held, dtype=np.str_))
    covered = np.isin(inputs.clusters, inputs.clusters[held]) & (inputs.gates == "")
    gates: Strings = np.where(covered, HELD, inputs.gates)
    return gates

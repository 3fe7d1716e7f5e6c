"""What a selection gives: a batch at once, and the record of every frame when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.policy import record
from winnow.policy.inputs import Floats, Micros, Positions, Sizes, Strings
from winnow.policy.random_arm import arm_size
from winnow.policy.record import Decision

NOTES_MAX: Final = 100


@dataclass(frozen=True)
class BatchRows:
    """The frames of a batch in rank order; NaN means "none"."""

    frame_ids: Strings
    arms: Strings
    scores: Floats
    utilities: Floats
    reasons: tuple[str, ...]
    inclusion: Floats
    draw: Floats
    price_micros: Micros


@dataclass(frozen=True)
class Proposal:
    """A proposed batch and its trace. NaN and -1 mean "none".

    Records of all F frames cost F texts; they are made when they are first asked for, so that a
    batch out of millions does not wait for them.
    """

    decision: Decision

    @property
    def sizes(self) -> Sizes:
        """Give how the size of the batch came about."""
        return self.decision.sizes

    @property
    def acquisition(self) -> str:
        """Give how the final score is composed, e.g. `bald`; empty if there is none."""
        scores = self.decision.pool.scores
        return "" if scores.scores_N is None else scores.how

    @property
    def weights(self) -> dict[str, float]:
        """Give score component → its weight in the final score; empty if it is not a sum."""
        return dict(self.decision.pool.scores.weights)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what the policy asks for and cannot be had, and which minimums are not met.

        The first ones, and how many there are more: a minimum of every session may be a million.
        """
        bounds, sizes = self.decision.choice.bounds, self.sizes
        notes = list(bounds.notes)
        n_shared = arm_size(self.decision.inputs.policy.random_arm.share, sizes.n_frames)
        if sizes.n_random < n_shared:
            notes.append(
                f"random arm: {sizes.n_random} frames and not {n_shared}, as its share of the "
                "money buys no more of these prices"
            )
        unmet = {name: why for floor in bounds.floors for name, why in floor.unmet.items()}
        notes += [f"minimum of {name}: {why}" for name, why in sorted(unmet.items())]
        n_more = len(notes) - NOTES_MAX
        return (*notes[:NOTES_MAX], *([f"{n_more:,} more of this kind"] if n_more > 0 else ()))

    @property
    def why_fewer(self) -> str:
        """Say why the batch has fewer frames than were asked for; empty if it has them all."""
        sizes, n_found = self.sizes, len(self.batch)
        if n_found >= sizes.n_asked:
            return ""
        if n_found == sizes.n_eligible:
            return f"the pool has only {sizes.n_eligible} frames"
        left_micros = sizes.micros_max - int(self.rows.price_micros.sum())
        if len(self.decision.union.used) < len(self.decision.choice.picks):
            return (
                f"{left_micros} micros are left beside the random arm, no other choice is as cheap"
            )
        others = np.delete(self.decision.prices_N, list(self.decision.union.order))
        if int(others.min()) > left_micros:
            return f"{left_micros} micros are left, no other frame costs so little"
        return "no other frame meets the constraints and conditions"

    @property
    def strategy(self) -> str:
        """Give the name of the strategy that chose."""
        return self.decision.strategy.name

    @property
    def because(self) -> str:
        """Say why it was this strategy's turn."""
        return self.decision.switch.because

    @cached_property
    def batch(self) -> Positions:
        """Give [B] positions in the snapshot's frames, in rank order."""
        return self.decision.pool.where[list(self.decision.union.order)]

    @property
    def gates(self) -> Strings:
        """Give [F] the gates, as in the snapshot, and `held`."""
        return self.decision.gates

    @cached_property
    def rows(self) -> BatchRows:
        """Give the batch; costs what its frames cost, not what the pool's do."""
        decision, order = self.decision, list(self.decision.union.order)
        scores_N = decision.pool.scores.scores_N
        return BatchRows(
            frame_ids=decision.pool.candidates.frame_ids[order],
            arms=record.arms_of(decision)[order],
            scores=np.full(len(order), np.nan) if scores_N is None else scores_N[order],
            utilities=record.utilities_of(decision)[order],
            reasons=tuple(record.batch_reasons(decision)),
            inclusion=record.inclusion_of(decision)[order],
            draw=record.draws_of(decision)[order],
            price_micros=decision.prices_N[order],
        )

    @cached_property
    def scores(self) -> Floats:
        """Give [F] the final acquisition scores."""
        scores_N = self.decision.pool.scores.scores_N
        n_pool = len(self.decision.pool.where)
        return self._spread(np.full(n_pool, np.nan) if scores_N is None else scores_N)

    @cached_property
    def components(self) -> tuple[str, ...]:
        """Give [F] canonical JSON: acquisition function → its score."""
        return record.components_of(self.decision)

    @cached_property
    def arms(self) -> Strings:
        """Give [F] policy, random, both or empty."""
        arms: Strings = np.zeros(len(self.gates), dtype="<U6")
        arms[self.decision.pool.where] = record.arms_of(self.decision)
        return arms

    @cached_property
    def utilities(self) -> Floats:
        """Give [F] what the strategy maximised when it took the frame."""
        return self._spread(record.utilities_of(self.decision))

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Give [F] why each frame is in the batch or not."""
        return record.reasons_of(self.decision)

    @cached_property
    def inclusion(self) -> Floats:
        """Give [F] the inclusion probabilities."""
        return self._spread(record.inclusion_of(self.decision))

    @cached_property
    def draw(self) -> Floats:
        """Give [F] the probability of the draw that brought a frame in."""
        return self._spread(record.draws_of(self.decision))

    @cached_property
    def lure(self) -> Floats:
        """Give [B] how much each frame of the batch weighs in an unbiased mean over the pool."""
        return record.lure_of(self.decision)

    @cached_property
    def price_micros(self) -> Micros:
        """Give [F] what each frame costs; frames behind a gate have the policy's price."""
        prices = np.full(len(self.gates), self.sizes.price_micros, dtype=np.int64)
        prices[self.decision.pool.where] = self.decision.prices_N
        return prices

    @cached_property
    def _pre_labels(self) -> tuple[Positions, Floats]:
        return record.pre_labels_of(self.decision)

    @property
    def pre_label(self) -> npt.NDArray[np.int64]:
        """Give [B] the class that the committee's mean prediction prefers."""
        return self._pre_labels[0].astype(np.int64)

    @property
    def pre_label_score(self) -> Floats:
        """Give [B] its mean probability."""
        return self._pre_labels[1]

    @cached_property
    def ranks(self) -> npt.NDArray[np.int64]:
        """Give [F] the place of each frame in the batch."""
        ranks = np.full(len(self.gates), -1, dtype=np.int64)
        ranks[self.batch] = np.arange(len(self.batch))
        return ranks

    def _spread(self, values_N: Floats) -> Floats:
        return record.spread(self.decision, values_N)

"""The strategy's own choice, and its union with the random arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from winnow.acquisition.detection import is_detection_score
from winnow.policy.committee import strategy_columns
from winnow.policy.constraining import Bounds, bounds_of
from winnow.policy.constraint_section import MODALITY
from winnow.policy.inputs import Flags, Micros, Positions, Sizes
from winnow.policy.model import Policy
from winnow.policy.needs import welcome_to
from winnow.policy.pool import Pool
from winnow.policy.random_arm import RandomArm
from winnow.policy.scores import Asked, asked_of
from winnow.strategies.protocol import Candidates, Floor, Pick, Strategy

NO_ANSWER: Final = "the committee gave no score"
NO_SCORE: Final = "a column that its score is made of is empty"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the strategy would take, as if there were no random arm."""

    picks: tuple[Pick, ...]
    """Positions are the pool's."""
    seen: Positions
    """Positions of the frames that the strategy saw."""
    why_not: tuple[tuple[Positions, str], ...]
    """Positions of frames that it did not see, and why."""
    candidates: Candidates
    """The frames that it saw."""
    bounds: Bounds
    n_asked: int

    def passed_over(self, strategy: Strategy) -> tuple[Positions, Sequence[str]]:
        """Say why each frame that was seen is not among the picks; costs texts of order N."""
        rows = np.searchsorted(self.seen, [pick.pos for pick in self.picks]).tolist()
        picks = [replace(pick, pos=row) for pick, row in zip(self.picks, rows, strict=True)]
        texts = list(strategy.passed_over(self.candidates, picks, self.n_asked))
        for constraint in reversed(self.bounds.constraints):
            for row, reason in constraint.reasons().items():
                texts[row] = reason
        return self.seen, texts


@dataclass(frozen=True, slots=True)
class Union:
    """A batch: the random arm, then as many choices as fill it."""

    order: tuple[int, ...]
    used: frozenset[int]
    """Places in the choice that came in, those that the arm had drawn too among them."""


class _InHead:
    """A floor that is kept within the part of the choice which is in whatever the arm draws."""

    def __init__(self, floor: Floor, n_random: int) -> None:
        self._floor, self._n_random = floor, n_random

    def lost(self, positions: Positions) -> None:
        """See `Floor.lost`."""
        self._floor.lost(positions)

    def took(self, pos: int) -> None:
        """See `Floor.took`."""
        self._floor.took(pos)

    def only(self, n_places: int) -> Flags | None:
        """See `Floor.only`."""
        left = n_places - self._n_random
        return self._floor.only(left) if left > 0 else None


def choose(pool: Pool, strategy: Strategy, policy: Policy, sizes: Sizes, *, seed: int) -> Choice:
    """Let the strategy choose a whole batch, independent of the random arm.

    It sees frames that the policy's conditions let through and that have what it needs: a strategy
    that needs scores sees those that have one.
    """
    asked = asked_of(policy.scores, pool.scores, len(pool.where))
    kept, why_not = _seen(pool, strategy, asked)
    candidates = pool.among(kept)
    modality_N = asked.column()
    if modality_N is not None:
        columns = {MODALITY: modality_N[kept], **candidates.columns}
        candidates = replace(candidates, columns=columns)
    prices_N = candidates.price_micros_N
    assert prices_N is not None
    bounds = bounds_of(policy.constraints, candidates, prices_N, sizes)
    n = min(sizes.n_frames, len(candidates))
    picks = strategy.choose(
        candidates,
        n,
        seed=seed,
        constraints=bounds.constraints,
        floors=[_InHead(floor, sizes.n_random) for floor in bounds.floors],
    )
    seen = np.flatnonzero(kept)
    return Choice(
        picks=tuple(_placed(pick, int(seen[pick.pos]), pool, asked) for pick in picks),
        seen=seen,
        why_not=why_not,
        candidates=candidates,
        bounds=replace(bounds, notes=(*asked.notes, *bounds.notes)),
        n_asked=n,
    )


def _seen(
    pool: Pool, strategy: Strategy, asked: Asked
) -> tuple[Flags, tuple[tuple[Positions, str], ...]]:
    """Give which frames may be chosen, and what the others lack."""
    asked_committee = any(is_detection_score(name) for name in pool.components)
    answer = NO_ANSWER if pool.probs_NMC is not None or asked_committee else NO_SCORE
    conditions = [(asked.kept_N, asked.why_not)]
    wanted = strategy.needs | welcome_to(strategy)
    if "probs" in strategy.needs or ("probs" in wanted and pool.probs_NMC is not None):
        conditions.append((pool.answered, NO_ANSWER))
    has_scores = pool.scores.scores_N is not None
    if "scores" in strategy.needs or ("scores" in wanted and has_scores):
        conditions.append((pool.scores.scored_N, answer))
    columns = pool.candidates.columns
    named = sorted(strategy_columns(strategy) & columns.keys())
    conditions += [
        (
            ~np.isnan(columns[name]),
            NO_ANSWER if is_detection_score(name) else f"column {name} is empty",
        )
        for name in named
        if columns[name].dtype.kind == "f"
    ]
    kept = np.ones(len(pool.where), dtype=np.bool_)
    why_not = []
    for there, text in conditions:
        lacking = np.flatnonzero(kept & ~there)
        why_not += [(lacking, text)] if len(lacking) else []
        kept &= there
    return kept, tuple(why_not)


def _placed(pick: Pick, pos: int, pool: Pool, asked: Asked) -> Pick:
    """Give a pick with its position in the pool, and what else there is to tell of it."""
    modalities, risk = asked.told(pos), pool.scores.told_risk(pos)
    told = [
        pick.reason,
        f"risk {risk}" if risk else "",
        f"label {modalities}" if modalities else "",
    ]
    return replace(pick, pos=pos, reason="; ".join(part for part in told if part))


def unite(arm: RandomArm, choice: Choice, sizes: Sizes, prices_N: Micros) -> Union:
    """Fill the batch behind the random arm; a frame in both fills nothing and costs nothing.

    A choice that the money left by the arm cannot pay is passed over for a cheaper one.
    """
    order = arm.positions.tolist()
    members = set(order)
    left_micros = sizes.micros_max - int(prices_N[arm.positions].sum())
    used: set[int] = set()
    for place, pick in enumerate(choice.picks):
        if len(members) == sizes.n_frames:
            break
        price_micros = int(prices_N[pick.pos])
        if pick.pos not in members:
            if price_micros > left_micros:
                continue
            members.add(pick.pos)
            order.append(pick.pos)
            left_micros -= price_micros
        used.add(place)
    return Union(tuple(order), frozenset(used))

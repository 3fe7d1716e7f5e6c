"""The strategy's own choice, and its union with the random arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from winnow.constraints.money import WithinMoney
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.policy.inputs import Flags, Micros, Positions, Sizes
from winnow.policy.pool import Pool
from winnow.policy.random_arm import RandomArm
from winnow.policy.traced import Traced
from winnow.strategies.protocol import Candidates, Floor, Pick, Strategy


@dataclass(frozen=True, slots=True)
class Choice:
    """What the strategy would take, as if there were no random arm."""

    picks: tuple[Pick, ...]
    """Positions are the pool's."""
    seen: Positions
    """Positions of the frames that the strategy saw."""
    candidates: Candidates
    """These frames."""
    constraints: tuple[Traced, ...]
    n_asked: int
    free: bool
    """Whether nothing but the money held the strategy back."""

    def passed_over(self, strategy: Strategy) -> tuple[Positions, Sequence[str]]:
        """Say why each frame that was seen is not among the picks; costs texts of order N."""
        rows = np.searchsorted(self.seen, [pick.pos for pick in self.picks]).tolist()
        picks = [replace(pick, pos=row) for pick, row in zip(self.picks, rows, strict=True)]
        texts = list(strategy.passed_over(self.candidates, picks, self.n_asked))
        for constraint in reversed(self.constraints):
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


def choose(pool: Pool, strategy: Strategy, sizes: Sizes, prices_N: Micros, *, seed: int) -> Choice:
    """Let the strategy choose a whole batch, independent of the random arm.

    A strategy that needs scores sees only frames that the committee answered about.
    """
    needs_scores = bool(strategy.needs & {"scores", "probs"})
    kept = pool.scored if needs_scores else np.ones(len(pool.where), dtype=np.bool_)
    candidates = pool.among(kept)
    constraints = [Traced(WithinMoney(prices_N[kept], sizes.micros_max))]
    if _has_duplicates(candidates):
        assert candidates.clusters_N is not None
        constraints.append(Traced(OnePerCluster(candidates.clusters_N)))
    floors: list[Floor] = []
    n = min(sizes.n_frames, len(candidates))
    picks = strategy.choose(
        candidates,
        n,
        seed=seed,
        constraints=constraints,
        floors=[_InHead(floor, sizes.n_random) for floor in floors],
    )
    seen = np.flatnonzero(kept)
    return Choice(
        picks=tuple(replace(pick, pos=int(seen[pick.pos])) for pick in picks),
        seen=seen,
        candidates=candidates,
        constraints=tuple(constraints),
        n_asked=n,
        free=len(constraints) == 1 and not floors,
    )


def _has_duplicates(candidates: Candidates) -> bool:
    clusters_N = candidates.clusters_N
    if clusters_N is None or np.array_equal(clusters_N, candidates.frame_ids):
        return False  # a snapshot lets one frame of a cluster pass and names the cluster after it
    return len(np.unique(clusters_N)) < len(clusters_N)


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

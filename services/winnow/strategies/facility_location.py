"""The frames that stand best for the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from winnow.kernels.alike import first_alike
from winnow.kernels.facility_location import FacilityLocation as Covering
from winnow.kernels.lazy_greedy import LazyGreedy
from winnow.kernels.similarity import Similarity, SimilarityKind
from winnow.strategies.feasible import Feasible
from winnow.strategies.fixed_sample import fixed_sample
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floor,
    Inclusion,
    Input,
    Pick,
    centers_of,
    check,
    embeddings_of,
)

STEP: Final = 41
"""Its own draws: which frames are to be stood for."""


@dataclass(frozen=True, slots=True)
class FacilityLocation:
    """Takes, again and again, the frame that most raises how well the pool is stood for.

    That is the sum, over the pool, of the similarity of each frame to the nearest labeled or
    chosen one: dense regions first, unlike k-center, which runs after outliers. Once every frame
    to be stood for is chosen, nothing adds anything and frame ids decide.

    Notes
    -----
    Monotone and submodular: the greedy batch is worth at least 1 - 1/e ≈ 0.632 of the best one
    without constraints (Nemhauser, Wolsey and Fisher 1978), at least 1/2 under a cap for each group
    (Fisher, Nemhauser and Wolsey 1978). Lazy evaluation changes no pick (Minoux 1978).

    At most `targets_max` frames are to be stood for, drawn by their ids alone if the pool is
    larger: the mean similarity is then off by some 1/√targets_max. Costs N·T·D multiply-adds
    to begin with, T·D for each later look at a frame; memory a few copies of T·D and some numbers
    a frame, never N·T.

    References
    ----------
    Wei, Iyer and Bilmes, "Submodularity in data subset selection and active learning", ICML 2015.
    Akcin et al., CoRL 2023 (1 / (1 + 0.01·d)).
    """

    similarity: Annotated[
        SimilarityKind,
        Field(
            description="`cosine`: (1 + cos)/2; `distance`: 1/(1 + scale·distance); `cauchy`: "
            "1/(1 + scale·distance²)."
        ),
    ] = "cosine"
    scale: Annotated[
        float, Field(gt=0.0, le=1e6, description="Of the last two: how fast similarity falls.")
    ] = 1.0
    targets_max: Annotated[
        int, Field(ge=1, description="Frames of the pool that are to be stood for.")
    ] = 10_000
    name: ClassVar[str] = "facility_location"
    needs: ClassVar[frozenset[Input]] = frozenset({"embeddings"})
    inclusion: ClassVar[Inclusion] = "certain"

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is by how much the sum of similarities grows."""
        rank_N = check(candidates, n, self.needs)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        if not n:
            return picks
        rows_ND = embeddings_of(candidates)
        targets = fixed_sample(candidates.frame_ids, rank_N, self.targets_max, step=STEP)
        covering = Covering(
            rows_ND,
            rows_ND[targets],
            known_LD=centers_of(candidates),
            similarity=Similarity(self.similarity, self.scale),
        )
        lazy = LazyGreedy(
            covering.bounds(),
            np.argsort(rank_N),
            covering.gains,
            upper=covering.upper,
            closer=covering.closer,
            alike=lambda: first_alike(rows_ND),
        )
        while len(picks) < n and (found := lazy.best(feasible.open_N, feasible.epoch)):
            pos, gain = found
            picks.append(Pick(pos, gain, self._reason(gain, len(targets))))
            feasible.take(pos)
            covering.take(pos)
            lazy.advance()
        return picks

    def _reason(self, gain: float, n_targets: int) -> str:
        return f"stands for {gain:.3g} more of {n_targets} frames"

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        last = picks[-1].utility if picks else None
        text = (
            "not among the first frames"
            if last is None
            else f"would stand for at most {last:.3g} more frames"
        )
        return [text] * len(candidates)

"""BADGE: diverse gradients of uncertain frames, drawn by D² sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.probabilities import blocks_of, mean_of_members
from winnow.kernels.d2_race import D2Race
from winnow.kernels.philox import exponentials_of
from winnow.kernels.protocol import DistanceKernel
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Floats,
    Floor,
    Inclusion,
    Input,
    Pick,
    Positions,
    Rows,
    check,
    embeddings_of,
    probs_of,
)

STEP: Final = 0xBAD6E << 32
"""Its own draws; each heat of the race takes the next number."""


class Residuals:
    """What the last layer's gradient multiplies the features with: one-hot(ŷ) - p̄, float32 [N, C].

    ŷ is the class that the committee's mean prediction p̄ prefers, equal ones to the smaller class.
    Rows are computed when they are read: probabilities of a large pool stay where they lie.

    Examples
    --------
    >>> Residuals(np.float32([[[0.7, 0.2, 0.1]]]))[0:1].round(2).tolist()
    [[0.30000001192092896, -0.20000000298023224, -0.10000000149011612]]
    """

    def __init__(self, probs_NMC: npt.NDArray[np.float32]) -> None:
        self._probs_NMC = probs_NMC

    @property
    def shape(self) -> tuple[int, ...]:
        """Give (N, C)."""
        return len(self._probs_NMC), self._probs_NMC.shape[2]

    def __getitem__(self, rows: slice | Positions) -> Rows:
        """Compute some rows."""
        probs_KC = mean_of_members(self._probs_NMC[rows].astype(np.float64))
        residual_KC = -probs_KC
        best_K = probs_KC.argmax(axis=1)
        residual_KC[np.arange(len(best_K)), best_K] += 1.0
        return residual_KC.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Badge:
    """Draws frames by D² sampling on the gradients that their likeliest label would cause.

    A frame's gradient embedding is the outer product of residual and features, (one-hot(ŷ) - p̄) ⊗
    h; its norm is a lower bound of the gradient's under any label. Far from all chosen gradients
    means uncertain and different at once. The outer product is never formed: distances factor into
    C + D numbers a frame.

    The first frame is the one with the largest gradient, as in the reference implementation; each
    further one is drawn with probability proportional to its squared distance to the nearest
    chosen gradient. Labeled frames do not count, as in the paper. Costs two passes over features
    and probabilities and a small part of N·(C + D) for each pick; memory beside the inputs is some
    60 bytes a frame.

    The probability of a draw would need the distances of all frames at that moment, which is what
    is saved here; it is not recorded, and LURE is not defined.

    References
    ----------
    Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds", ICLR
    2020, arXiv 1906.03671, algorithm 1 and proposition 1.
    """

    kernel: DistanceKernel | None = None
    name: ClassVar[str] = "badge"
    needs: ClassVar[frozenset[Input]] = frozenset({"probs", "embeddings"})
    inclusion: ClassVar[Inclusion] = "drawn"

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the distance to the nearest chosen gradient."""
        rank_N = check(candidates, n, self.needs)
        parts = Residuals(_checked_probs_of(candidates)), embeddings_of(candidates)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        if not n or not feasible.n_open:
            return picks

        def endurance(heat: int) -> Floats:
            return exponentials_of(candidates.frame_ids, seed=seed, step=STEP + heat)

        race = D2Race(parts, rank_N, endurance, kernel=self.kernel)
        while len(picks) < n and feasible.n_open:
            pos, squared = race.next(feasible.open_N, feasible.epoch)
            picks.append(_pick(pos, float(np.sqrt(squared)), first=not picks))
            feasible.take(pos)
            race.add(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        return ["not drawn: its gradient is small or like a chosen one"] * len(candidates)


def _pick(pos: int, distance_l2: float, *, first: bool) -> Pick:
    told = f"{distance_l2:.3g}"
    if first:
        return Pick(pos, distance_l2, f"largest gradient, norm {told}")
    return Pick(pos, distance_l2, f"gradient drawn {told} away from all chosen ones")


def _checked_probs_of(candidates: Candidates) -> npt.NDArray[np.float32]:
    """Give the committee's probabilities, every row looked at, or refuse."""
    probs_NMC = probs_of(candidates)
    for _ in blocks_of(probs_NMC):
        pass
    return probs_NMC

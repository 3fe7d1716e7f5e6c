"""The gated pool of a round: what may be chosen, with its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from winnow.acquisition.registry import acquisition_of
from winnow.policy.proposal import Flags, Floats, Positions, SelectionInputs, Strings
from winnow.strategies.protocol import Candidates


@dataclass(frozen=True, slots=True)
class Pool:
    """N frames that no gate blocks and nobody holds."""

    where: Positions
    """[N] Position of each in the snapshot."""
    candidates: Candidates
    """Scores are NaN where the committee did not answer."""
    scored: Flags
    components: dict[str, Floats]
    """Acquisition function → [N] its scores; empty without a committee."""
    probs_NMC: npt.NDArray[np.float32] | None
    """Of the scored ones."""

    @classmethod
    def of(cls, inputs: SelectionInputs, gates: Strings) -> Self:
        """Give the pool behind these gates; without held frames nothing large is copied."""
        passed = np.flatnonzero(inputs.gates == "")
        kept = gates[passed] == ""
        whole = bool(kept.all())
        where, scored = passed[kept], inputs.scored[kept]
        probs_NMC = inputs.probs_NMC
        if probs_NMC is not None and not whole:
            probs_NMC = probs_NMC[kept[inputs.scored]]
        components = _components(inputs.acquisitions, probs_NMC, scored)
        rows = inputs.embeddings_ND
        name = inputs.policy.selection.acquisition
        candidates = Candidates(
            frame_ids=inputs.frame_ids[where],
            scores_N=components.get(name),
            embeddings_ND=rows if rows is None or whole else rows[kept],
            centers_LD=inputs.centers_LD,
            clusters_N=inputs.clusters[where],
            tell_score=acquisition_of(name).told,
        )
        return cls(where, candidates, scored, components, probs_NMC)

    def among(self, positions: Positions) -> Candidates:
        """Give some of the candidates."""
        all_of_them = self.candidates
        if len(positions) == len(all_of_them):
            return all_of_them
        scores_N, rows_ND = all_of_them.scores_N, all_of_them.embeddings_ND
        clusters_N = all_of_them.clusters_N
        return Candidates(
            frame_ids=all_of_them.frame_ids[positions],
            scores_N=None if scores_N is None else scores_N[positions],
            embeddings_ND=None if rows_ND is None else rows_ND[positions],
            centers_LD=all_of_them.centers_LD,
            clusters_N=None if clusters_N is None else clusters_N[positions],
            tell_score=all_of_them.tell_score,
        )


def _components(
    names: tuple[str, ...], probs_NMC: npt.NDArray[np.float32] | None, scored: Flags
) -> dict[str, Floats]:
    if probs_NMC is None:
        return {}
    components: dict[str, Floats] = {}
    for name in names:
        components[name] = np.full(len(scored), np.nan)
        components[name][scored] = acquisition_of(name).score(probs_NMC)
    return components

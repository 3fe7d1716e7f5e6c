"""The gated pool of a round: what may be chosen, with its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from winnow.acquisition.registry import acquisition_of
from winnow.policy.inputs import Flags, Floats, Positions, SelectionInputs, Strings
from winnow.strategies.protocol import Candidates


@dataclass(frozen=True, slots=True)
class Pool:
    """N frames that no gate blocks and nobody holds."""

    where: Positions
    """[N] Position of each in the snapshot."""
    candidates: Candidates
    """Scores are NaN where the committee did not answer; probabilities are left out."""
    scored: Flags
    components: Mapping[str, Floats]
    """Acquisition function → [N] its scores; empty without a committee."""
    probs_NMC: npt.NDArray[np.float32] | None
    """Of the scored ones."""

    @classmethod
    def of(cls, inputs: SelectionInputs, gates: Strings) -> Self:
        """Give the pool behind these gates; without held frames nothing large is copied."""
        passed = np.flatnonzero(inputs.gates == "")
        kept = gates[passed] == ""
        where, scored = passed[kept], inputs.scored[kept]
        probs_NMC = inputs.probs_NMC
        if probs_NMC is not None and not kept.all():
            probs_NMC = probs_NMC[kept[inputs.scored]]
        name = inputs.policy.selection.acquisition
        names = tuple(dict.fromkeys((*inputs.acquisitions, name)))
        components = _components(names, probs_NMC, scored)
        candidates = Candidates(
            frame_ids=_at(inputs.frame_ids, passed),
            embeddings_ND=inputs.embeddings_ND,
            centers_LD=inputs.centers_LD,
            clusters_N=_at(inputs.clusters, passed),
            sessions_N=inputs.sessions,
            captured_us_N=inputs.captured_us,
            columns=inputs.columns,
            labels_L=_codes(inputs),
            center_probs_LMC=inputs.center_probs_LMC,
            tell_score=acquisition_of(name).told,
        )
        candidates = replace(some_of(candidates, kept), scores_N=components.get(name))
        return cls(where, candidates, scored, components, probs_NMC)

    def among(self, kept: Flags) -> Candidates:
        """Give some of the candidates; if all of them were scored, with their probabilities."""
        probs_NMC = self.probs_NMC
        if probs_NMC is not None:
            asked = kept[self.scored]
            whole = bool(self.scored[kept].all())
            probs_NMC = (probs_NMC if asked.all() else probs_NMC[asked]) if whole else None
        return replace(some_of(self.candidates, kept), probs_NMC=probs_NMC)


def some_of(candidates: Candidates, kept: Flags) -> Candidates:
    """Give the frames of a mask; all of them are given as they are, without a copy."""
    if kept.all():
        return candidates
    per_frame = [
        known.name
        for known in fields(candidates)
        if known.name == "frame_ids" or "_N" in known.name
    ]
    parts = {
        name: part[kept] for name in per_frame if (part := getattr(candidates, name)) is not None
    }
    columns = {name: column[kept] for name, column in candidates.columns.items()}
    return replace(candidates, **parts, columns=columns)


def _at(values: Strings, positions: Positions) -> Strings:
    return values if len(positions) == len(values) else values[positions]


def _codes(inputs: SelectionInputs) -> npt.NDArray[np.int64] | None:
    """Give the class of each label as its place among the class names, -1 for any other."""
    if inputs.labels is None:
        return None
    names = inputs.class_names or tuple(sorted(set(inputs.labels.tolist())))
    code_of = {name: code for code, name in enumerate(names)}
    return np.array([code_of.get(label, -1) for label in inputs.labels.tolist()], dtype=np.int64)


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

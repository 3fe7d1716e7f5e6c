"""The gated pool of a round: what may be chosen, with its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from winnow.constraints.quotas import predicted_classes
from winnow.policy.constraint_section import PREDICTED_CLASS
from winnow.policy.inputs import Flags, Floats, Positions, SelectionInputs, Strings
from winnow.policy.scores import Scores, scores_of
from winnow.strategies.protocol import Candidates


@dataclass(frozen=True, slots=True)
class Pool:
    """N frames that no gate blocks and nobody holds."""

    where: Positions
    """[N] Position of each in the snapshot."""
    candidates: Candidates
    """Without scores and probabilities, which not every frame may have."""
    answered: Flags
    """Whether the committee answered about the frame."""
    probs_NMC: npt.NDArray[np.float32] | None
    """Of the answered ones."""
    scores: Scores

    @classmethod
    def of(cls, inputs: SelectionInputs, gates: Strings) -> Self:
        """Give the pool behind these gates; without held frames nothing large is copied."""
        passed = np.flatnonzero(inputs.gates == "")
        kept = gates[passed] == ""
        where, answered = passed[kept], inputs.scored[kept]
        probs_NMC = inputs.probs_NMC
        if probs_NMC is not None and not kept.all():
            probs_NMC = probs_NMC[kept[inputs.scored]]
        centers_LD = _centers(inputs, kept)
        candidates = some_of(
            Candidates(
                frame_ids=_at(inputs.frame_ids, passed),
                embeddings_ND=inputs.embeddings_ND,
                centers_LD=centers_LD,
                clusters_N=_at(inputs.clusters, passed),
                sessions_N=inputs.sessions,
                captured_us_N=inputs.captured_us,
                columns=inputs.columns,
                labels_L=_codes(inputs),
                center_probs_LMC=_center_probs(inputs, centers_LD),
                labeled_columns=inputs.labeled_columns,
                examples_ED=inputs.examples_ED,
            ),
            kept,
        )
        scores = scores_of(inputs, replace(candidates, probs_NMC=probs_NMC), answered)
        if probs_NMC is not None and PREDICTED_CLASS in inputs.policy.constraints.columns():
            classes = _predicted(probs_NMC, answered, inputs.class_names)
            columns = {PREDICTED_CLASS: classes, **candidates.columns}
            candidates = replace(candidates, columns=columns)
        return cls(where, candidates, answered, probs_NMC, scores)

    @property
    def components(self) -> Mapping[str, Floats]:
        """Give score component → [N] its scores."""
        return self.scores.components

    def among(self, kept: Flags) -> Candidates:
        """Give some of the candidates, with scores and probabilities if all of them have any."""
        scores_N, probs_NMC = self.scores.scores_N, self.probs_NMC
        if scores_N is not None:
            scores_N = scores_N[kept] if self.scores.scored_N[kept].all() else None
        if probs_NMC is not None:
            asked = kept[self.answered]
            whole = bool(self.answered[kept].all())
            probs_NMC = (probs_NMC if asked.all() else probs_NMC[asked]) if whole else None
        return replace(
            some_of(self.candidates, kept),
            scores_N=scores_N,
            probs_NMC=probs_NMC,
            tell_score=self.scores.tell,
        )


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


def _centers(inputs: SelectionInputs, kept: Flags) -> npt.NDArray[np.float32] | None:
    """Give the embeddings of the labeled frames, and behind them those of held frames.

    Frames that were taken since the snapshot, and their duplicates, still have theirs in the pool.
    """
    rows_ND = inputs.embeddings_ND
    since_ND = None if rows_ND is None or kept.all() else rows_ND[~kept]
    there = [
        part
        for part in (inputs.centers_LD, inputs.held_centers_KD, since_ND)
        if part is not None and len(part)
    ]
    if not there:
        return inputs.centers_LD
    return np.concatenate(there) if len(there) > 1 else there[0]


def _center_probs(
    inputs: SelectionInputs, centers_LD: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.float32] | None:
    """Give the committee's answers about the centers; nobody asked it about held ones."""
    known_LMC = inputs.center_probs_LMC
    if known_LMC is None or centers_LD is None or inputs.centers_LD is None:
        return known_LMC
    n_held, n_classes = len(centers_LD) - len(inputs.centers_LD), known_LMC.shape[2]
    shape = (n_held, *known_LMC.shape[1:])
    return np.concatenate([known_LMC, np.full(shape, 1.0 / n_classes, known_LMC.dtype)])


def _at(values: Strings, positions: Positions) -> Strings:
    return values if len(positions) == len(values) else values[positions]


def _predicted(
    probs_NMC: npt.NDArray[np.float32], answered: Flags, class_names: tuple[str, ...]
) -> Strings:
    """Give the class that the committee prefers for each frame, empty where it did not answer."""
    names = class_names or tuple(str(code) for code in range(probs_NMC.shape[2]))
    texts: Strings = np.zeros(len(answered), dtype=np.array(names).dtype)
    texts[answered] = np.array(names, dtype=np.str_)[predicted_classes(probs_NMC)]
    return texts


def _codes(inputs: SelectionInputs) -> npt.NDArray[np.int64] | None:
    """Give the class of each label as its place among the class names, -1 for any other."""
    if inputs.labels is None:
        return None
    names = inputs.class_names or tuple(sorted(set(inputs.labels.tolist())))
    code_of = {name: code for code, name in enumerate(names)}
    return np.array([code_of.get(label, -1) for label in inputs.labels.tolist()], dtype=np.int64)

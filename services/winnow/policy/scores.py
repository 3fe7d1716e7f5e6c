"""What each frame of a pool is worth, as a policy composes it; who may be chosen at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from winnow.acquisition.cascade import Stage, cascade
from winnow.acquisition.detection import is_detection_score
from winnow.acquisition.information_density import information_density
from winnow.acquisition.normalised import largest_normalised, weighted_sum
from winnow.acquisition.registry import acquisition_of, score_of
from winnow.acquisition.triggers import Trigger
from winnow.domain.errors import BadInput
from winnow.kernels.philox import order_of
from winnow.policy.inputs import Flags, Floats, Positions, SelectionInputs, Strings
from winnow.policy.score_section import (
    SCORERS,
    CascadeSection,
    ScoresSection,
    TermSection,
    function_of,
)
from winnow.policy.selection_section import SelectionSection, names_asked
from winnow.strategies.protocol import Candidates
from winnow.strategies.weights import Weighted, weighted_scores

TARGETS_STEP: Final = 0x7047
"""Draws of the frames that stand for what the model is for."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of N frames; NaN where there is none."""

    scores_N: Floats | None
    """The final score; none if the policy's needs a committee and there is none."""
    scored_N: Flags
    """Whether every part of the final score is there."""
    components: Mapping[str, Floats]
    """Acquisition function or column → its scores."""
    weights: Mapping[str, float]
    """Component → its weight in the final score; empty if it is not a sum."""
    how: str
    """How the final score is composed, in words."""
    tell: Callable[[float], str]
    risk: Weighted | None = None
    """What circumstances changed, if the policy weights any."""

    def told_risk(self, pos: int) -> str:
        """Say what circumstances changed the score of a frame; empty if none did."""
        return "" if self.risk is None else self.risk.told(pos)


def scores_of(inputs: SelectionInputs, frames: Candidates, answered_N: Flags) -> Scores:
    """Compute every component and put them together.

    Parameters
    ----------
    frames
        Of the pool, with their embeddings and columns; `probs_NMC` of those that `answered_N`.

    Raises
    ------
    BadInput
        A column that is missing, holds texts or an infinity; probabilities that are none.
    """
    section, selection = inputs.policy.scores, inputs.policy.selection
    functions, columns = names_asked(section, selection)
    components: dict[str, Floats] = {}
    of_committee = {name for name in frames.columns if is_detection_score(name)}
    for name in sorted({n for n in columns if not is_detection_score(n)} | of_committee):
        components[name] = _numbers(frames, name)
    if frames.probs_NMC is not None:
        for name in sorted({*functions, *inputs.acquisitions} & SCORERS.keys()):
            components[name] = _answers(name, inputs, frames, answered_N)
    whole = _Whole(section, selection, components)
    if any(name not in components for name in whole.names):
        return Scores(None, answered_N, components, {}, "none: no committee", "score {:.3f}".format)
    scored_N: Flags = np.logical_and.reduce([~np.isnan(components[name]) for name in whole.names])
    scores_N = np.full(len(frames), np.nan)
    scores_N[scored_N] = whole.of(scored_N)
    scored_N &= ~np.isnan(scores_N)
    if section.density_beta:
        scores_N[scored_N] = _dense(scores_N[scored_N], frames, scored_N, section.density_beta)
    risk, told = inputs.policy.risk, whole.told
    if not risk.weights:
        return Scores(scores_N, scored_N, components, whole.weights, told, whole.tell)
    weights = [part.weight() for part in risk.weights]
    weighted = weighted_scores(replace(frames, scores_N=scores_N), weights, risk.mode)
    told = f"{told}, risk: {risk.mode} by {', '.join(sorted(risk.columns()))}"
    tell = "weighted score {:.3f}".format
    return Scores(weighted.scores_N, scored_N, components, whole.weights, told, tell, weighted)


def _numbers(frames: Candidates, name: str) -> Floats:
    column = frames.columns.get(name)
    if column is None or column.dtype.kind == "U":
        found = "none" if column is None else "texts"
        msg = f"scores: expected a column of numbers {name!r}, found {found}"
        raise BadInput(msg)
    numbers: Floats = column.astype(np.float64)
    if np.isinf(numbers).any():
        row = int(np.argmax(np.isinf(numbers)))
        msg = f"column {name}: expected finite numbers, frame {frames.frame_ids[row]} has another"
        raise BadInput(msg)
    return numbers


def _answers(name: str, inputs: SelectionInputs, frames: Candidates, answered_N: Flags) -> Floats:
    """Give one acquisition function's scores, NaN where the committee did not answer."""
    probs_NMC, rows_ND = frames.probs_NMC, frames.embeddings_ND
    assert probs_NMC is not None
    scores_N = np.full(len(frames), np.nan)
    if not answered_N.any():
        return scores_N
    needs = acquisition_of(name).needs
    if "embeddings" in needs and rows_ND is not None and not answered_N.all():
        rows_ND = rows_ND[answered_N]
    targets = None
    if "targets" in needs:
        ids = frames.frame_ids[answered_N]
        order = order_of(ids, seed=inputs.seed, step=TARGETS_STEP)
        targets = probs_NMC[order[: inputs.policy.scores.targets]]
    scores_N[answered_N] = score_of(name, probs_NMC, targets_TMC=targets, embeddings_ND=rows_ND)
    return scores_N


def _dense(scores: Floats, frames: Candidates, scored_N: Flags, beta: float) -> Floats:
    rows_ND = frames.embeddings_ND
    if rows_ND is None:
        msg = "scores.density_beta: expected embeddings, found none"
        raise BadInput(msg)
    # Density wants scores of at least 0, and a z-score may be below.
    lifted = scores - min(0.0, float(scores.min(initial=0.0)))
    rows_ND = rows_ND if scored_N.all() else rows_ND[scored_N]
    return information_density(lifted, rows_ND, beta=beta)


class _Whole:
    """The final score: which components it needs, and how they come together."""

    def __init__(
        self,
        section: ScoresSection,
        selection: SelectionSection,
        components: Mapping[str, Floats],
    ) -> None:
        self._section, self._components = section, components
        self._alone = "" if section.parts() else selection.acquisition
        names = [part.name for part in section.parts()] or [self._alone]
        if section.cascade is not None:
            names = names[:1]  # later stages are looked at only where the earlier ones are passed
        self.names = tuple(names)

    @property
    def weights(self) -> dict[str, float]:
        """Give the weight of each component; empty for a cascade."""
        if self._alone:
            return {self._alone: 1.0}
        return {term.name: term.weight for term in self._section.terms}

    @property
    def told(self) -> str:
        """Say how the score is composed."""
        section = self._section
        dense = f" x density^{section.density_beta:g}" if section.density_beta else ""
        if self._alone:
            return f"{self._alone}{dense}"
        if section.cascade is not None:
            stages = " -> ".join(stage.name for stage in section.cascade.stages)
            return f"cascade {stages}, {section.cascade.first} first{dense}"
        terms = " + ".join(f"{term.weight:g} {term.name}" for term in section.terms)
        how = terms if section.combine == "sum" else f"largest of {terms}"
        return f"{how} (each by {section.scale}){dense}"

    @property
    def tell(self) -> Callable[[float], str]:
        """Give what tells one score in words."""
        if self._alone and not self._section.density_beta:
            return function_of(self._alone).told
        return "composed score {:.3f}".format

    def of(self, scored_N: Flags) -> Floats:
        """Give the final scores of the frames that have all parts."""
        section = self._section
        parts = {name: self._components[name][scored_N] for name in self._components}
        if self._alone:
            return parts[self._alone]
        if section.cascade is not None:
            return _cascade(section.cascade, parts)
        return _summed(section, section.terms, parts)


def _summed(
    section: ScoresSection, terms: Sequence[TermSection], parts: Mapping[str, Floats]
) -> Floats:
    named = {term.name: parts[term.name] for term in terms}
    weights = {term.name: term.weight for term in terms}
    if section.combine == "sum":
        return weighted_sum(named, weights, how=section.scale)
    return largest_normalised(named, how=section.scale)


def _cascade(section: CascadeSection, parts: Mapping[str, Floats]) -> Floats:
    """Give a cascade's scores, NaN where the stage that counts has none."""
    n_frames = len(parts[section.stages[0].name])
    counting = np.full(n_frames, np.nan)
    passing: list[Flags] = []
    here: Positions = np.arange(n_frames)
    for stage in section.stages:
        on: Flags = np.zeros(n_frames, dtype=np.bool_)
        counting[here] = parts[stage.name][here]
        if stage.passes is not None and stage is not section.stages[-1]:
            on[here] = _holds(stage.passes, {name: part[here] for name, part in parts.items()})
        passing.append(on)
        here = np.flatnonzero(on)
    known = ~np.isnan(counting)
    stages = [
        Stage(f"{place} {stage.name}", parts[stage.name][known], on[known])
        for place, (stage, on) in enumerate(zip(section.stages, passing, strict=True))
    ]
    scores = np.full(n_frames, np.nan)
    scores[known] = cascade(stages, first=section.first).scores_N
    return scores


@dataclass(frozen=True, slots=True)
class Asked:
    """Who may be chosen, and for which modalities."""

    kept_N: Flags
    why_not: str
    """What the others miss."""
    modalities: tuple[str, ...] = ()
    asked_NK: Flags | None = None
    notes: tuple[str, ...] = ()
    """Conditions that nobody could ask."""

    def told(self, pos: int) -> str:
        """Give which modalities a frame asks for; empty without modality conditions."""
        if self.asked_NK is None:
            return ""
        names = [name for name, on in zip(self.modalities, self.asked_NK[pos], strict=True) if on]
        return ", ".join(names)

    def column(self) -> Strings | None:
        """Give [N] the modalities that each frame asks for, joined by `+`; none without any."""
        if self.asked_NK is None:
            return None
        patterns, code_N = np.unique(self.asked_NK, axis=0, return_inverse=True)
        names = np.array(self.modalities)
        joined = np.array(["+".join(names[on].tolist()) for on in patterns], dtype=np.str_)
        column: Strings = joined[code_N.ravel()]
        return column


def asked_of(section: ScoresSection, scores: Scores, n_frames: int) -> Asked:
    """Ask the conditions `only` and `modalities`.

    A frame that lacks a score fails a condition that cannot be answered without it. Before there
    is a committee, conditions that name its functions are not asked.

    Raises
    ------
    BadInput
        A condition names what is neither an acquisition function nor a column.
    """
    kept_N: Flags = np.ones(n_frames, dtype=np.bool_)
    why: list[str] = []
    named = {} if section.only is None else {"only": section.only}
    named |= {f"modalities.{name}": text for name, text in sorted(section.modalities.items())}
    asked = {name: text for name, text in named.items() if not _is_early(text, scores)}
    holds = {name: _holds(text, scores.components) for name, text in asked.items()}
    notes = tuple(
        f"scores.{name}: not asked, as no committee has answered"
        for name in named
        if name not in asked
    )
    if "only" in holds:
        kept_N &= holds.pop("only")
        why.append(f"scores.only does not hold: {section.only}")
    if not holds:
        return Asked(kept_N, "; ".join(why), notes=notes)
    asked_NK: Flags = np.stack(list(holds.values()), axis=1)
    why.append("no modality asks for a label")
    names = tuple(name.removeprefix("modalities.") for name in holds)
    return Asked(kept_N & asked_NK.any(axis=1), "; ".join(why), names, asked_NK, notes)


def _is_early(text: str, scores: Scores) -> bool:
    """Tell whether a condition needs a committee that has not answered."""
    missing = [name for name in Trigger.parse(text).names if name not in scores.components]
    return bool(missing) and all(name in SCORERS or is_detection_score(name) for name in missing)


def _holds(text: str, components: Mapping[str, Floats]) -> Flags:
    trigger = Trigger.parse(text)
    missing = [name for name in trigger.names if name not in components]
    if missing:
        msg = f"condition {text!r}: expected the scores {', '.join(missing)}, found no such ones"
        raise BadInput(msg)
    columns = {name: components[name] for name in trigger.names}
    lacks_KN = np.stack([np.isnan(column) for column in columns.values()])
    # Frames that lack the same scores are asked together: some conditions do without them.
    _, pattern_N = np.unique(lacks_KN, axis=1, return_inverse=True)
    holds: Flags = np.zeros(pattern_N.size, dtype=np.bool_)
    for pattern in range(int(pattern_N.max(initial=-1)) + 1):
        rows = np.flatnonzero(pattern_N.ravel() == pattern)
        some = {name: column[rows] for name, column in columns.items()}
        try:
            holds[rows] = trigger.mask(some)
        except BadInput:
            if not lacks_KN[:, rows[0]].any():
                raise
    return holds

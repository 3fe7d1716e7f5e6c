"""Two committees on the same frames, and whether the new one takes over."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.contracts.manifests import Manifest, Members
from winnow.policy.rollout_section import RolloutSection
from winnow.ports.committee import CommitteeAnswer

METRICS = {"classification": ("accuracy",), "detection": ("map50",)}
"""What each kind of committee is judged by on the holdout: the first that both have."""
BOX_SCORE_MIN = 0.5
"""Boxes below it are no objects to anybody."""
CHANCE_DEVIATIONS = 1.96
"""Standard errors that chance explains in 95 of 100 cases."""


class Measured(Manifest):
    """One committee on its holdout and, if it answered, on the probe frames."""

    committee_version: str
    metric: float | None
    """On the holdout; None: there was none, or (of the active one) another one."""
    mean_confidence: float | None = None
    """Mean top probability of the members' mean; of detection, mean score of the best box."""
    ms_per_frame: float | None = None
    """From the question to the answer, with the way there and back."""


class Probed(Manifest):
    """What a new committee answered, and the active one to the same frames."""

    committee_version: str
    endpoints: tuple[str, ...]
    members_answered: tuple[str, ...]
    n_frames: int
    metric_name: str
    n_holdout: int
    new: Measured
    active: Measured | None
    """None: there is none, or none that learned the same."""
    agreement: float | None
    """Share of the frames on which both prefer the same class (see the same classes)."""
    alone: str
    """Why the new one alone was asked about the probe frames; empty if both were."""


def preferred(answer: CommitteeAnswer) -> list[str]:
    """Give what a committee sees in each frame: its class, or the classes of its boxes."""
    if answer.probs_NMC is not None:
        return [str(c) for c in answer.probs_NMC.mean(axis=1).argmax(axis=1)]
    return [
        ",".join(sorted({name for name, score in _boxes(text) if score >= BOX_SCORE_MIN}))
        for text in answer.boxes
    ]


def mean_confidence(answer: CommitteeAnswer) -> float:
    """Give how sure a committee is on average, 0 to 1."""
    if answer.probs_NMC is not None:
        return float(answer.probs_NMC.mean(axis=1).max(axis=1).mean())
    best: npt.NDArray[np.float64] = np.array(
        [max((score for _, score in _boxes(text)), default=0.0) for text in answer.boxes]
    )
    return float(best.mean())


def agreement(one: CommitteeAnswer, other: CommitteeAnswer) -> float:
    """Give the share of the frames in which both see the same."""
    pairs = list(zip(preferred(one), preferred(other), strict=True))
    return sum(a == b for a, b in pairs) / len(pairs)


def metric_name_of(members: Members, other: Members | None) -> str:
    """Give the name of the holdout metric by which both are judged."""
    names = METRICS[members.label_kind]
    known = set(members.metrics) if other is None else set(members.metrics) & set(other.metrics)
    return next((name for name in names if name in known), names[0])


def regress(probed: Probed, section: RolloutSection) -> str:
    """Say why the active committee should go on serving; empty if the new one may take over."""
    new, active = probed.new, probed.active
    if active is None:
        return ""
    reasons = []
    if new.metric is not None and active.metric is not None:
        allowed = section.regress_max + chance(active.metric, new.metric, probed.n_holdout)
        if active.metric - new.metric > allowed:
            reasons.append(
                f"expected {probed.metric_name} of at least {active.metric - allowed:.3f} on the "
                f"holdout (active {active.metric:.3f}), found {new.metric:.3f}"
            )
    if probed.agreement is not None and probed.agreement < section.agreement_min:
        reasons.append(
            f"expected agreement on {section.agreement_min:.0%} of {probed.n_frames} probe "
            f"frames, found {probed.agreement:.0%}"
        )
    if new.ms_per_frame is not None and active.ms_per_frame is not None:
        ratio = new.ms_per_frame / max(active.ms_per_frame, 1e-6)
        if section.latency_ratio_max is not None and ratio > section.latency_ratio_max:
            reasons.append(
                f"expected at most {section.latency_ratio_max:g} times the active one's time per "
                f"frame ({active.ms_per_frame:.2f} ms), found {new.ms_per_frame:.2f} ms"
            )
    return "; ".join(reasons)


def not_compared(probed: Probed) -> list[str]:
    """Say what the decision could not rest on, and why; empty if nothing was missing."""
    active, missing = probed.active, []
    if active is None:
        return [probed.alone]
    if probed.new.metric is None or active.metric is None:
        missing.append(
            f"{probed.metric_name} on the holdout, which was not measured for both on the same "
            "frames"
        )
    if probed.alone:
        missing.append(f"agreement and time per frame, because {probed.alone}")
    return missing


def chance(one: float, other: float, n: int) -> float:
    """Give the difference of two shares that chance explains on n frames each.

    For mAP it is an approximation: its frames do not count alike.

    Examples
    --------
    >>> round(chance(0.8, 0.8, 200), 3)
    0.078
    """
    if n < 1:
        return 1.0
    variance = (one * (1 - one) + other * (1 - other)) / n
    return CHANCE_DEVIATIONS * math.sqrt(max(0.0, variance))


def markdown(probed: Probed, refusal: str) -> str:
    """Tell the decision and what it was made of, for people."""
    taken = f"**{probed.committee_version} takes over.**"
    kept = (
        f"**{probed.committee_version} is not taken:** {refusal}. The active committee serves on."
    )
    lines = [
        f"# Rollout of {probed.committee_version}",
        "",
        kept if refusal else taken,
        "",
        f"| on {probed.n_frames} probe frames | {probed.committee_version} | active |",
        "|---|---|---|",
        *_rows(probed),
        "",
        f"Members that answered: {', '.join(probed.members_answered)}. "
        f"Served at: {', '.join(probed.endpoints)}.",
    ]
    lines += [f"Not compared: {text}." for text in not_compared(probed)]
    return "\n".join(lines) + "\n"


def _rows(probed: Probed) -> Sequence[str]:
    new, active = probed.new, probed.active
    agreed = "" if probed.agreement is None else f"{probed.agreement:.1%}"
    return [
        f"| {probed.metric_name} on {probed.n_holdout} holdout frames | {_number(new.metric)} | "
        f"{_number(active.metric if active else None)} |",
        f"| mean confidence | {_number(new.mean_confidence)} | "
        f"{_number(active.mean_confidence if active else None)} |",
        f"| ms per frame | {_number(new.ms_per_frame, 2)} | "
        f"{_number(active.ms_per_frame if active else None, 2)} |",
        f"| agreement | {agreed} | |",
    ]


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _boxes(text: str) -> list[tuple[str, float]]:
    return [(str(box["class"]), float(box["score"])) for box in json.loads(text)]

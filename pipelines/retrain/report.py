"""What a run shows in the pipeline engine's pages: scalars, confusion, a report, a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Protocol

from retrain.evaluating import LEFT_OUT
from retrain.plots import precision_recall_plot, reliability_plot
from winnow.contracts.manifests import Evaluation, Members

WORDS = {
    "accuracy": "accuracy",
    "mean_recall": "mean recall of the classes",
    "rare_recall": "mean recall of the rare classes",
    "nll": "negative log-likelihood (nats)",
    "ece": "calibration error (ECE)",
    "map50": "mAP50",
    "map": "COCO mAP",
    "wmap50": "wMAP50 over object sizes",
    "rare_map50": "mAP50 of the rare classes",
    "n_objects": "objects in the holdout",
}
ERRORS = {
    "ece": "ECE",
    "ace": "adaptive ECE",
    "debiased_rms": "debiased root mean square",
    "classwise_ece": "classwise ECE",
    "brier": "Brier score",
    "map_ece": "map ECE",
}
"""Of `Evaluation.calibration`, in words."""
RELIABILITY = {"classification": "highest probability", "detection": "boxes"}
"""What the bins of each kind are of."""
NOTHING = "nothing"
"""Of detection the last row and column: no object there, no box there."""
STYLE = (
    "body{font:14px system-ui,sans-serif;margin:24px;max-width:960px;color:#1b1f24}"
    "table{border-collapse:collapse;margin:8px 0 24px}td,th{padding:4px 12px;text-align:right;"
    "border-bottom:1px solid #d8dee4}"
    "td:first-child,th:first-child,.words td:last-child,.words th:last-child{text-align:left}"
    "svg{margin-right:24px}p.note{background:#fff4d6;padding:6px 12px}small{color:#57606a}"
)


class Artifact(Protocol):
    """An output of a pipeline engine."""

    path: str
    """File that it reads."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The outputs of one run; types as kfp gives them, which nothing here imports."""

    metrics: Any
    """`dsl.Metrics`"""
    confusion: Any
    """`dsl.ClassificationMetrics`"""
    report: Artifact
    """`dsl.HTML`"""
    decision: Artifact
    """`dsl.Markdown`"""


def show(shown: Shown, members: Members, evaluation: Evaluation) -> None:
    """Fill the outputs."""
    errors = {name: error for name, (error, _) in evaluation.calibration.items()}
    for name, value in sorted({**errors, **evaluation.committee}.items()):
        shown.metrics.log_metric(name, round(value, 4))
    shown.metrics.log_metric("members", len(members.members))
    shown.metrics.log_metric("compute_seconds", sum(m.compute_ms for m in members.members) / 1000)
    if evaluation.confusion:
        matrix = [list(row) for row in evaluation.confusion]
        names = [*members.class_names, NOTHING][: len(matrix)]
        shown.confusion.log_confusion_matrix(names, matrix)
    Path(shown.report.path).write_text(html_report(members, evaluation), encoding="utf-8")
    Path(shown.decision.path).write_text(decision_note(members, evaluation), encoding="utf-8")


def decision_note(members: Members, evaluation: Evaluation) -> str:
    """Say in Markdown what became of the round's training, and what to look at."""
    asked = len(members.members) + sum(LEFT_OUT in note for note in evaluation.notes)
    lines = [
        f"# Round {evaluation.round_id}: {evaluation.committee_version} goes on to rollout",
        "",
        f"{len(members.members)} of {asked} members trained on "
        f"{sum(evaluation.n_training.values()):,} labels; measured on {evaluation.n_holdout:,} "
        f"holdout frames of {evaluation.n_sessions} sessions.",
        "",
    ]
    for name, value in evaluation.committee.items():
        interval = _interval(evaluation, name)
        told = f"**{_number(name, value)}**{f' ({interval})' if interval else ''}"
        lines.append(f"- {WORDS.get(name, name)}: {told}")
    if weakest := _weakest(evaluation):
        lines += ["", f"Weakest slice: {weakest}."]
    lines += ["", *(f"> {note}" for note in evaluation.notes)]
    return "\n".join(lines).rstrip() + "\n"


def html_report(members: Members, evaluation: Evaluation) -> str:
    """Give one self-contained page."""
    parts = [
        f"<h1>Round {escape(evaluation.round_id)}, committee "
        f"{escape(evaluation.committee_version)}</h1>",
        *(f'<p class="note">{escape(note)}</p>' for note in evaluation.notes),
        "<h2>On the holdout</h2>",
        f"<small>{evaluation.n_holdout:,} frames, {evaluation.n_sessions} sessions; intervals: "
        "95 %, whole sessions drawn with replacement</small>",
        _table(
            ("", "value", "95 % interval"),
            [
                (
                    WORDS.get(name, name),
                    _number(name, value),
                    _interval(evaluation, name),
                )
                for name, value in evaluation.committee.items()
            ],
        ),
        "<h2>Calibration</h2>",
        *_calibration(members, evaluation),
        "<h2>Classes</h2>",
        precision_recall_plot(evaluation.curves) if evaluation.curves else "",
        _by_name(evaluation.classes, first=("n",)),
        f"<small>Rare in training: {escape(', '.join(evaluation.rare_classes)) or 'none'}; "
        f"effective sample size {evaluation.effective_sample_size:,.0f}</small>",
        "<h2>Slices</h2>",
        _by_name(evaluation.slices, first=("n",)) if evaluation.slices else "<p>none</p>",
        "<h2>Members</h2>",
        _by_name(evaluation.members),
    ]
    title = f"<title>{escape(evaluation.committee_version)}</title>"
    head = f'<!doctype html><meta charset="utf-8">{title}<style>{STYLE}</style>'
    return head + "\n".join(parts)


def _calibration(members: Members, evaluation: Evaluation) -> list[str]:
    """Say how far what the committee says can be taken at its word, and what makes it so."""
    kind = evaluation.label_kind
    errors = [
        (_calibration_name(name), f"{error:.3f}", estimator)
        for name, (error, estimator) in evaluation.calibration.items()
    ]
    maps = members.class_names if kind == "detection" else ("all classes",)
    temperatures = [
        (one.name, *(f"{value:.3f}" for value in one.temperatures)) for one in members.members
    ]
    return [
        "<small>What was said with a confidence against how often it was right, after the members' "
        "temperatures; bars: 95 % (Wilson) if answers were independent</small><br>",
        reliability_plot(RELIABILITY[kind], evaluation.reliability),
        *(
            reliability_plot(f"map of {name}", bins)
            for name, bins in evaluation.map_reliability.items()
        ),
        _table(("", "error", "estimated from"), errors, words_last=True),
        "<small>Temperatures, fitted to labels kept out of training; above 1 a member was "
        "too sure of itself</small>",
        _table(("", *maps), temperatures),
    ]


def _calibration_name(name: str) -> str:
    known, _, of_class = name.partition(":")
    return f"{ERRORS[known]} of {of_class}" if of_class else ERRORS[known]


def _weakest(evaluation: Evaluation) -> str:
    name = "map50" if evaluation.label_kind == "detection" else "accuracy"
    found = {key: one[name] for key, one in evaluation.slices.items() if name in one}
    if not found or name not in evaluation.committee:
        return ""
    worst = min(found, key=lambda key: found[key])
    n = evaluation.slices[worst]["n"]
    return f"{worst} ({WORDS[name]} {found[worst]:.3f}, {n:,.0f} frames)"


def _number(name: str, value: float) -> str:
    return f"{value:,.0f}" if name == "n" or name.startswith("n_") else f"{value:.3f}"


def _interval(evaluation: Evaluation, name: str) -> str:
    if name not in evaluation.intervals:
        return ""
    low, high = evaluation.intervals[name]
    return f"{low:.3f} – {high:.3f}"


def _by_name(rows: Mapping[str, Mapping[str, float]], *, first: Sequence[str] = ()) -> str:
    names = dict.fromkeys([*first, *(name for row in rows.values() for name in row)])
    cells = [
        (key, *(_number(name, row[name]) if name in row else "" for name in names))
        for key, row in rows.items()
    ]
    return _table(("", *names), cells)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words_last: bool = False) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    kind = ' class="words"' if words_last else ""
    return f"<table{kind}><tr>{top}</tr>{body}</table>"

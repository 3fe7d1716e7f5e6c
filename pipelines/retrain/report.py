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
from winnow.tasks.evaluation import MAP_ERROR

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
COLUMNS = {
    "n": "n",
    "accuracy": "accuracy",
    "mean_recall": "mean recall",
    "rare_recall": "rare recall",
    "recall": "recall",
    "precision": "precision",
    "map50": "mAP50",
    "map": "COCO mAP",
    "wmap50": "wMAP50",
    "rare_map50": "rare mAP50",
    "ap50": "AP50",
    "ap": "COCO AP",
    "wap50": "wAP50",
    "nll": "NLL (nats)",
    "ece": "ECE",
    "train_loss": "training loss",
    "n_calibration": "labels kept out",
    "calibration_nll_before": "NLL of them",
    "calibration_nll_after": "NLL calibrated",
    "weight_norm": "length of weights",
}
"""Heads of columns, in their order; of others see `_column`."""
CLASSES_SHOWN = 12
"""Slices tell of each class, and plots show each class's map, up to so many classes."""
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
    "td{white-space:nowrap}.words td:last-child{white-space:normal}.wide{overflow-x:auto}"
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
        f"95 %, whole sessions drawn with replacement{_agreed(evaluation)}</small>",
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
        _by_name(evaluation.classes, evaluation),
        f"<small>Rare in training: {escape(', '.join(evaluation.rare_classes)) or 'none'}; "
        f"effective sample size {evaluation.effective_sample_size:,.0f}</small>",
        "<h2>Slices</h2>",
        _by_name(_shown_slices(evaluation)) if evaluation.slices else "<p>none</p>",
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
    of_maps = members.class_names if kind == "detection" else ("all classes",)
    temperatures = [
        (name, *(f"{one.temperatures[c]:.3f}" for one in members.members))
        for c, name in enumerate(of_maps)
    ]
    shown = _shown_maps(evaluation)
    n_maps = len(evaluation.map_reliability)
    which = f"maps: the {len(shown)} of {n_maps} with the largest errors; " * (len(shown) < n_maps)
    return [
        "<small>What was said with a confidence against how often it was right, after the members' "
        f"temperatures; {which}bars: 95 % (Wilson) if answers were independent</small><br>",
        reliability_plot(RELIABILITY[kind], evaluation.reliability),
        *(reliability_plot(f"map of {name}", evaluation.map_reliability[name]) for name in shown),
        _table(("", "error", "estimated from"), errors, words_last=True),
        "<small>Temperatures, fitted to labels kept out of training; above 1 a member was "
        "too sure of itself</small>",
        _table(("", *(one.name for one in members.members)), temperatures),
    ]


def _shown_maps(evaluation: Evaluation) -> list[str]:
    """Give the classes whose maps are drawn: of many those with the largest errors."""
    errors = evaluation.calibration
    by_error = sorted(
        evaluation.map_reliability,
        key=lambda name: errors.get(f"{MAP_ERROR}:{name}", (0.0, ""))[0],
        reverse=True,
    )
    return [name for name in evaluation.map_reliability if name in by_error[:CLASSES_SHOWN]]


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


def _agreed(evaluation: Evaluation) -> str:
    """Say what an interval without a width is, if there is one."""
    if all(low < high for low, high in evaluation.intervals.values()):
        return ""
    return "; where all sessions agree there is no spread to be drawn, which few may do by chance"


def _interval(evaluation: Evaluation, name: str) -> str:
    if name not in evaluation.intervals:
        return ""
    low, high = evaluation.intervals[name]
    return f"{low:.3f} – {high:.3f}"


def _shown_slices(evaluation: Evaluation) -> Mapping[str, Mapping[str, float]]:
    """Give the slices' measures; of many classes only those of all together."""
    if len(evaluation.classes) <= CLASSES_SHOWN:
        return evaluation.slices
    return {
        key: {name: value for name, value in one.items() if ":" not in name}
        for key, one in evaluation.slices.items()
    }


def _by_name(rows: Mapping[str, Mapping[str, float]], evaluation: Evaluation | None = None) -> str:
    """Give a table; of the classes of an evaluation also the intervals that it has."""
    places = {name: place for place, name in enumerate(COLUMNS)}
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    columns = []
    for name in sorted(names, key=lambda name: places.get(name, len(places))):
        columns.append((_column(name), [_cell(row, name) for row in rows.values()]))
        intervals = [_interval(evaluation, f"{name}:{key}") for key in rows] if evaluation else []
        if any(intervals):
            columns.append(("95 % interval", intervals))
    body = zip(rows, *(cells for _, cells in columns), strict=True)
    return _table(("", *(head for head, _ in columns)), list(body))


def _cell(row: Mapping[str, float], name: str) -> str:
    return _number(name, row[name]) if name in row else ""


def _column(name: str) -> str:
    measure, _, of_class = name.partition(":")
    size = measure.removeprefix("ap50_")
    word = COLUMNS.get(measure) or (f"AP50 {size}" if size != measure else measure)
    return f"{word} {of_class}".strip().replace("_px", " px").replace("_", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words_last: bool = False) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    kind = ' class="words"' if words_last else ""
    return f'<div class="wide"><table{kind}><tr>{top}</tr>{body}</table></div>'

"""How good a committee is on labeled frames that it never saw: both kinds, one shape of answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from winnow.calibration.calibration_errors import (
    ESTIMATORS,
    MAP_ESTIMATOR,
    calibration_report,
    map_cells,
)
from winnow.calibration.evaluation import evaluate, evaluate_by_class
from winnow.calibration.reliability import ReliabilityBin, calibration_error, reliability
from winnow.domain.errors import TrainingFailed
from winnow.estimation.session_bootstrap import session_intervals
from winnow.kernels.box_overlap import box_iou
from winnow.tasks.class_outputs import class_indices
from winnow.tasks.committee import LoadedMember
from winnow.tasks.detection_metrics import Matches, by_class, headline, match_boxes
from winnow.tasks.examples import Examples
from winnow.tasks.map_decoding import Boxes, boxes_text, decode
from winnow.tasks.map_outputs import centres, mean_maps
from winnow.tasks.task import Outputs

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Cells = tuple[npt.NDArray[np.floating], Bools]
"""What cells of a map said, and what held."""
Metrics = dict[str, float]

BLOCK_FRAMES = 64
"""Frames whose outputs of all members are in memory together."""
CONFUSED_SCORE_MIN = 0.3
"""Boxes that somebody would act on; below, each object has a dozen."""
BOX_SCORE_MIN = 0.05
"""Boxes below are not counted in the calibration error: nobody would look at them."""
ECE_ESTIMATORS = {
    "classification": ESTIMATORS["ece"],
    "detection": (
        "scores of boxes from 0.05, 15 bins of equal width, a box being right at overlap 0.5 "
        "(Küppers et al. 2020, confidence only)"
    ),
}
"""How `ece` of each kind is estimated."""
MAP_ERROR = "map_ece"
"""Of class *c* `map_ece:c`; the mean over classes has this name alone."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """What is known of N frames beside their labels."""

    sessions: Sequence[str]
    """What intervals are drawn over."""
    slices: Mapping[str, Bools]
    """Name → which frames; see `winnow.calibration.slices`."""
    rare: tuple[str, ...] = ()
    """Classes of which there are few labels to learn from."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Measures are 0 to 1 and left out where they are not defined.

    Classification: `accuracy`, `ece`, `nll` (nats), `mean_recall`, `rare_recall`; of a class `n`,
    `recall`, `precision`. Detection: `map50`, `map`, `wmap50`, `rare_map50`, `ece`, `n_objects`;
    of a class see `winnow.tasks.detection_metrics.by_class`.
    """

    committee: Metrics
    members: dict[str, Metrics]
    classes: dict[str, Metrics]
    intervals: dict[str, tuple[float, float]]
    """95 % of the committee's measures, drawn over sessions; `recall:CLASS`, `ap50:CLASS` too."""
    slices: dict[str, Metrics]
    """The same names, and `n` frames."""
    calibration: dict[str, tuple[float, str]]
    """Every calibration error of the committee, and how it was estimated, in words. `ece` and, of
    classification, those of `winnow.calibration.calibration_errors`; of detection `map_ece:CLASS`
    and their mean `map_ece`."""
    bins: tuple[ReliabilityBin, ...]
    """Behind `ece`."""
    confusion: tuple[tuple[int, ...], ...]
    """Frames (of detection: objects) of class *i* that were taken for class *j*; of detection the
    last row and column stand for nothing there, see `confused_boxes`."""
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Of detection: class → precision at recalls 0, 0.01 … 1, overlap 0.5."""
    map_bins: dict[str, tuple[ReliabilityBin, ...]] = field(default_factory=dict)
    """Of detection: class → bins behind `map_ece:CLASS`."""
    probs_NMC: npt.NDArray[np.float32] | None = None
    """Of classification: what the members said."""
    boxes: tuple[str, ...] = ()
    """Of detection: what the members said together, as `winnow.ports.committee` tells boxes."""


class UnsoundMembers(TrainingFailed):
    """Members fail or say what is no answer; of the others nothing is known yet."""

    def __init__(self, names: Sequence[str], *, frames: range) -> None:
        super().__init__(
            f"expected sound answers about the holdout, found none of {', '.join(names)} about "
            f"frames {frames.start} to {frames.stop - 1}"
        )
        self.names = tuple(names)


def evaluate_committee(
    members: Sequence[LoadedMember],
    examples: Examples,
    grouping: Grouping,
    *,
    class_names: Sequence[str],
    rng: np.random.Generator,
) -> Evaluated:
    """Let the members answer labeled frames, and measure each and all together.

    Parameters
    ----------
    members
        At least one, all of one kind; the committee says what their mean says.
    rng
        Draws the sessions of the intervals.

    Raises
    ------
    UnsoundMembers
        Some members do not answer: measure without them, or stop.

    Notes
    -----
    One pass over the frames; memory for 64 frames' outputs of all members.
    """
    if members[0].task.kind == "detection":
        return _detection(members, examples, grouping, class_names=class_names, rng=rng)
    return _classification(members, examples, grouping, class_names=class_names, rng=rng)


def _answers(members: Sequence[LoadedMember], examples: Examples, start: int) -> list[Outputs]:
    block = examples.pixels[start : start + BLOCK_FRAMES]
    answers = {member.name: member.answer(block) for member in members}
    if unsound := [name for name, answer in answers.items() if answer is None]:
        raise UnsoundMembers(unsound, frames=range(start, start + len(block)))
    return [answer for answer in answers.values() if answer is not None]


def _classification(
    members: Sequence[LoadedMember],
    examples: Examples,
    grouping: Grouping,
    *,
    class_names: Sequence[str],
    rng: np.random.Generator,
) -> Evaluated:
    starts = range(0, max(1, len(examples)), BLOCK_FRAMES)
    blocks = [np.stack(_answers(members, examples, start), axis=1) for start in starts]
    probs_NMC = np.concatenate(blocks)
    probs_NC = probs_NMC.astype(np.float64).mean(axis=1)
    labels_N = class_indices(examples)
    measure = partial(_recalls, probs_NC, labels_N, tuple(class_names), grouping.rare)
    everything = np.ones(len(examples))
    confidence_N, hits_N = probs_NC.max(axis=1), probs_NC.argmax(axis=1) == labels_N
    confusion_CC = np.zeros((len(class_names), len(class_names)), dtype=np.int64)
    np.add.at(confusion_CC, (labels_N, probs_NC.argmax(axis=1)), 1)
    shown = _named(measure(everything), ("mean_recall", "rare_recall"))
    return Evaluated(
        committee=evaluate(probs_NC, labels_N) | shown,
        members={
            member.name: evaluate(probs_NMC[:, m], labels_N) for m, member in enumerate(members)
        },
        classes=evaluate_by_class(probs_NC, labels_N, class_names),
        intervals=session_intervals(measure, grouping.sessions, rng=rng),
        slices=_sliced(measure, grouping.slices),
        calibration={
            name: (error, ESTIMATORS[name])
            for name, error in calibration_report(probs_NC, labels_N).items()
            if not np.isnan(error)
        },
        bins=reliability(confidence_N, hits_N),
        confusion=tuple(map(tuple, confusion_CC.tolist())),
        probs_NMC=probs_NMC,
    )


def _recalls(
    probs_NC: Floats,
    labels_N: npt.NDArray[np.int64],
    class_names: tuple[str, ...],
    rare: tuple[str, ...],
    weights_N: Floats,
) -> Metrics:
    n_classes = len(class_names)
    hits_N = weights_N * (probs_NC.argmax(axis=1) == labels_N)
    counts_C = np.bincount(labels_N, weights=weights_N, minlength=n_classes)
    right_C = np.bincount(labels_N, weights=hits_N, minlength=n_classes)
    recall_C = np.where(counts_C > 0, right_C / np.maximum(counts_C, 1e-12), np.nan)
    total = float(weights_N.sum())
    return {
        "accuracy": float(hits_N.sum() / total) if total else float("nan"),
        "mean_recall": _mean(recall_C),
        "rare_recall": _mean(recall_C[[name in rare for name in class_names]]),
        **{f"recall:{name}": float(recall_C[c]) for c, name in enumerate(class_names)},
    }


def _detection(
    members: Sequence[LoadedMember],
    examples: Examples,
    grouping: Grouping,
    *,
    class_names: Sequence[str],
    rng: np.random.Generator,
) -> Evaluated:
    together: list[Boxes] = []
    alone: list[list[Boxes]] = [[] for _ in members]
    n_classes = len(class_names)
    cells: list[list[Cells]] = [[] for _ in class_names]
    for start in range(0, len(examples), BLOCK_FRAMES):
        answers = _answers(members, examples, start)
        maps, fields = mean_maps(answers)
        together += decode(maps, fields)
        block = examples.take(range(start, start + len(maps)))
        truth = centres(block, n_classes=n_classes, shape=maps.shape[2:])
        for of_class, found in zip(cells, map_cells(maps, *truth), strict=True):
            of_class.append(found)
        for boxes, answer in zip(alone, answers, strict=True):
            boxes += decode(*mean_maps([answer]))
    matches = match_boxes(examples, together, n_classes=n_classes)
    of_members = [
        headline(match_boxes(examples, one, n_classes=n_classes, size_edges=())) for one in alone
    ]
    measure = partial(_precisions, matches, tuple(class_names), grouping.rare)
    scores, hits = matches.boxes()
    counted = scores >= BOX_SCORE_MIN
    bins, map_bins = reliability(scores[counted], hits[counted]), _map_bins(cells, class_names)
    ece = calibration_error(bins)
    map_errors = {name: calibration_error(one) for name, one in map_bins.items()}
    names = ("map50", "map", "wmap50", "rare_map50")
    shown = {**measure(np.ones(len(examples))), "ece": ece}
    return Evaluated(
        committee=_named(shown, (*names, "ece")) | {"n_objects": float(len(examples.values))},
        members={
            member.name: _named(metrics, ("map50", "map"))
            for member, metrics in zip(members, of_members, strict=True)
        },
        classes=by_class(matches, class_names),
        intervals=session_intervals(measure, grouping.sessions, rng=rng),
        slices=_sliced(measure, grouping.slices),
        calibration=_told(ece, map_errors),
        bins=bins,
        map_bins=map_bins,
        confusion=confused_boxes(examples, together, n_classes=n_classes),
        curves={
            name: tuple(matches.curve(c).round(4).tolist())
            for c, name in enumerate(class_names)
            if matches.matched[c][0].objects_N.any()
        },
        boxes=tuple(
            boxes_text(one, size=(width, height), class_names=class_names)
            for one, (width, height) in zip(together, examples.sizes_N2.tolist(), strict=True)
        ),
    )


def _map_bins(
    cells: Sequence[Sequence[Cells]], class_names: Sequence[str]
) -> dict[str, tuple[ReliabilityBin, ...]]:
    return {
        name: reliability(
            np.concatenate([said for said, _ in blocks]),
            np.concatenate([hits for _, hits in blocks]),
        )
        for name, blocks in zip(class_names, cells, strict=True)
        if blocks
    }


def _told(ece: float, map_errors: Mapping[str, float]) -> dict[str, tuple[float, str]]:
    told = {"ece": (ece, ECE_ESTIMATORS["detection"])}
    told[MAP_ERROR] = (_mean(np.array(list(map_errors.values()))), f"{MAP_ESTIMATOR}, mean")
    told |= {f"{MAP_ERROR}:{name}": (one, MAP_ESTIMATOR) for name, one in map_errors.items()}
    return {name: one for name, one in told.items() if not np.isnan(one[0])}


def confused_boxes(
    examples: Examples, found: Sequence[Boxes], *, n_classes: int
) -> tuple[tuple[int, ...], ...]:
    """Give which class objects were taken for, [C + 1, C + 1].

    The best box first, each takes the object that it overlaps most, at least by half, whatever its
    class. Boxes from `CONFUSED_SCORE_MIN` count. Last column: objects without a box; last row:
    boxes without an object.
    """
    counts = np.zeros((n_classes + 1, n_classes + 1), dtype=np.int64)
    for pos, boxes in enumerate(found):
        truth = examples.of(pos)
        overlaps = box_iou(boxes.boxes_K4, truth[:, 1:])
        taken = np.zeros(len(truth), dtype=np.bool_)
        for row in np.flatnonzero(boxes.scores_K >= CONFUSED_SCORE_MIN).tolist():
            free = np.where(taken, 0.0, overlaps[row])
            hit = bool(len(free)) and bool(free.max() >= 0.5)
            true_class = int(truth[free.argmax(), 0]) if hit else n_classes
            counts[true_class, boxes.classes_K[row]] += 1
            if hit:
                taken[free.argmax()] = True
        np.add.at(counts, (truth[~taken, 0].astype(np.int64), n_classes), 1)
    return tuple(tuple(row) for row in counts.tolist())


def _precisions(
    matches: Matches, class_names: tuple[str, ...], rare: tuple[str, ...], weights_N: Floats
) -> Metrics:
    ap_TCS = matches.average_precision(weights_N)
    classes = by_class(matches, class_names, weights_N, ap_TCS=ap_TCS)
    ap50 = {name: one.get("ap50", float("nan")) for name, one in classes.items()}
    return {
        **headline(matches, weights_N, ap_TCS=ap_TCS),
        "rare_map50": _mean(np.array([ap50[name] for name in rare if name in ap50])),
        **{f"ap50:{name}": value for name, value in ap50.items()},
    }


def _sliced(measure: partial[Metrics], slices: Mapping[str, Bools]) -> dict[str, Metrics]:
    report = {}
    for name, rows in slices.items():
        found = measure(rows.astype(np.float64))
        report[name] = {"n": float(rows.sum()), **_named(found, tuple(found))}
    return report


def _named(metrics: Mapping[str, float], names: Sequence[str]) -> Metrics:
    return {name: metrics[name] for name in names if not np.isnan(metrics[name])}


def _mean(values: Floats) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")

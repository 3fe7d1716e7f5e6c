"""How good boxes are: COCO's average precision, by class, size of object and part of the frames.

Boxes are matched to objects by pycocotools; what follows (precision at recalls, averages, weights
of frames) is ours, so that a bootstrap or a slice costs no new matching. With equal weights it
equals pycocotools.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from winnow.tasks.examples import Examples
from winnow.tasks.map_decoding import Boxes

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

OVERLAPS: Final = np.linspace(0.5, 0.95, 10)
"""Intersections over union from which a box is right; the first gives "mAP50"."""
RECALLS: Final = np.linspace(0.0, 1.0, 101)
SIZE_EDGES: Final = (16.0, 32.0, 96.0)
"""Pixels of the frame as stored: COCO's small, medium and large, and small ones cut at 16."""
ALL: Final = 0
"""Place of objects of any size among the size bins; those of the edges follow."""


@dataclass(frozen=True, slots=True)
class _Matched:
    """One class and size bin: its boxes, best first, and its objects."""

    frames_D: npt.NDArray[np.intp]
    scores_D: Floats
    hits_TD: Bools
    """Whether the box is right, at each of `OVERLAPS`."""
    ignored_TD: Bools
    """Neither right nor wrong: it lies on an object of another size, or is itself of another."""
    objects_N: npt.NDArray[np.int64]
    """Objects in each frame."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Boxes of N frames against their objects; T overlaps, C classes, S size bins (all first)."""

    n_frames: int
    size_edges: tuple[float, ...]
    matched: tuple[tuple[_Matched, ...], ...]
    """[C][S]"""

    def objects(self, weights_N: Floats | None = None) -> Floats:
        """Give how many objects there are, [C, S]; a frame counts as often as its weight says."""
        weights = self._weights(weights_N)
        return np.array([[float(one.objects_N @ weights) for one in row] for row in self.matched])

    def average_precision(self, weights_N: Floats | None = None) -> Floats:
        """Give COCO's average precision, [T, C, S]: mean precision at 101 recalls.

        Parameters
        ----------
        weights_N
            How often each frame counts: 0 leaves it out, 2 has it twice; none: all once.

        Returns
        -------
        numpy.ndarray
            0 to 1; NaN where there is no object.

        Notes
        -----
        O(T x boxes).

        References
        ----------
        Lin et al.: Microsoft COCO, ECCV 2014; `COCOeval.accumulate` of pycocotools.
        """
        weights = self._weights(weights_N)
        found = [[_precisions(one, weights).mean(axis=1) for one in row] for row in self.matched]
        average_CST: Floats = np.array(found)
        return average_CST.transpose(2, 0, 1)

    def curve(self, class_pos: int) -> Floats:
        """Give precision at `RECALLS` of one class at overlap 0.5, objects of any size, [101]."""
        precisions: Floats = _precisions(self.matched[class_pos][ALL], np.ones(self.n_frames))[0]
        return precisions

    def boxes(self) -> tuple[Floats, Bools]:
        """Give the score of each box and whether it is right at overlap 0.5: how sure to be."""
        rows = [row[ALL] for row in self.matched]
        scores = np.concatenate([one.scores_D for one in rows] or [np.empty(0)])
        return scores, np.concatenate([one.hits_TD[0] for one in rows] or [np.empty(0, bool)])

    def _weights(self, weights_N: Floats | None) -> Floats:
        return np.ones(self.n_frames) if weights_N is None else weights_N


def match_boxes(
    examples: Examples,
    found: Sequence[Boxes],
    *,
    n_classes: int,
    size_edges: Sequence[float] = SIZE_EDGES,
) -> Matches:
    """Match each frame's boxes to its objects, the best box first, as COCO's evaluation does.

    Parameters
    ----------
    found
        Boxes of each frame; the best 100 of a class count.
    size_edges
        Bounds of the size bins, ascending: pixels of the frame as stored, of the root of the
        box's area. k edges make k + 1 bins, half-open: an object belongs to exactly one.

    Notes
    -----
    Python loops inside pycocotools: about a millisecond a frame, class and size bin.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    edges = [0.0, *size_edges, 1e5]
    ranges = [[0.0, 1e10]]
    ranges += [[low**2, np.nextafter(high**2, 0)] for low, high in pairwise(edges)]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        truth, said = COCO(), COCO()
        truth.dataset, said.dataset = _documents(examples, found, n_classes)
        truth.createIndex()
        said.createIndex()
        evaluation = COCOeval(truth, said, "bbox")
        evaluation.params.iouThrs, evaluation.params.recThrs = OVERLAPS, RECALLS
        evaluation.params.areaRng = ranges
        evaluation.params.areaRngLbl = [str(pos) for pos in range(len(ranges))]
        evaluation.evaluate()
    n, bins = len(examples), len(ranges)
    # pycocotools gives class by class, in each size bin by size bin, in each frame by frame.
    images = evaluation.evalImgs
    starts = range(0, n_classes * bins * n, n) if n else [0] * n_classes * bins
    matched = [_joined(images[start : start + n]) for start in starts]
    return Matches(
        n_frames=n,
        size_edges=tuple(size_edges),
        matched=tuple(tuple(matched[c * bins : (c + 1) * bins]) for c in range(n_classes)),
    )


def headline(
    matches: Matches, weights_N: Floats | None = None, *, ap_TCS: Floats | None = None
) -> dict[str, float]:
    """Give `map50`, `map` and `wmap50`, 0 to 1; NaN where there is no object at all.

    `ap_TCS` is what `average_precision` gives for these weights, if somebody has it already.

    `map50` is the mean over classes of the average precision at overlap 0.5, `map` also over the
    overlaps 0.5, 0.55 … 0.95 (COCO). `wmap50` is the mean over classes of the class's average
    precision in each size bin at overlap 0.5, weighted by the objects that the class has in the
    bin: a detector that finds large objects only cannot hide behind them, as false boxes count in
    the bin of their own size. Classes without an object do not count.

    References
    ----------
    Haussmann et al.: Scalable Active Learning for Object Detection, IV 2020, arXiv 2004.04699
    (weighted mean over object sizes; bins and weights are not stated there, these are ours).
    """
    ap_TCS = matches.average_precision(weights_N) if ap_TCS is None else ap_TCS
    weighted_C = _by_size(ap_TCS[0], matches.objects(weights_N))
    return {
        "map50": _mean(ap_TCS[0, :, ALL]),
        "map": _mean(ap_TCS[:, :, ALL]),
        "wmap50": _mean(weighted_C),
    }


def by_class(
    matches: Matches,
    class_names: Sequence[str],
    weights_N: Floats | None = None,
    *,
    ap_TCS: Floats | None = None,
) -> dict[str, dict[str, float]]:
    """Give for each class `n` objects, and `ap50`, `ap`, `wap50` if it has any.

    Of each size bin that has objects also `n_SIZE` and `ap50_SIZE`, SIZE as `size_names` gives it.
    """
    ap_TCS = matches.average_precision(weights_N) if ap_TCS is None else ap_TCS
    objects_CS = matches.objects(weights_N)
    weighted_C = _by_size(ap_TCS[0], objects_CS)
    report: dict[str, dict[str, float]] = {}
    for c, name in enumerate(class_names):
        report[name] = {"n": float(objects_CS[c, ALL])}
        if objects_CS[c, ALL] == 0:
            continue
        report[name] |= {
            "ap50": float(ap_TCS[0, c, ALL]),
            "ap": _mean(ap_TCS[:, c, ALL]),
            "wap50": float(weighted_C[c]),
        }
        for pos, size in enumerate(size_names(matches.size_edges), start=1):
            if objects_CS[c, pos]:
                report[name][f"n_{size}"] = float(objects_CS[c, pos])
                report[name][f"ap50_{size}"] = float(ap_TCS[0, c, pos])
    return report


def size_names(size_edges: Sequence[float]) -> tuple[str, ...]:
    """Name the bins.

    Examples
    --------
    >>> size_names((16, 32))
    ('below_16_px', '16_to_32_px', 'from_32_px')
    """
    edges = [f"{edge:g}" for edge in size_edges]
    if not edges:
        return ("any_px",)
    middle = [f"{low}_to_{high}_px" for low, high in pairwise(edges)]
    return (f"below_{edges[0]}_px", *middle, f"from_{edges[-1]}_px")


def _by_size(ap_CS: Floats, objects_CS: Floats) -> Floats:
    """Give each class's average precision over the size bins, weighted by their objects."""
    bins, counts = ap_CS[:, 1:], objects_CS[:, 1:]
    sums = np.where(counts > 0, np.nan_to_num(bins) * counts, 0.0).sum(axis=1)
    totals = counts.sum(axis=1)
    return np.where(totals > 0, sums / np.maximum(totals, 1e-12), np.nan)


def _mean(values: Floats) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")


def _precisions(one: _Matched, weights_N: Floats) -> Floats:
    """Give precision at each recall, [T, 101]; NaN without objects."""
    n_objects = float(one.objects_N @ weights_N)
    if n_objects <= 0:
        return np.full((len(OVERLAPS), len(RECALLS)), np.nan)
    weights_D = weights_N[one.frames_D]
    seen_D = np.cumsum(weights_D)
    plain = not one.ignored_TD.any()
    return np.stack(
        [
            _at_recalls(
                hits_D & ~ignored_D,
                weights_D,
                seen_D if plain else np.cumsum(np.where(ignored_D, 0.0, weights_D)),
                n_objects,
            )
            for hits_D, ignored_D in zip(one.hits_TD, one.ignored_TD, strict=True)
        ]
    )


def _at_recalls(right_D: Bools, weights_D: Floats, seen_D: Floats, n_objects: float) -> Floats:
    """Give precision at `RECALLS`, of one overlap: looked at where recall rises, at right boxes."""
    places = np.flatnonzero(right_D)
    right = np.cumsum(weights_D[places])
    precision = right / (seen_D[places] + np.spacing(1))
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    found: Floats = best[np.searchsorted(right / n_objects, RECALLS, side="left")]
    return found


def _joined(images: Sequence[Mapping[str, Any] | None]) -> _Matched:
    """Put one class and size bin's frames together; pycocotools gives None for empty ones."""
    objects_N = np.zeros(len(images), dtype=np.int64)
    frames: list[int] = []
    parts: list[tuple[Floats, Bools, Bools]] = []
    for pos, image in enumerate(images):
        if image is not None:
            objects_N[pos] = np.count_nonzero(np.asarray(image["gtIgnore"]) == 0)
            scores = np.asarray(image["dtScores"], dtype=np.float64)
            frames += [pos] * len(scores)
            shape = (len(OVERLAPS), len(scores))
            hits = np.asarray(image["dtMatches"], dtype=np.bool_).reshape(shape)
            parts.append(
                (scores, hits, np.asarray(image["dtIgnore"], dtype=np.bool_).reshape(shape))
            )
    empty = np.empty((len(OVERLAPS), 0), dtype=np.bool_)
    scores_D = np.concatenate([np.empty(0), *(one[0] for one in parts)])
    order = np.argsort(-scores_D, kind="mergesort")
    return _Matched(
        frames_D=np.array(frames, dtype=np.intp)[order],
        scores_D=scores_D[order],
        hits_TD=np.concatenate([empty, *(one[1] for one in parts)], axis=1)[:, order],
        ignored_TD=np.concatenate([empty, *(one[2] for one in parts)], axis=1)[:, order],
        objects_N=objects_N,
    )


def _documents(
    examples: Examples, found: Sequence[Boxes], n_classes: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give objects and boxes as COCO documents, in pixels of the frames as stored."""
    images = [{"id": pos + 1} for pos in range(len(examples))]
    categories = [{"id": c + 1} for c in range(n_classes)]
    objects: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for pos, one in enumerate(found):
        scale = np.tile(examples.sizes_N2[pos], 2).astype(np.float64)
        truth = examples.of(pos).astype(np.float64)
        sides_K4 = np.round(truth[:, 1:] * scale, 3)  # whole pixels went through float32
        for c, sides in zip(truth[:, 0].astype(int).tolist(), sides_K4.tolist(), strict=True):
            objects.append(_annotation(len(objects), pos, c, sides))
        rows = zip(
            one.classes_K.tolist(),
            (one.boxes_K4.astype(np.float64) * scale).tolist(),
            one.scores_K.tolist(),
            strict=True,
        )
        for c, sides, score in rows:
            boxes.append({**_annotation(len(boxes), pos, c, sides), "score": score})
    base = {"images": images, "categories": categories}
    return {**base, "annotations": objects}, {**base, "annotations": boxes}


def _annotation(n: int, pos: int, c: int, sides: list[float]) -> dict[str, Any]:
    return {
        "id": n + 1,  # pycocotools reads a match with 0 as none
        "image_id": pos + 1,
        "category_id": c + 1,
        "bbox": sides,
        "area": sides[2] * sides[3],
        "iscrowd": 0,
    }

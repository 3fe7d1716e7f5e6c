"""Whether two people drew the same boxes, and which of several answers stands for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from winnow.domain.boxes import Box, boxes_of
from winnow.kernels.box_overlap import box_iou

IOU_MIN: Final = 0.5
"""Two boxes of one class are the same object if their intersection over union is at least this."""


@dataclass(frozen=True, slots=True)
class BoxAgreement:
    """How far two detection labels agree."""

    n_matched: int
    n_first: int
    n_second: int
    mean_iou: float
    """Of the matched pairs; 1 without any."""

    @property
    def f1(self) -> float:
        """Share of the boxes that are matched, 0 to 1; 1 where neither drew any."""
        n_boxes = self.n_first + self.n_second
        return 2 * self.n_matched / n_boxes if n_boxes else 1.0

    @property
    def same(self) -> bool:
        """Tell whether every box has a partner."""
        return self.n_matched == self.n_first == self.n_second


def match_boxes(
    first: Sequence[Box], second: Sequence[Box], *, iou_min: float = IOU_MIN, by_class: bool = True
) -> list[tuple[int, int, float]]:
    """Pair boxes so that as much as possible overlaps, each at most once.

    Returns
    -------
    list
        (position in first, position in second, IoU) of pairs of at least `iou_min`.

    Notes
    -----
    Optimal assignment (Hungarian method) over the pairs that may match; O(n^3) in the boxes.

    Examples
    --------
    >>> one, other = Box("car", 0, 0, 10, 10), Box("car", 0, 0, 10, 8)
    >>> match_boxes([one], [other])
    [(0, 0, 0.8)]
    """
    if not first or not second:
        return []
    overlaps = box_iou(_sides(first), _sides(second))
    may = overlaps >= iou_min
    if by_class:
        names, others = ([box.class_name for box in some] for some in (first, second))
        may &= np.array(names)[:, None] == np.array(others)[None]
    rows, columns = linear_sum_assignment(np.where(may, overlaps, 0.0), maximize=True)
    return [
        (int(i), int(j), float(overlaps[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if may[i, j]
    ]


def box_agreement(first: str, second: str) -> BoxAgreement:
    """Compare two detection labels, as text.

    Examples
    --------
    >>> box_agreement("[]", "[]").same
    True
    """
    a, b = boxes_of(first), boxes_of(second)
    pairs = match_boxes(a, b)
    overlaps = [iou for _, _, iou in pairs]
    return BoxAgreement(len(pairs), len(a), len(b), float(np.mean(overlaps)) if pairs else 1.0)


def shared_boxes(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Give how much of the boxes on the same frames two labelings share, 0 to 1.

    Parameters
    ----------
    first, second
        Detection labels, as text; element *i* of both is of the same frame.

    Returns
    -------
    float or None
        F1 of the matches on all frames together; None if neither has any box.

    Notes
    -----
    What kappa is for classes: places without a box agree too, but cannot be counted, and the more
    of them there are, the closer kappa comes to F1 (Hripcsak & Rothschild 2005). O(n^3) in the
    boxes of a frame.

    Examples
    --------
    >>> one = '[{"box":[0,0,4,4],"class":"car"}]'
    >>> shared_boxes([one, one], [one, "[]"]), shared_boxes(["[]"], ["[]"])
    (0.6666666666666666, None)
    """
    found = [box_agreement(a, b) for a, b in zip(first, second, strict=True)]
    n_boxes = sum(one.n_first + one.n_second for one in found)
    return 2 * sum(one.n_matched for one in found) / n_boxes if n_boxes else None


def box_defects(found: str, expected: str) -> tuple[str, ...]:
    """Give what is wrong with a label, seen by a reviewer's boxes; codes, sorted, each once.

    `WRONG_CLASS`: a box lies where the reviewer's of another class does; `BAD_LOCATION`: it
    overlaps one of its class by 0.1 to 0.5; `MISSING` and `EXTRA`: the rest.
    """
    a, b = boxes_of(found), boxes_of(expected)
    codes: set[str] = set()
    for code, iou_min, by_class in (
        ("", IOU_MIN, True),
        ("WRONG_CLASS", IOU_MIN, False),
        ("BAD_LOCATION", 0.1, True),
    ):
        pairs = match_boxes(a, b, iou_min=iou_min, by_class=by_class)
        if pairs and code:
            codes.add(code)
        mine, theirs = {i for i, _, _ in pairs}, {j for _, j, _ in pairs}
        a = tuple(box for i, box in enumerate(a) if i not in mine)
        b = tuple(box for j, box in enumerate(b) if j not in theirs)
    codes |= {"EXTRA"} if a else set()
    codes |= {"MISSING"} if b else set()
    return tuple(sorted(codes))


def _sides(boxes: Sequence[Box]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = [(box.x, box.y, box.width, box.height) for box in boxes]
    return np.array(rows, dtype=np.float64)

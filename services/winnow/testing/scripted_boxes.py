"""How scripted people draw boxes: as exact as hands are, with the errors that people make."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np

from winnow.agreement.boxes import match_boxes
from winnow.domain.boxes import Box, boxes_of, label_of
from winnow.domain.errors import BadInput

KEEP_IOU: Final = 0.7
"""A box that is shown and overlaps the object by this much is left as it is."""
SHAKE: Final = 0.03
"""Share of a side by which a hand misses an edge, at most, always inwards."""
EXTRA_PIXELS: Final = 12


def is_boxes(label: str) -> bool:
    """Tell whether a text is a detection label."""
    try:
        boxes_of(label)
    except BadInput:
        return False
    return True


def drawn_boxes(
    truth: str,
    shown: str,
    *,
    wrong: bool,
    class_names: Sequence[str],
    rng: np.random.Generator,
) -> str:
    """Give the boxes that a person answers, as the text of a label.

    Parameters
    ----------
    truth
        The frame's true boxes.
    shown
        A prediction to correct, or empty: good boxes of it are kept to the pixel.
    wrong
        Whether this answer has an error: a missed object (the smallest), a wrong class, a box
        where nothing is, or one that is far off; which of them is drawn.
    """
    objects = [box for box in boxes_of(truth) if box.class_name in class_names]
    offered = boxes_of(shown) if shown and is_boxes(shown) else ()
    kept = {i: offered[j] for i, j, _ in match_boxes(objects, offered, iou_min=KEEP_IOU)}
    boxes = [kept.get(i) or _shaken(box, rng) for i, box in enumerate(objects)]
    return label_of(_spoiled(boxes, class_names, rng) if wrong else boxes)


def effort_of(label: str, shown: str) -> float:
    """Give how long an answer takes, as a multiple of one box: a look, and each changed box."""
    before = json.loads(shown) if shown and is_boxes(shown) else []
    after = json.loads(label)
    n_changed = sum(box not in before for box in after) + sum(box not in after for box in before)
    return 0.5 + float(n_changed)


def _shaken(box: Box, rng: np.random.Generator) -> Box:
    """Draw a box by hand: never outside the true one, so never outside the frame."""
    low, high = rng.random(2) * SHAKE, rng.random(2) * SHAKE
    sides = np.array([box.width, box.height])
    first, last = np.floor(low * sides).astype(int), np.floor(high * sides).astype(int)
    left = np.maximum(sides - first - last, 1)
    return Box(box.class_name, box.x + int(first[0]), box.y + int(first[1]), *map(int, left))


def _spoiled(boxes: list[Box], class_names: Sequence[str], rng: np.random.Generator) -> list[Box]:
    """Make one error of a person."""
    kinds = ["missed", "class", "place", "extra"] if boxes else ["extra"]
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind == "missed":
        return [box for box in boxes if box is not min(boxes, key=lambda b: b.area)]
    if kind == "extra":
        return [*boxes, _extra(boxes, class_names, rng)]
    pos = int(rng.integers(len(boxes)))
    box = boxes[pos]
    others = [name for name in class_names if name != box.class_name]
    if kind == "class" and others:
        changed = Box(others[int(rng.integers(len(others)))], box.x, box.y, box.width, box.height)
    elif box.width * box.height > 2:
        wide = box.width >= box.height
        width = max(1, box.width * 2 // 5) if wide else box.width
        height = box.height if wide else max(1, box.height * 2 // 5)
        changed = Box(box.class_name, box.x, box.y, width, height)
    else:
        return [one for one in boxes if one is not box]
    return [changed if one is box else one for one in boxes]


def _extra(boxes: Sequence[Box], class_names: Sequence[str], rng: np.random.Generator) -> Box:
    """Give a box where nothing is: beside the objects, within the part of the frame they span."""
    right = max((box.x + box.width for box in boxes), default=EXTRA_PIXELS)
    bottom = max((box.y + box.height for box in boxes), default=EXTRA_PIXELS)
    side = min(EXTRA_PIXELS, right, bottom)
    x, y = int(rng.integers(right - side + 1)), int(rng.integers(bottom - side + 1))
    return Box(class_names[int(rng.integers(len(class_names)))], x, y, side, side)

"""Maps and box fields → boxes: the peaks of a map are the objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.tasks.examples import Values

BOX_CHANNELS: Final = 4
"""Of each cell: way to the centre (x, y) and logarithms of width and height, in cells."""
BOXES_MAX: Final = 100
"""Boxes of one frame; as many as COCO's evaluation looks at."""
SCORE_MIN: Final = 0.01


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one frame, best first."""

    classes_K: npt.NDArray[np.int64]
    scores_K: Values
    """0 to 1."""
    boxes_K4: Values
    """x, y, width, height as shares of the frame, cut at its edges."""


def decode(maps_NCHW: Values, fields_N4HW: Values) -> list[Boxes]:
    """Give the boxes of each frame.

    Parameters
    ----------
    maps_NCHW
        Probabilities; a cell that no neighbour of the eight beats is a peak.
    fields_N4HW
        See `BOX_CHANNELS`.

    Notes
    -----
    O(N C H W); the best 100 boxes of a frame, with scores from 0.01. Doubles are not removed: on
    real sets that changed no digit of the average precision.
    """
    import torch

    if not len(maps_NCHW):
        return []
    pooled = torch.nn.functional.max_pool2d(torch.from_numpy(maps_NCHW), 3, stride=1, padding=1)
    peaks_NCHW = np.where((maps_NCHW == pooled.numpy()) & (maps_NCHW >= SCORE_MIN), maps_NCHW, 0.0)
    return [_of_frame(*one) for one in zip(peaks_NCHW, fields_N4HW, strict=True)]


def _of_frame(peaks_CHW: Values, field_4HW: Values) -> Boxes:
    _, rows, columns = peaks_CHW.shape
    classes, i, j = np.nonzero(peaks_CHW)
    scores = peaks_CHW[classes, i, j]
    best = np.argsort(-scores, kind="stable")[:BOXES_MAX]
    classes, scores, i, j = classes[best], scores[best], i[best], j[best]
    dx, dy, log_width, log_height = field_4HW[:, i, j]
    centres = np.stack([(j + 0.5 + dx) / columns, (i + 0.5 + dy) / rows], axis=1)
    logs = np.stack([log_width - np.log(columns), log_height - np.log(rows)], axis=1)
    sizes = np.exp(np.minimum(logs, 0.0))  # no object is larger than the frame
    low, high = np.clip(centres - sizes / 2, 0, 1), np.clip(centres + sizes / 2, 0, 1)
    boxes = np.concatenate([low, high - low], axis=1).astype(np.float32)
    return Boxes(classes.astype(np.int64), scores.astype(np.float32), boxes)


def boxes_text(boxes: Boxes, *, size: tuple[int, int], class_names: Sequence[str]) -> str:
    """Give boxes as JSON in whole pixels of a frame of this width and height, best first."""
    width, height = size
    scale = np.array([width, height], dtype=np.float64)
    low = np.floor(boxes.boxes_K4[:, :2] * scale + 0.5)
    high = np.floor((boxes.boxes_K4[:, :2] + boxes.boxes_K4[:, 2:]) * scale + 0.5)
    low = np.minimum(low, scale - 1)
    sides = np.maximum(high - low, 1)
    objects = [
        {"box": box, "class": class_names[c], "score": round(score, 4)}
        for box, c, score in zip(
            np.concatenate([low, sides], axis=1).astype(np.int64).tolist(),
            boxes.classes_K.tolist(),
            boxes.scores_K.tolist(),
            strict=True,
        )
    ]
    return json.dumps(objects, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

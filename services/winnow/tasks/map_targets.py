"""What the detector is to answer: a bump around each object's centre, and its box there."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.tasks.examples import Values

SPREAD: Final = 0.54 / 6
"""Deviation of a bump as a share of the object's side (Liu et al. 2020, section 3.2)."""
DEVIATION_MIN: Final = 0.4
"""Cells; below, a small object's neighbours would be punished for one pixel of a person's aim."""
BUMP_MIN: Final = 0.01
"""Below this a bump is over."""


def render(
    objects: Values, *, n_classes: int, shape: tuple[int, int]
) -> tuple[Values, Values, Values]:
    """Draw one frame's maps.

    Parameters
    ----------
    objects
        float32 [K, 5]: class index, x, y, width, height as shares of the frame.
    shape
        Rows and columns of the maps.

    Returns
    -------
    heat_CHW
        float32, 1 in the cell of a centre, falling off as a Gaussian whose width and height follow
        the object's; where objects meet, the larger value.
    boxes_4HW
        float32: way to the centre (x, y) and logarithm of the size (width, height), in cells, of
        the object whose bump is highest; of two that are equally high, the smaller object.
    weights_HW
        float32: how much a cell's box counts; the cells of one object sum to one.

    Notes
    -----
    O(K H W).

    References
    ----------
    Zhou, Wang, Krähenbühl: Objects as Points, 2019, arXiv 1904.07850 (centres as bumps). Liu,
    Zheng, Xu, Yang, Liu, Cai: Training-Time-Friendly Network for Real-Time Object Detection, AAAI
    2020 (elongated bumps; boxes are learned in the whole bump, which takes fewer steps).
    """
    rows, columns = shape
    heat_CHW = np.zeros((n_classes, rows, columns), dtype=np.float32)
    boxes_4HW = np.zeros((4, rows, columns), dtype=np.float32)
    weights_HW = np.zeros((rows, columns), dtype=np.float32)
    if not len(objects):
        return heat_CHW, boxes_4HW, weights_HW
    objects = objects[np.argsort(-objects[:, 3] * objects[:, 4], kind="stable")]
    scale = np.array([columns, rows], dtype=np.float32)
    sizes_K2: Values = objects[:, 3:5] * scale
    centres_K2 = objects[:, 1:3] * scale + sizes_K2 / 2
    bumps_KHW = _bumps(centres_K2, sizes_K2, shape)
    for c in np.unique(objects[:, 0].astype(np.int64)).tolist():
        heat_CHW[c] = bumps_KHW[objects[:, 0] == c].max(axis=0)
    # Of equal bumps the last one, the smaller object, is seen.
    owner_HW = len(objects) - 1 - bumps_KHW[::-1].argmax(axis=0)
    height_HW = np.take_along_axis(bumps_KHW, owner_HW[None], axis=0)[0]
    middle = np.stack(
        np.broadcast_arrays(
            np.arange(columns, dtype=np.float32)[None, :] + np.float32(0.5),
            np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5),
        )
    )
    boxes_4HW[:2] = centres_K2[owner_HW].transpose(2, 0, 1) - middle
    boxes_4HW[2:] = np.log(np.maximum(sizes_K2, 0.05))[owner_HW].transpose(2, 0, 1)
    sums_K = np.bincount(owner_HW.ravel(), weights=height_HW.ravel(), minlength=len(objects))
    weights_HW = height_HW / np.maximum(sums_K, BUMP_MIN).astype(np.float32)[owner_HW]
    boxes_4HW *= weights_HW > 0
    return heat_CHW, boxes_4HW, weights_HW


def _bumps(
    centres_K2: npt.NDArray[np.floating], sizes_K2: Values, shape: tuple[int, int]
) -> Values:
    """Give [K, H, W]; separable, so that exponentials are taken along the sides only."""
    rows, columns = shape
    deviations_K2 = np.maximum(sizes_K2 * SPREAD, DEVIATION_MIN)
    # The peak is a cell, so that its value is exactly one.
    peaks_K2 = np.minimum(np.floor(centres_K2), np.array([columns - 1, rows - 1]))

    def along(axis: int, n: int) -> Values:
        away = np.arange(n)[None, :] - peaks_K2[:, axis, None]
        bumps: Values = np.exp(-0.5 * (away / deviations_K2[:, axis, None]) ** 2).astype(np.float32)
        return bumps

    bumps_KHW: Values = along(1, rows)[:, :, None] * along(0, columns)[:, None, :]
    bumps_KHW[bumps_KHW < BUMP_MIN] = 0.0
    return bumps_KHW

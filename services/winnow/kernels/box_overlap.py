"""How much boxes overlap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def box_iou(boxes_P4: Floats, boxes_Q4: Floats) -> npt.NDArray[np.float64]:
    """Give the intersection over union of each pair, float64 [P, Q], 0 to 1.

    Parameters
    ----------
    boxes_P4, boxes_Q4
        x, y, width, height; half-open, in any one unit. Boxes without area overlap nothing.

    Examples
    --------
    >>> box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 2, 2]])).round(4).tolist()
    [[0.3333]]
    """
    p, q = np.asarray(boxes_P4, dtype=np.float64), np.asarray(boxes_Q4, dtype=np.float64)
    low = np.maximum(p[:, None, :2], q[None, :, :2])
    high = np.minimum((p[:, :2] + p[:, 2:])[:, None], (q[:, :2] + q[:, 2:])[None])
    shared = np.maximum(high - low, 0.0).prod(axis=2)
    whole = p[:, 2:].prod(axis=1)[:, None] + q[:, 2:].prod(axis=1)[None] - shared
    iou: npt.NDArray[np.float64] = np.divide(
        shared, whole, out=np.zeros_like(shared), where=whole > 0
    )
    return iou

"""From a box as a file tells it to one in whole pixels inside its frame."""

from __future__ import annotations

import math

from winnow.domain.boxes import Box

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom, pixels."""
NO_SIZE = (None, None)


def box_inside(
    name: str, edges: Edges, size: tuple[int | None, int | None] = NO_SIZE
) -> tuple[Box, bool]:
    """Round a box's edges to whole pixels, at least one apart, and cut it at the frame's.

    Parameters
    ----------
    edges
        Finite, right of left and below top.
    size
        Width and height of the frame; None where it is not known: no cut there.

    Returns
    -------
    tuple
        The box, without area if nothing of it lies inside; and whether it was cut.

    Examples
    --------
    >>> box_inside("car", (-2.0, 1.6, 9.7, 4.1), (8, 8))
    (Box(class_name='car', x=0, y=2, width=8, height=2), True)
    """
    left, right = _whole(edges[0], edges[2])
    top, bottom = _whole(edges[1], edges[3])
    x_end = right if size[0] is None else min(right, size[0])
    y_end = bottom if size[1] is None else min(bottom, size[1])
    box = Box(name, max(left, 0), max(top, 0), x_end - max(left, 0), y_end - max(top, 0))
    return box, (box.x, box.y, x_end, y_end) != (left, top, right, bottom)


def _whole(low: float, high: float) -> tuple[int, int]:
    first, last = math.floor(low + 0.5), math.floor(high + 0.5)
    return (first, last) if last > first else (math.floor(low), math.floor(low) + 1)

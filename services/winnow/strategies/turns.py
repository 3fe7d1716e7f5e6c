"""Visiting groups of frames in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import Positions


def in_turn(
    groups: Sequence[int], order_of: Callable[[int], Positions], feasible: Feasible
) -> Iterator[tuple[int, int]]:
    """Give the first frame of each group that may take the next place, group after group, again.

    Parameters
    ----------
    groups
        Numbers of the groups, in the order of visits.
    order_of
        Gives the positions of a group's frames; asked at every visit.

    Yields
    ------
    tuple
        Group and position. Whoever asks takes it before asking again. Ends when no frame of any
        group may take the next place.

    Notes
    -----
    Groups without such a frame are left out until a floor changes its mind. Costs one pass over
    each group in all, and another one whenever a floor does.
    """
    starts: dict[tuple[int, int], int] = {}  # by epoch and group
    drained: set[tuple[int, int]] = set()
    while feasible.n_open:
        visited = [group for group in groups if (feasible.epoch, group) not in drained]
        if not visited:
            return
        for group in visited:
            key, order_K = (feasible.epoch, group), order_of(group)
            starts[key] = _first_open(order_K, starts.get(key, 0), feasible)
            if starts[key] < len(order_K):
                yield group, int(order_K[starts[key]])
            else:
                drained.add(key)


def _first_open(order_K: Positions, start: int, feasible: Feasible) -> int:
    width = 16
    while start < len(order_K):
        is_open = feasible.open_N[order_K[start : start + width]]
        if is_open.any():
            return start + int(np.argmax(is_open))
        start, width = start + len(is_open), 2 * width
    return start

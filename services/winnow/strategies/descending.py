"""Frames by falling score, sorted only as far as somebody looks."""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import Floats, Positions, Ranks

FIRST: Final = 4096
GROWTH: Final = 4
"""Each part is four times as long as all before it, so that few are ever made."""


class Descending:
    """The order of `by_score`, where a batch is much smaller than the pool.

    Parameters
    ----------
    scores_N
        Finite float64.
    rank_N
        Place of each frame id among all ids in order: equal scores go by it.

    Notes
    -----
    A part of K frames costs a selection in O(N) and a sort of K, and holds 8·N bytes; the whole
    order is never made unless it is asked for.
    """

    def __init__(self, scores_N: Floats, rank_N: Ranks) -> None:
        self._scores_N, self._rank_N = scores_N, rank_N
        self._order = np.empty(0, dtype=np.intp)
        self._rest: Positions | None = None
        """None: all of them."""
        self._start, self._epoch = 0, 0

    def first_open(self, feasible: Feasible) -> int | None:
        """Give the best frame that may take the next place; none: no frame may.

        All calls together cost one pass over the order, and another one whenever a floor changes
        its mind.
        """
        if feasible.epoch != self._epoch:
            self._start, self._epoch = 0, feasible.epoch
        width = 16
        while True:
            part = self._order[self._start : self._start + width]
            is_open = feasible.open_N[part]
            if is_open.any():
                self._start += int(np.argmax(is_open))
                return int(self._order[self._start])
            self._start, width = self._start + len(part), 2 * width
            if self._start == len(self._order) and not self._sort_more():
                return None

    def head(self, n: int) -> Positions:
        """Give the first n of the order."""
        while len(self._order) < n and self._sort_more():
            pass
        return self._order[:n]

    def _sort_more(self) -> bool:
        """Sort the next part; tell whether there was one."""
        scores = self._scores_N if self._rest is None else self._scores_N[self._rest]
        if not len(scores):
            return False
        n_more = max(FIRST, (GROWTH - 1) * len(self._order))
        in_part = np.ones(len(scores), dtype=np.bool_)
        if len(scores) > 2 * n_more:
            # Who ties with the last one of a part belongs to it, as ranks decide between them.
            in_part = scores >= np.partition(scores, len(scores) - n_more)[len(scores) - n_more]
        part, rest = np.flatnonzero(in_part), np.flatnonzero(~in_part)
        if self._rest is not None:
            part, rest = self._rest[part], self._rest[rest]
        order = np.lexsort((self._rank_N[part], -self._scores_N[part]))
        self._order = np.concatenate([self._order, part[order]])
        self._rest = rest
        return True

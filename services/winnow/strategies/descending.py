"""Frames by falling score, sorted only as far as somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
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

    def open_frames(self, feasible: Feasible) -> Iterator[int]:
        """Give, again and again, the best frame that may take the next place.

        Whoever asks takes it, or lets somebody else take it, before asking again. Costs one pass
        over the order in all, and another one whenever a floor changes its mind.
        """
        start, epoch = 0, feasible.epoch
        while feasible.n_open:
            if feasible.epoch != epoch:
                start, epoch = 0, feasible.epoch
            width = 16
            while not (is_open := feasible.open_N[self.head(start + width)[start:]]).any():
                start, width = start + len(is_open), 2 * width
            start += int(np.argmax(is_open))
            yield int(self._order[start])

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

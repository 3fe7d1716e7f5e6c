"""Farthest-first traversal: lazy and in float32, decided in float64.

A row's distance to the nearest center only ever falls, so a distance that was true some picks ago
is an upper bound today. Most rows never come near the largest distance; they are not looked at
again. The few that may be next stand on the frontier, a copy small enough for the processor's
cache that every pick brings up to date; when it is used up, the rows with the largest stale
bounds are compared with all centers they have missed, by one matrix product.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.exact import squared_l2
from winnow.kernels.growing import Growing
from winnow.kernels.numpy_kernel import NumpyKernel
from winnow.kernels.protocol import (
    Centers,
    DistanceKernel,
    Floats,
    Held,
    Positions,
    Rows,
    squared_l2_error,
)
from winnow.kernels.stale import largest, refresh_groups

FRONTIER_VALUES: Final = 1 << 18
"""Numbers in the frontier's copy: 1 MiB of float32, half of a second-level cache."""
FRONTIER_ROWS: Final = (256, 4096)
COPY_SHARE: Final = 8
"""A frontier of more than 1/8 of all rows is not copied."""
MISSED_AT_ONCE: Final = 128
"""Centers that a stale row is compared with before it is asked whether it needs the others."""
GUESS_CENTERS_MIN: Final = 48
GUESS_DIMENSIONS: Final = 64
"""Enough to tell the cluster of a row in most embeddings; a wrong guess only costs time."""
ASKED: Final = (8, 256)
"""How many picks one tries to foresee, at least and at most."""
BLOCK_VALUES: Final = 1 << 20
"""Distances of contenders to centers held at once: 4 MiB of float32."""
NORM_MIN: Final = 2.0**-40
"""Of the longest row: squares of much shorter ones underflow in float32."""

Flags = npt.NDArray[np.bool_]


class FarthestFirst:
    """Gives the row that is farthest from all centers, again and again.

    Parameters
    ----------
    rows_ND
        Finite float32; may be memory-mapped.
    centers_LD
        Where somebody has been already; may be empty.
    tie_rank_N
        Of rows equally far, the one with the smallest rank is given.
    kernel
        Backend of the float32 work.

    Notes
    -----
    The picks are those of the plain greedy loop in exact arithmetic, rounded once: rows within the
    error bound of the best (`squared_l2_error`) are compared again in float64, each against the
    centers that may be its nearest, and what was compared is kept.

    Cost: N·L·D multiply-adds for the first centers, then N a refill of the frontier and what the
    rows on it need; never more than N·(L + n)·D in all, as matrix products. Where distances
    concentrate (high dimension) or rows lie in clusters it is a small part of that, and far below
    the N·D numbers that the plain loop reads from memory for each pick. Memory beside the rows:
    28 bytes a row, the centers and the frontier; of rows shorter than 2⁻⁴⁰ also a copy, times a
    power of two, so that picks are the same in every unit.

    References
    ----------
    Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985. Minoux,
    "Accelerated greedy algorithms for maximizing submodular set functions", 1978 (stale bounds).
    """

    def __init__(
        self,
        rows_ND: Rows,
        centers_LD: Rows,
        tie_rank_N: npt.NDArray[np.int64],
        *,
        kernel: DistanceKernel | None = None,
    ) -> None:
        n_rows, dimension = rows_ND.shape
        kernel, centers_LD = kernel or NumpyKernel(), centers_LD.astype(np.float32, copy=False)
        self._held: Held = kernel.hold((rows_ND,))
        self._centers = Growing(centers_LD)
        norm_max, self._exponent = self._norm_max(), 0
        if norm_max < NORM_MIN and (most := _largest(rows_ND, centers_LD)) > 0.0:
            self._exponent = -int(np.frexp(most)[1])
            rows_ND, centers_LD = (np.ldexp(part, self._exponent) for part in (rows_ND, centers_LD))
            self._held, self._centers = kernel.hold((rows_ND,)), Growing(centers_LD)
            norm_max = self._norm_max()
        self._rows_ND, self._tie_rank_N = rows_ND, tie_rank_N
        norm_max *= 1.0 + 1e-3  # float32 norms are a little off themselves
        self._error = np.float32(squared_l2_error(np.array([norm_max]), norm_max, dimension)[0])
        self._near_N = np.full(n_rows, np.inf, dtype=np.float32)  # -inf: picked or shut for good
        self._seen_N = np.zeros(n_rows, dtype=np.int32)  # centers in `_near_N`
        self._exact_N = np.full(n_rows, np.inf)
        self._compared_N = np.zeros(n_rows, dtype=np.int32)  # centers in `_exact_N`
        self._frontier, self._outside = self._nobody(), np.float32(np.inf)
        self._queue = _Queue()
        self._n_applied = len(self._centers)  # centers that the frontier knows
        self._n_asked = ASKED[0]
        self._epoch = 0
        self._added: list[int] = []
        if len(centers_LD):
            self._near_N[:] = self._held.nearest(self._centers.all)
            self._seen_N[:] = len(self._centers)

    def farthest(self, open_N: Flags, epoch: int = 0) -> tuple[int, float]:
        """Give the position of the farthest open row and its exact squared distance.

        The distance is `inf` while there is no center. At least one row must be open. Rows that
        were shut may be open again only if `epoch` has grown.
        """
        if not len(self._centers):
            open_K = np.flatnonzero(open_N)
            return int(open_K[np.argmin(self._tie_rank_N[open_K])]), np.inf
        if epoch != self._epoch:
            self._epoch = epoch
            self._reopen(open_N)
        while (pos := self._queue.first_open(open_N)) is None:
            self._advance(open_N)
        return pos, math.ldexp(self._queue.squared, -2 * self._exponent)

    def add(self, pos: int) -> None:
        """Make this row a center."""
        if self._queue.pos == pos:
            self._queue.step()
        else:
            self._queue = _Queue()  # what it foresaw was another center
        self._added.append(pos)
        self._centers.append(Centers.of(self._rows_ND[pos : pos + 1]))

    def _norm_max(self) -> float:
        squares = (self._held.squares, self._centers.all.squares)
        return math.sqrt(max(float(found.max(initial=0.0)) for found in squares))

    def _advance(self, open_N: Flags) -> None:
        """Foresee some picks: the farthest rows, as far as none of them changes the next."""
        self._apply()
        frontier = self._frontier
        while True:
            row_T, beyond = frontier.farthest(self._n_asked)
            shut_T = row_T[~open_N[frontier.pos_K[row_T]]]
            if len(shut_T):
                frontier.near_K[shut_T] = -np.inf
                continue
            if not len(row_T) or not frontier.near_K[row_T].max() > self._outside + 2 * self._error:
                self._refill(open_N)
                frontier = self._frontier
                continue
            pos_T = frontier.pos_K[row_T]
            squared_T = self._exact(pos_T)
            order_T = np.lexsort((self._tie_rank_N[pos_T], -squared_T))
            pos_T, squared_T = pos_T[order_T], squared_T[order_T]
            n_sure = int((squared_T > max(beyond, self._outside) + self._error).sum())
            if n_sure:
                break
            self._n_asked *= 4  # too alike for float32: look at more of them
        if squared_T[0] == 0.0:
            # Whatever is left lies on a center, and will for ever.
            left_K = np.flatnonzero(open_N)
            left_K = left_K[np.argsort(self._tie_rank_N[left_K])]
            self._queue = _Queue(left_K, np.zeros(len(left_K)))
            return
        n_sure = min(n_sure, ASKED[1])
        n_free = self._unchanged(pos_T[:n_sure], squared_T[:n_sure])
        self._queue = _Queue(pos_T[:n_free], squared_T[:n_free])
        n_asked = 2 * n_free if n_free < len(row_T) else 2 * len(row_T)
        self._n_asked = max(ASKED[0], min(ASKED[1], n_asked))

    def _unchanged(self, pos_T: Positions, squared_T: Floats) -> int:
        """Give the length of the head in which no row is nearer to one before it than to others."""
        if len(pos_T) == 1:
            return 1
        between_TT = self._held.take(pos_T).distances(Centers.of(self._rows_ND[pos_T]))
        between_TT[np.triu_indices(len(pos_T))] = np.inf
        changed_T = between_TT.min(axis=1) - self._error < squared_T
        return int(changed_T.argmax()) if changed_T.any() else len(pos_T)

    def _apply(self) -> None:
        """Let the frontier know of the centers that came since."""
        since = self._centers.since(self._n_applied)
        if len(since):
            self._frontier.lower(since)
            added_K = np.array(self._added[-len(since) :], dtype=np.intp)
            self._frontier.leave(added_K)
            self._near_N[added_K] = -np.inf
        self._n_applied = len(self._centers)

    def _refill(self, open_N: Flags) -> None:
        """Put the rows with the largest bounds on the frontier, all of them up to date."""
        self._put_back()
        n_wanted = self._frontier_size()
        while True:
            top_K, rest = largest(self._near_N, n_wanted)
            is_open_K = open_N[top_K]
            self._near_N[top_K[~is_open_K]] = -np.inf
            top_K = top_K[is_open_K]
            is_fresh_K = self._seen_N[top_K] == len(self._centers)
            fresh_K, stale_K = top_K[is_fresh_K], top_K[~is_fresh_K]
            outside = max(rest, self._near_N[stale_K].max(initial=-np.inf))
            ready_K = fresh_K[self._near_N[fresh_K] > outside + 2 * self._error]
            if 2 * len(ready_K) >= n_wanted or (len(fresh_K) and not len(stale_K)):
                break
            self._bring_up_to_date(stale_K, rest)
        if len(ready_K):
            self._stand(fresh_K, outside)
        else:  # more rows than wanted are too alike for float32: they must stand together
            self._widen(open_N, self._near_N[fresh_K].max() - 4 * self._error)

    def _widen(self, open_N: Flags, least: np.float32) -> None:
        while True:
            alike_K = np.flatnonzero(self._near_N >= least)
            is_open_K = open_N[alike_K]
            self._near_N[alike_K[~is_open_K]] = -np.inf
            alike_K = alike_K[is_open_K]
            stale_K = alike_K[self._seen_N[alike_K] < len(self._centers)]
            if not len(stale_K):
                break
            self._bring_up_to_date(stale_K, least)
        beside = self._near_N.max(where=self._near_N < least, initial=-np.inf)
        self._stand(alike_K, beside)

    def _stand(self, fresh_K: Positions, outside: np.float32) -> None:
        self._outside = outside
        copied = COPY_SHARE * len(fresh_K) <= len(self._near_N)
        held = self._held.take(fresh_K) if copied else self._held
        self._frontier = _Frontier(fresh_K, self._near_N[fresh_K], held)

    def _nobody(self) -> _Frontier:
        return _Frontier(np.empty(0, np.intp), np.empty(0, np.float32), self._held)

    def _put_back(self) -> None:
        pos_K = self._frontier.pos_K
        self._near_N[pos_K] = self._frontier.near_K
        self._seen_N[pos_K] = self._n_applied

    def _reopen(self, open_N: Flags) -> None:
        self._apply()
        self._put_back()
        again_K = np.flatnonzero(open_N & np.isneginf(self._near_N))
        self._near_N[again_K], self._seen_N[again_K] = np.inf, 0
        self._frontier, self._outside = self._nobody(), np.float32(np.inf)
        self._queue = _Queue()

    def _bring_up_to_date(self, pos_K: Positions, level: np.float32) -> None:
        """Compare rows with the centers that they have missed, as long as they stay above a level.

        Centers come oldest first, so that what a row has seen is always a head of them. One that
        looks near in a few dimensions is tried before: most rows need no other.
        """
        for group_K, since in refresh_groups(pos_K, self._seen_N[pos_K], len(self._centers)):
            n_more = MISSED_AT_ONCE
            if len(self._centers) - since > GUESS_CENTERS_MIN:
                self._near_N[group_K] = self._guessed(group_K, since)
                group_K = group_K[self._near_N[group_K] >= level]
            held = self._held.take(group_K)
            while len(group_K) and since < len(self._centers):
                until = min(len(self._centers), since + n_more)
                near_K = held.nearest(self._centers.all[since:until])
                near_K = np.minimum(self._near_N[group_K], near_K)
                self._near_N[group_K], self._seen_N[group_K] = near_K, until
                above_K = np.flatnonzero(near_K >= level)
                group_K, held = group_K[above_K], held.take(above_K)
                since, n_more = until, 2 * n_more

    def _guessed(self, pos_K: Positions, since: int) -> Rows:
        """Lower the bounds of rows by the one center that looks nearest in a few dimensions."""
        rows_KD, centers_LD = self._rows_ND[pos_K], self._centers.since(since).parts[0]
        few = slice(None, None, max(1, rows_KD.shape[1] // GUESS_DIMENSIONS))
        some_LD = np.ascontiguousarray(centers_LD[:, few])
        looks_KL = np.ascontiguousarray(rows_KD[:, few]) @ (np.float32(-2.0) * some_LD).T
        looks_KL += np.einsum("ld,ld->l", some_LD, some_LD)
        rows_KD -= centers_LD[looks_KL.argmin(axis=1)]
        # Differences are never less exact than products of vectors.
        squared_K: Rows = np.einsum("kd,kd->k", rows_KD, rows_KD)
        return np.minimum(self._near_N[pos_K], squared_K)

    def _frontier_size(self) -> int:
        low, high = FRONTIER_ROWS
        return max(low, min(high, FRONTIER_VALUES // max(1, self._rows_ND.shape[1])))

    def _exact(self, pos_K: Positions) -> Floats:
        compared_K = self._compared_N[pos_K]
        for seen in np.unique(compared_K):
            if seen < len(self._centers):
                self._compare(pos_K[compared_K == seen], int(seen))
        return self._exact_N[pos_K]

    def _compare(self, pos_K: Positions, seen: int) -> None:
        """Lower `_exact_N` of these rows by the centers from `seen` on."""
        n_centers = len(self._centers)
        step = max(1, BLOCK_VALUES // (n_centers - seen))
        for start in range(0, len(pos_K), step):
            block_K = pos_K[start : start + step]
            squared_K = self._nearest_since(block_K, seen)
            self._exact_N[block_K] = np.minimum(self._exact_N[block_K], squared_K)
        self._compared_N[pos_K] = n_centers

    def _nearest_since(self, pos_K: Positions, seen: int) -> Floats:
        centers = self._centers.since(seen)
        distances_KL = self._held.take(pos_K).distances(centers)
        bound_K = distances_KL.min(axis=1) + 2 * self._error
        return self._least(pos_K, centers.parts[0], distances_KL <= bound_K[:, None])

    def _least(self, pos_K: Positions, centers_LD: Rows, near_KL: Flags) -> Floats:
        """Give the least exact squared distance over the pairs that are marked."""
        squared_K = np.full(len(pos_K), np.inf)
        row_P, center_P = np.nonzero(near_KL)
        step = max(1, BLOCK_VALUES // max(1, self._rows_ND.shape[1]))
        for start in range(0, len(row_P), step):
            row_S, center_S = row_P[start : start + step], center_P[start : start + step]
            squared_S = squared_l2(self._rows_ND[pos_K[row_S]], centers_LD[center_S])
            np.minimum.at(squared_K, row_S, squared_S)
        return squared_K


class _Frontier:
    """The rows that may be next, each with its distance to the nearest center, within `error`."""

    def __init__(self, pos_K: Positions, near_K: Rows, held: Held) -> None:
        self.pos_K, self.near_K = pos_K, near_K  # positions in rising order
        self._held = held

    def farthest(self, n_wanted: int) -> tuple[Positions, np.float32]:
        """Give so many places with the largest distances, and the largest of the others."""
        if n_wanted >= len(self.near_K):
            return np.flatnonzero(self.near_K > -np.inf), np.float32(-np.inf)
        cut = len(self.near_K) - n_wanted
        order_K = self.near_K.argpartition((cut - 1, cut))
        row_T = order_K[cut:]
        return row_T[self.near_K[row_T] > -np.inf], self.near_K[order_K[cut - 1]]

    def lower(self, centers: Centers) -> None:
        """Take more centers into account."""
        if len(self.pos_K):
            near_K = self._held.nearest(centers)
            near_K = near_K if len(near_K) == len(self.pos_K) else near_K[self.pos_K]
            np.minimum(self.near_K, near_K, out=self.near_K)

    def leave(self, pos: Positions) -> None:
        """Take rows off, as far as they are here."""
        if len(self.pos_K):
            place = np.minimum(self.pos_K.searchsorted(pos), len(self.pos_K) - 1)
            self.near_K[place[self.pos_K[place] == pos]] = -np.inf


class _Queue:
    """Picks that are foreseen: the rows in order, each with its exact squared distance."""

    def __init__(self, pos_T: Positions | None = None, squared_T: Floats | None = None) -> None:
        self._pos: list[int] = [] if pos_T is None else pos_T.tolist()
        self._squared: list[float] = [] if squared_T is None else squared_T.tolist()
        self._place = 0

    @property
    def pos(self) -> int | None:
        """Give the next pick, if one is foreseen."""
        return self._pos[self._place] if self._place < len(self._pos) else None

    @property
    def squared(self) -> float:
        """Give its exact squared distance."""
        return self._squared[self._place]

    def step(self) -> None:
        """Go on to the one behind it."""
        self._place += 1

    def first_open(self, open_N: Flags) -> int | None:
        """Go on to the first one that is open; none changes what lies behind it."""
        while self._place < len(self._pos):
            if open_N[self._pos[self._place]]:
                return self._pos[self._place]
            self._place += 1
        return None


def _largest(*parts: Rows) -> float:
    """Give the largest magnitude."""
    extremes = [(-part.min(initial=0.0), part.max(initial=0.0)) for part in parts]
    return float(max(max(pair) for pair in extremes))

"""D² sampling as a race: exact draws, most rows never looked at again.

D² sampling draws, step by step, a row with probability proportional to its squared distance to the
nearest center so far. Here every row carries one exponentially distributed endurance E and uses it
up at the rate of its squared distance; whoever is through first is drawn. The exponential
distribution has no memory, so each draw has exactly the D² probabilities, and since rates only
fall, a rate that was true some draws ago tells before which moment a row cannot be through. One
random number a row serves all draws, and belongs to the row alone, not to its place in the input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.close import close_distances
from winnow.kernels.exact import inner_products, squared_products
from winnow.kernels.growing import Growing
from winnow.kernels.numpy_kernel import NumpyKernel
from winnow.kernels.protocol import (
    Centers,
    DistanceKernel,
    Floats,
    Held,
    Parts,
    Positions,
    squared_l2_error,
)
from winnow.kernels.stale import largest, refresh_groups

FRONTIER_VALUES: Final = 1 << 18
"""Numbers in the frontier's copy: 1 MiB of float32."""
FRONTIER_ROWS: Final = (256, 4096)
BLOCK_VALUES: Final = 1 << 20
"""Rates held at once while rows catch up: one for every draw that each of them missed."""
CONTENDERS_MAX: Final = 8
"""More that float32 cannot tell apart are followed in float64 from then on."""
TINY_SQUARE: Final = 2.0**-60
"""Float32 says nothing about squared distances far below it, since products of small numbers
underflow (at 2⁻¹²⁶, whatever a backend does below); it holds for parts of norms up to 2²¹."""

Flags = npt.NDArray[np.bool_]


class D2Race:
    """Draws rows with probability proportional to the squared distance to the nearest one drawn.

    Parameters
    ----------
    parts
        Rows; with two parts row *i* is the outer product of its residual and its features.
    tie_rank_N
        Decides between rows that are through at the same moment.
    endurance
        Gives float64 [N] of independent standard exponentials, others for each number of a heat.
    kernel
        Backend of the float32 work.

    Notes
    -----
    The first row is the one with the largest norm, as in the reference implementation of BADGE;
    the draws begin behind it. Draws are those of exact arithmetic, rounded once: moments that
    bounds cannot tell apart are computed exactly, and the bounds go on from there. Where float32
    leaves many contenders (a confident committee's gradients are tiny, or close copies of drawn
    rows are all that is left), those rows are followed in float64 from then on.

    Cost: one pass over the rows for their norms and one for the first center, then N a refill of
    the frontier and the distances of the rows on it. Memory beside the rows: 53 bytes a row.

    References
    ----------
    Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007 (D²
    sampling). Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower
    Bounds", ICLR 2020, arXiv 1906.03671, algorithm 1. That an exponential race draws with
    probabilities proportional to its rates is elementary; that it makes D² sampling lazy is ours.
    """

    def __init__(
        self,
        parts: Parts,
        tie_rank_N: npt.NDArray[np.int64],
        endurance: Callable[[int], Floats],
        *,
        kernel: DistanceKernel | None = None,
    ) -> None:
        n_rows = len(tie_rank_N)
        self._parts, self._tie_rank_N, self._endurance = parts, tie_rank_N, endurance
        self._held: Held = (kernel or NumpyKernel()).hold(parts)
        self._n_terms = sum(part.shape[1] for part in parts)
        self._norms_N = np.sqrt(self._held.squares.astype(np.float64)) * (1.0 + 1e-3)
        self._centers = Growing(*(np.empty((0, part.shape[1]), np.float32) for part in parts))
        self._center_norms: list[float] = []
        self._moments: list[float] = []  # when each center came, since the start of the heat
        self._past = _Past.of(n_rows)
        self._shut_N: Flags = np.zeros(n_rows, dtype=np.bool_)
        self._seen_N = np.zeros(n_rows, dtype=np.int32)
        self._close_N: Flags = np.zeros(n_rows, dtype=np.bool_)
        self._not_before_N: Floats = np.zeros(n_rows)
        self._frontier_K: Positions = np.empty(0, dtype=np.intp)
        self._frontier_held: Held | None = None
        self._outside = 0.0
        self._n_wanted = self._frontier_size()
        self._heat, self._epoch = 0, 0
        self._endurance_N: Floats = np.empty(0)
        self._drawn_moment = 0.0
        self._left: list[int] = []  # all that is left lies on centers: the order of the rest

    def next(self, open_N: Flags, epoch: int = 0) -> tuple[int, float]:
        """Draw a row among the open ones and give its position and exact squared distance.

        The first has the largest norm, and its squared norm for a distance. At least one row must
        be open. Rows that were shut may be open again only if `epoch` has grown.
        """
        if not self._center_norms:
            return self._largest(open_N)
        if epoch != self._epoch or not len(self._endurance_N):
            self._epoch = epoch
            self._start_heat(open_N)
        while self._left:
            if open_N[self._left[-1]] and not self._shut_N[self._left[-1]]:
                return self._left[-1], 0.0
            self._left.pop()
        contenders_K = self._few_contenders(open_N)
        moment_K, squared_K = self._exact(contenders_K)
        if np.isinf(moment_K.min()):
            return self._rest(open_N)
        best_K = np.flatnonzero(moment_K == moment_K.min())
        first = best_K[np.argmin(self._tie_rank_N[contenders_K[best_K]])]
        self._drawn_moment = float(moment_K[first])
        return int(contenders_K[first]), float(squared_K[first])

    def add(self, pos: int) -> None:
        """Make the row that was drawn (or any other) a center."""
        self._shut_N[pos] = True
        self._centers.append(Centers.of(*(part[np.array([pos])] for part in self._parts)))
        self._center_norms.append(float(self._norms_N[pos]))
        self._moments.append(self._drawn_moment)
        if len(self._frontier_K) and not self._left:
            self._bring_up_to_date(self._frontier_K, self._frontier_held)

    @property
    def _clock(self) -> float:
        return self._moments[-1] if self._moments else 0.0

    def _largest(self, open_N: Flags) -> tuple[int, float]:
        """Give the open row of the largest norm, decided in float64."""
        norms_N = np.where(open_N, self._norms_N, -1.0)
        slack = (self._n_terms + 8) * float(np.finfo(np.float32).eps) + 1e-12
        least = norms_N.max() * (1.0 - slack)
        near_K = np.flatnonzero(norms_N >= (least if least * least > TINY_SQUARE else 0.0))
        rows = tuple(part[near_K] for part in self._parts)
        squared_K = inner_products(rows, rows)
        best_K = near_K[squared_K == squared_K.max()]
        return int(best_K[np.argmin(self._tie_rank_N[best_K])]), float(squared_K.max())

    def _rest(self, open_N: Flags) -> tuple[int, float]:
        """Draw uniformly from now on: every row that is left lies on a center."""
        left_K = np.flatnonzero(open_N & ~self._shut_N)
        order_K = np.lexsort((self._tie_rank_N[left_K], self._endurance_N[left_K]))
        self._left = left_K[order_K[::-1]].tolist()
        return self._left[-1], 0.0

    def _frontier_size(self) -> int:
        low, high = FRONTIER_ROWS
        return max(low, min(high, FRONTIER_VALUES // max(1, self._n_terms)))

    def _start_heat(self, open_N: Flags) -> None:
        """Give every row new endurance: nothing is lost, for it has no memory."""
        self._endurance_N = self._endurance(self._heat)
        self._heat += 1
        n_centers = len(self._center_norms)
        self._moments = [0.0] * n_centers
        self._drawn_moment = 0.0
        self._shut_N = ~open_N
        self._left = []
        self._past.forget()
        self._frontier_K, self._frontier_held = self._frontier_K[:0], None
        if not self._seen_N.any():
            self._see_first()
        self._not_before_N = self._past.not_before(slice(None), self._endurance_N, self._clock)
        self._not_before_N[self._shut_N] = np.inf

    def _see_first(self) -> None:
        """Measure all rows from the first center: one pass, without a copy of anything."""
        distances_N1 = self._held.distances(self._centers.all[:1]).astype(np.float64)
        errors_N1 = self._errors(slice(None), 0)[:, :1]
        self._past.go_on(slice(None), distances_N1, errors_N1, np.zeros(1))
        self._seen_N[:] = 1

    def _few_contenders(self, open_N: Flags) -> Positions:
        """Give the rows that may be first, followed as closely as it takes to have few."""
        while True:
            contenders_K = self._contenders(open_N)
            if not len(contenders_K):
                self._refill(open_N)
                continue
            coarse_K = contenders_K[~self._close_N[contenders_K]]
            if len(coarse_K) <= CONTENDERS_MAX:
                self._n_wanted = self._frontier_size()
                return contenders_K
            self._follow_closely(coarse_K)

    def _follow_closely(self, pos_K: Positions) -> None:
        """Let rows go through all draws again in float64, and through those to come."""
        self._close_N[pos_K] = True
        self._past.restart(pos_K)
        self._seen_N[pos_K] = 0
        self._bring_up_to_date(pos_K, None)

    def _contenders(self, open_N: Flags) -> Positions:
        """Give the rows on the frontier that may be first; none if one off it may be."""
        pos_K = self._frontier_K[open_N[self._frontier_K] & ~self._shut_N[self._frontier_K]]
        if not len(pos_K):
            return pos_K
        latest_K = self._past.not_after(pos_K, self._endurance_N[pos_K], self._clock)
        earliest_K = self._not_before_N[pos_K]
        best = latest_K.min()
        if not best < self._outside and not np.isinf(self._outside):
            return pos_K[:0]
        contenders_K: Positions = pos_K[earliest_K <= best]
        return contenders_K

    def _refill(self, open_N: Flags) -> None:
        """Put the rows that may be through first on the frontier, all of them up to date."""
        n_centers = len(self._center_norms)
        while True:
            top_K, rest = largest(-self._not_before_N, self._n_wanted)
            shut_K = top_K[~open_N[top_K] | self._shut_N[top_K]]
            stale_K = top_K[self._seen_N[top_K] < n_centers]
            if not len(shut_K) and not len(stale_K):
                break
            self._bring_up_to_date(stale_K, None)
            self._not_before_N[shut_K] = np.inf
        if not len(top_K):  # rows and centers of norm zero: nobody ever uses up anything
            top_K, rest = np.flatnonzero(open_N & ~self._shut_N), np.float64(-np.inf)
        self._frontier_K, self._outside = top_K, -float(rest)
        self._frontier_held = self._held.take(top_K)
        self._n_wanted *= 4  # asked again for the same draw: it did not suffice

    def _bring_up_to_date(self, pos_K: Positions, held: Held | None) -> None:
        n_centers = len(self._center_norms)
        for group_K, since in refresh_groups(pos_K, self._seen_N[pos_K], n_centers):
            step = max(16, BLOCK_VALUES // max(1, n_centers - since))
            for start in range(0, len(group_K), step):
                some_K = group_K[start : start + step]
                self._see(some_K, held if len(some_K) == len(pos_K) else None, since)
        moments_K = self._past.not_before(pos_K, self._endurance_N[pos_K], self._clock)
        self._not_before_N[pos_K] = np.where(self._shut_N[pos_K], np.inf, moments_K)

    def _see(self, pos_K: Positions, held: Held | None, since: int) -> None:
        """Let rows go through the draws that they missed."""
        distances_KL, errors_KL = self._distances(pos_K, held, since)
        # Between the moments of two draws the rates are those of the earlier one.
        lasts_L = np.diff(np.array(self._moments[max(0, since - 1) :]))
        lasts_L = lasts_L if since else np.concatenate([[0.0], lasts_L])
        self._past.go_on(pos_K, distances_KL, errors_KL, lasts_L)
        self._seen_N[pos_K] = len(self._center_norms)

    def _distances(self, pos_K: Positions, held: Held | None, since: int) -> tuple[Floats, Floats]:
        """Give squared distances to the latest centers, and by how much each may be off."""
        centers = self._centers.since(since)
        held = self._held.take(pos_K) if held is None else held
        distances_KL = held.distances(centers).astype(np.float64)
        errors_KL = self._errors(pos_K, since)
        close_K = np.flatnonzero(self._close_N[pos_K])
        if len(close_K):
            rows = tuple(part[pos_K[close_K]] for part in self._parts)
            distances_KL[close_K], errors_KL[close_K] = close_distances(rows, centers)
        return distances_KL, errors_KL

    def _errors(self, pos: Positions | slice, since: int) -> Floats:
        reach_KL = self._norms_N[pos][:, None] + np.array(self._center_norms[since:])
        tiny = squared_l2_error(np.array([TINY_SQUARE**0.5]), 0.0, self._n_terms)
        return squared_l2_error(reach_KL, 0.0, self._n_terms) + tiny

    def _exact(self, pos_K: Positions) -> tuple[Floats, Floats]:
        """Give the moment at which each row is through, and its squared distance, in float64."""
        moment_K, squared_K = np.empty(len(pos_K)), np.empty(len(pos_K))
        step = max(1, BLOCK_VALUES // len(self._center_norms))
        for start in range(0, len(pos_K), step):
            block = slice(start, start + step)
            rate_KL = self._exact_rates(pos_K[block])
            lasts_L = np.diff(np.array(self._moments))
            used_K: Floats = np.zeros(len(rate_KL))
            if len(lasts_L):
                used_K = np.cumsum(rate_KL[:, :-1] * lasts_L, axis=1)[:, -1]
            squared_K[block] = rate_KL[:, -1]
            left_K = np.maximum(self._endurance_N[pos_K[block]] - used_K, 0.0)
            self._past.know(pos_K[block], rate_KL[:, -1], used_K)
            with np.errstate(divide="ignore", invalid="ignore"):
                moment_K[block] = np.where(
                    rate_KL[:, -1] > 0.0, self._clock + left_K / rate_KL[:, -1], np.inf
                )
        self._not_before_N[pos_K] = self._past.not_before(
            pos_K, self._endurance_N[pos_K], self._clock
        )
        return moment_K, squared_K

    def _exact_rates(self, pos_K: Positions) -> Floats:
        """Give the exact squared distance to the nearest center after each draw, [K, L]."""
        centers = self._centers.all
        distances_KL, errors_KL = self._distances(pos_K, None, 0)
        before_KL = np.minimum.accumulate(distances_KL + errors_KL, axis=1)
        # Only a center that may be nearer than all before it can change the rate.
        lowers_KL = distances_KL - errors_KL <= np.roll(before_KL, 1, axis=1)
        lowers_KL[:, 0] = True
        row_P, center_P = np.nonzero(lowers_KL)
        rates_KL = np.full(distances_KL.shape, np.inf)
        step = max(1, BLOCK_VALUES // max(1, self._n_terms))
        for start in range(0, len(row_P), step):
            row_S, center_S = row_P[start : start + step], center_P[start : start + step]
            rows = tuple(part[pos_K[row_S]] for part in self._parts)
            others = tuple(part[center_S] for part in centers.parts)
            rates_KL[row_S, center_S] = squared_products(rows, others)
        return np.minimum.accumulate(rates_KL, axis=1)


@dataclass(slots=True)
class _Past:
    """Between which bounds each row's rate lies, and how much endurance it has used up."""

    rate_low_N: Floats
    rate_high_N: Floats
    used_low_N: Floats
    used_high_N: Floats

    @classmethod
    def of(cls, n_rows: int) -> _Past:
        """Begin: no center, no use."""
        return cls(
            np.full(n_rows, np.inf), np.full(n_rows, np.inf), np.zeros(n_rows), np.zeros(n_rows)
        )

    def forget(self) -> None:
        """Begin a heat: rates stay, nothing is used."""
        self.used_low_N[:] = 0.0
        self.used_high_N[:] = 0.0

    def restart(self, pos_K: Positions) -> None:
        """Forget what is known of rows."""
        self.rate_low_N[pos_K], self.rate_high_N[pos_K] = np.inf, np.inf
        self.used_low_N[pos_K], self.used_high_N[pos_K] = 0.0, 0.0

    def know(self, pos_K: Positions, rate_K: Floats, used_K: Floats) -> None:
        """Take what was computed exactly: rows of rate 0 never matter again."""
        self.rate_low_N[pos_K], self.rate_high_N[pos_K] = rate_K, rate_K
        self.used_low_N[pos_K], self.used_high_N[pos_K] = used_K, used_K

    def go_on(
        self,
        pos_K: Positions | slice,
        distances_KL: Floats,
        errors_KL: Floats,
        lasts_L: Floats,
    ) -> None:
        """Use endurance up to each moment, then take the center of that moment into account."""
        for rate_N, used_N, found_KL in (
            (self.rate_low_N, self.used_low_N, distances_KL - errors_KL),
            (self.rate_high_N, self.used_high_N, distances_KL + errors_KL),
        ):
            np.maximum(found_KL, 0.0, out=found_KL)
            rates_KL = np.minimum.accumulate(
                np.concatenate([rate_N[pos_K][:, None], found_KL], axis=1), axis=1
            )
            before_KL = np.where(lasts_L > 0.0, rates_KL[:, :-1], 0.0)  # inf lasts no time
            used_N[pos_K] += (before_KL * lasts_L).sum(axis=1)
            rate_N[pos_K] = rates_KL[:, -1]

    def not_before(self, pos: Positions | slice, endurance: Floats, clock: float) -> Floats:
        """Give a moment before which each row is not through."""
        left = np.maximum(endurance * (1.0 - SLACK) - self.used_high_N[pos] * (1.0 + SLACK), 0.0)
        return clock + _over(left, self.rate_high_N[pos] * (1.0 + SLACK))

    def not_after(self, pos: Positions, endurance: Floats, clock: float) -> Floats:
        """Give a moment at which each row is through at the latest."""
        left = np.maximum(endurance * (1.0 + SLACK) - self.used_low_N[pos] * (1.0 - SLACK), 0.0)
        return clock + _over(left, self.rate_low_N[pos] * (1.0 - SLACK))


SLACK: Final = 1e-9
"""Covers what float64 rounds while bounds are added up."""


def _over(left: Floats, rate: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        moments: Floats = np.where(rate > 0.0, left / rate, np.inf)
    return moments
